"""What a decision about a job is made of: the job with its past, the policy, and the move that comes of it.

Only `core.lifecycle` makes a `Move`.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from agent_queue.core.history import Entry, History
from agent_queue.core.job import JobId, Result, Stage
from agent_queue.core.outcome import Failure
from agent_queue.core.retry import NEVER, Retry


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
    max_hold_s: float = 24 * 3600.0
    """How long a job may be held where nobody knows when that ends."""
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
    lane: str = ""
    """The lane that a held job waits for: it starts when that opens, whatever `next_eligible` says."""
    held_since: float = 0.0
    """Epoch seconds of its first hold in a row without a known reset; 0 for none."""
    fingerprint: str = ""
    """A hash of how it failed and on what tree: the same one twice is the same failure with no change in between."""
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
        entry |= {key: value.value for key, value in told if value is not None}
        more = (("lane", self.lane), ("held_since", self.held_since), ("fingerprint", self.fingerprint))
        return entry | {key: value for key, value in more if value}
