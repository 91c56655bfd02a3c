"""Where a job goes next, and why: the only table of stage moves, and the only maker of a `Move`."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import assert_never, get_args

from agent_queue.core.errors import BusyError, IllegalMoveError
from agent_queue.core.history import Entry, History
from agent_queue.core.job import JobId, Result, Stage
from agent_queue.core.outcome import FAILURES, Broke, Done, Failure, Fault, Held, Outcome, Refused
from agent_queue.core.retry import NEVER, Retry, may_retry, wait_before

_ENDINGS: dict[Stage, tuple[type[Outcome], ...]] = {
    Stage.INBOX: (Refused,), Stage.BUILDING: get_args(Outcome), Stage.REVIEW: get_args(Outcome), Stage.TESTING: (Done,),
}  # fmt: skip
"""What can end where: a job that never started has no attempt to give back, and testing is a person's stage."""


class Kind(StrEnum):
    """What sort of move it is, journaled as `move`."""

    BEGIN = "begin"
    ADVANCE = "advance"
    RETRY = "retry"
    HOLD = "hold"
    FAIL = "fail"
    RECOVER = "recover"
    PROMOTE = "promote"
    SHIP = "ship"
    REJECT = "reject"
    REQUEUE = "requeue"
    CANCEL = "cancel"
    BY_HAND = "by_hand"
    REBORN = "reborn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job where it lies now, with its past."""

    id: JobId
    stage: Stage
    past: History = field(default_factory=History)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the manifest and the settings say about going on after a failure."""

    retry: Retry = NEVER
    max_recoveries: int = 3
    verify: bool = False
    auto_promote: bool = False
    auto_ship: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A decision, not yet carried out. Made here, carried out by `Queue.settle`."""

    kind: Kind
    job: JobId
    origin: Stage
    target: Stage
    seq: int
    run: int
    attempts: int
    recoveries: int
    result: Result | None = None
    failure: Failure | None = None
    next_eligible: float = 0.0
    """Epoch seconds before which the job does not start again; 0 for at once."""
    fresh: bool = False
    reason: str = ""
    """For people; it may quote an agent, so it never enters the journal."""

    def entry(self) -> Entry:
        """The journal's line for it, without `at`."""
        event = "moved_by_hand" if self.kind in (Kind.BY_HAND, Kind.REBORN) else "move"
        entry: Entry = {
            "event": event, "seq": self.seq, "move": self.kind.value, "from": self.origin.value,
            "to": self.target.value, "run": self.run, "attempts": self.attempts, "recoveries": self.recoveries,
            "next_eligible": self.next_eligible, "fresh": self.fresh,
        }  # fmt: skip
        told = (("result", self.result), ("failure", self.failure))
        return entry | {key: value.value for key, value in told if value is not None}


def begin(job: Job) -> Move:
    """Take a waiting job into work. The attempt is charged now, before anything can crash."""
    _need(job, "start", Stage.INBOX)
    return _move(Kind.BEGIN, job, Stage.BUILDING, run=job.past.run + 1, attempts=job.past.attempts + 1)


def decide(job: Job, outcome: Outcome, policy: Policy, now: datetime, roll: float) -> Move:
    """Say where a job goes after its work in building, or its verify in review, or before it could start.
    `now` is aware; `roll` in [0, 1) comes from the caller's dice.

    Raises:
        IllegalMoveError: the job lies in a stage where nothing ends in this way.
    """
    if not isinstance(outcome, _ENDINGS.get(job.stage, ())):
        raise IllegalMoveError(f"{job.id} lies in {job.stage}: nothing there ends as {type(outcome).__name__}")
    match outcome:
        case Done():
            return _onward(job, policy)
        case Refused(result=result, reason=reason):
            return _move(Kind.FAIL, job, Stage.FAILED, result=result, reason=reason)
        case Held(reason=reason, until=until):
            return _move(Kind.HOLD, job, Stage.INBOX, attempts=max(job.past.attempts - 1, 0), result=Result.HELD,
                         next_eligible=until.timestamp() if until > now else 0.0, reason=reason)  # fmt: skip
        case Broke(kind=kind, reason=reason):
            return _broken(job, kind, reason, policy, now, roll)
        case _:
            assert_never(outcome)


def _onward(job: Job, policy: Policy) -> Move:
    if job.stage is Stage.BUILDING:
        return _move(Kind.ADVANCE, job, Stage.REVIEW, result=Result.REVIEW)
    if job.stage is Stage.REVIEW:
        return _move(Kind.ADVANCE, job, Stage.TESTING, result=Result.TESTING)
    if policy.auto_ship:
        return ship(job)
    raise IllegalMoveError(f"{job.id} lies in {job.stage}: it waits there for a person")


def _broken(job: Job, kind: Failure, reason: str, policy: Policy, now: datetime, roll: float) -> Move:
    past, result = job.past, FAILURES[kind].result
    if FAILURES[kind].fault is Fault.MACHINE:
        if past.recoveries < policy.max_recoveries:
            return _move(Kind.RECOVER, job, Stage.INBOX, recoveries=past.recoveries + 1, result=Result.RECOVERED,
                         failure=kind, reason=reason)  # fmt: skip
        reason = f"{reason}; it did so {past.recoveries + 1} times"
    elif may_retry(kind, policy.retry):
        wait = wait_before(past.attempts, policy.retry, roll)
        if wait is not None:
            return _move(Kind.RETRY, job, Stage.INBOX, next_eligible=now.timestamp() + wait if wait else 0.0,
                         result=Result.RETRY, failure=kind, reason=reason)  # fmt: skip
        result, reason = Result.RETRIES_EXHAUSTED, f"gave up after {past.attempts} attempts: {reason}"
    return _move(Kind.FAIL, job, Stage.FAILED, result=result, failure=kind, reason=reason)


def pending(job: Job, policy: Policy) -> bool:
    """True when aq itself has work to do on a job where it lies.

    A job that a person dragged into review waits for a person; one that aq brought there has its verify coming.
    """
    match job.stage:
        case Stage.BUILDING:
            return True
        case Stage.REVIEW:
            return job.past.kind == Kind.ADVANCE and (policy.verify or policy.auto_promote)
        case Stage.TESTING:
            return policy.auto_ship
        case Stage.INBOX | Stage.SHIPPED | Stage.FAILED:
            return False
        case _:
            assert_never(job.stage)


def promote(job: Job) -> Move:
    """A person says the work is good: review to testing."""
    _need(job, "promote", Stage.REVIEW)
    return _move(Kind.PROMOTE, job, Stage.TESTING, result=Result.TESTING)


def ship(job: Job) -> Move:
    """A person lets it out: testing to shipped, the human gate."""
    _need(job, "ship", Stage.TESTING)
    return _move(Kind.SHIP, job, Stage.SHIPPED, result=Result.SHIPPED)


def reject(job: Job) -> Move:
    """A person says the work is no good. It stays on its branch."""
    _need(job, "reject", Stage.REVIEW, Stage.TESTING)
    return _move(Kind.REJECT, job, Stage.FAILED, result=Result.REJECTED, reason="rejected by a person")


def cancel(job: Job) -> Move:
    """A person does not want it any more. A running agent is stopped first, by whoever holds the job."""
    if job.stage is Stage.BUILDING:
        raise BusyError(f"{job.id} is running; its agent must be stopped first")
    _need(job, "cancel", Stage.INBOX, Stage.REVIEW, Stage.TESTING)
    return _move(Kind.CANCEL, job, Stage.FAILED, result=Result.CANCELLED, reason="cancelled by a person")


def requeue(job: Job, *, fresh: bool = False) -> Move:
    """Run it again with no attempts charged. Its branch is kept and gone on from, unless `fresh`."""
    _need(job, "requeue", Stage.FAILED, Stage.REVIEW, Stage.TESTING)
    return _move(Kind.REQUEUE, job, Stage.INBOX, attempts=0, recoveries=0, fresh=fresh)


def recover(job: Job) -> Move:
    """Charge an attempt for a file found in building that no claim of ours brought there."""
    return _move(Kind.BEGIN, job, Stage.BUILDING, run=job.past.run + 1, attempts=job.past.attempts + 1)


def by_hand(job: Job) -> Move | None:
    """Explain a file that lies elsewhere than its journal says: a person moved it, and the person wins.

    None when folder and journal agree, or when aq's own last move is merely unfinished.
    """
    past = job.past
    if past.stage is None or past.stage is job.stage or (past.unfinished and job.stage is past.origin):
        return None
    moved = Job(id=job.id, stage=past.stage, past=past)
    if job.stage is Stage.INBOX:
        kind = Kind.REBORN if past.stage is Stage.SHIPPED else Kind.BY_HAND
        return _move(kind, moved, job.stage, attempts=0, recoveries=0, fresh=kind is Kind.REBORN)
    results = {Stage.REVIEW: Result.REVIEW, Stage.TESTING: Result.TESTING, Stage.SHIPPED: Result.SHIPPED,
               Stage.FAILED: Result.CANCELLED}  # fmt: skip
    return _move(Kind.BY_HAND, moved, job.stage, result=results.get(job.stage))


TRANSITIONS: tuple[tuple[Stage, Stage, str], ...] = (
    (Stage.INBOX, Stage.BUILDING, "begin"),
    (Stage.INBOX, Stage.FAILED, "refused, cancel"),
    (Stage.BUILDING, Stage.REVIEW, "the agent ended well"),
    (Stage.BUILDING, Stage.INBOX, "retry, hold, recover"),
    (Stage.BUILDING, Stage.FAILED, "broke, refused, cancel"),
    (Stage.REVIEW, Stage.TESTING, "verified, promote"),
    (Stage.REVIEW, Stage.INBOX, "retry, hold, recover, requeue"),
    (Stage.REVIEW, Stage.FAILED, "broke, refused, reject, cancel"),
    (Stage.TESTING, Stage.SHIPPED, "ship"),
    (Stage.TESTING, Stage.INBOX, "requeue"),
    (Stage.TESTING, Stage.FAILED, "reject, cancel"),
    (Stage.FAILED, Stage.INBOX, "requeue"),
)
"""Every move that can happen without a person's `mv`, for the diagram; a property test holds the code to it."""


def _need(job: Job, deed: str, *stages: Stage) -> None:
    if job.stage not in stages:
        raise IllegalMoveError(f"{job.id} lies in {job.stage}: only a job in {' or '.join(stages)} can {deed}")


def _move(
    kind: Kind, job: Job, target: Stage, *, run: int | None = None, attempts: int | None = None,
    recoveries: int | None = None, result: Result | None = None, failure: Failure | None = None,
    next_eligible: float = 0.0, fresh: bool | None = None, reason: str = "",
) -> Move:  # fmt: skip
    past = job.past
    return Move(
        kind=kind, job=job.id, origin=job.stage, target=target, seq=past.seq + 1,
        run=past.run if run is None else run, attempts=past.attempts if attempts is None else attempts,
        recoveries=past.recoveries if recoveries is None else recoveries, fresh=past.fresh if fresh is None else fresh,
        result=result, failure=failure, next_eligible=next_eligible, reason=reason,
    )  # fmt: skip
