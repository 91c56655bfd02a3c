"""Where a job goes next, and why: the only table of stage moves, and the only maker of a `Move`."""

from datetime import datetime
from typing import assert_never, get_args

from agent_queue.core.errors import BusyError, IllegalMoveError
from agent_queue.core.job import Result, Stage
from agent_queue.core.move import Job, Kind, Move, Policy
from agent_queue.core.outcome import FAILURES, Broke, Done, Failure, Fault, Held, Outcome, Refused
from agent_queue.core.retry import may_retry, wait_before

__all__ = [
    "TRANSITIONS", "Job", "Kind", "Move", "Policy", "begin", "by_hand", "cancel", "decide", "pending", "promote",
    "recover", "reject", "requeue", "ship",
]  # fmt: skip

_ENDINGS: dict[Stage, tuple[type[Outcome], ...]] = {
    Stage.INBOX: (Refused,), Stage.BUILDING: get_args(Outcome), Stage.REVIEW: get_args(Outcome), Stage.TESTING: (Done,),
}  # fmt: skip
"""What can end where: a job that never started has no attempt to give back, and testing is a person's stage."""


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
        case Held():
            return _held(job, outcome, policy, now)
        case Broke():
            return _broken(job, outcome, policy, now, roll)
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


def _held(job: Job, held: Held, policy: Policy, now: datetime) -> Move:
    """Wait for as long as a known reset takes; without one, no longer than `max_hold_s` since the first hold."""
    since = job.past.held_since or now.timestamp()
    if not held.known_reset and now.timestamp() - since >= policy.max_hold_s:
        reason = f"held for {(now.timestamp() - since) / 3600:.1f} h, and no end in sight: {held.reason}"
        return _move(Kind.FAIL, job, Stage.FAILED, result=Result.HELD_TOO_LONG, failure=held.failure, reason=reason)
    return _move(
        Kind.HOLD, job, Stage.INBOX, attempts=max(job.past.attempts - 1, 0), result=Result.HELD, reason=held.reason,
        next_eligible=held.until.timestamp() if held.until > now else 0.0, lane=held.lane, failure=held.failure,
        held_since=since if not held.known_reset else 0.0 if held.lane else job.past.held_since,
    )  # fmt: skip


def _broken(job: Job, broke: Broke, policy: Policy, now: datetime, roll: float) -> Move:
    past, kind, reason, mark = job.past, broke.kind, broke.reason, broke.fingerprint
    result = FAILURES[kind].result
    if FAILURES[kind].fault is Fault.MACHINE:
        if past.recoveries < policy.max_recoveries:
            return _move(Kind.RECOVER, job, Stage.INBOX, recoveries=past.recoveries + 1, result=Result.RECOVERED,
                         failure=kind, reason=reason)  # fmt: skip
        reason = f"{reason}; it did so {past.recoveries + 1} times"
    elif may_retry(kind, policy.retry):
        wait = wait_before(past.attempts, policy.retry, roll)
        again = policy.retry.stop_on_repeat and past.attempts > 1 and past.state.get("fingerprint") == mark != ""
        if wait is not None and not again:
            return _move(Kind.RETRY, job, Stage.INBOX, next_eligible=now.timestamp() + wait if wait else 0.0,
                         result=Result.RETRY, failure=kind, reason=reason, fingerprint=mark)  # fmt: skip
        why = "twice the same failure, and nothing changed in between" if again else reason
        reason = f"gave up after {past.attempts} attempts: {why}" + (f": {reason}" if again else "")
        result = Result.RETRIES_EXHAUSTED
    return _move(Kind.FAIL, job, Stage.FAILED, result=result, failure=kind, reason=reason, fingerprint=mark)


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
    next_eligible: float = 0.0, fresh: bool | None = None, reason: str = "", lane: str = "", held_since: float = 0.0,
    fingerprint: str = "",
) -> Move:  # fmt: skip
    past = job.past
    return Move(
        kind=kind, job=job.id, origin=job.stage, target=target, seq=past.seq + 1,
        run=past.run if run is None else run, attempts=past.attempts if attempts is None else attempts,
        recoveries=past.recoveries if recoveries is None else recoveries, fresh=past.fresh if fresh is None else fresh,
        result=result, failure=failure, next_eligible=next_eligible, reason=reason, lane=lane, held_since=held_since,
        fingerprint=fingerprint,
    )  # fmt: skip
