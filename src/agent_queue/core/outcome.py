"""How a run, or the verify after it, can end: four values, and one table of what a failure means."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent_queue.core.job import Result


class Failure(StrEnum):
    """Why something broke. The name is also what `retry.on` in a manifest calls it."""

    CRASH = "crash"
    TIMEOUT = "timeout"
    STALLED = "stalled"
    VERIFY_FAILED = "verify_failed"
    BUDGET = "budget_exceeded"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    QUOTA = "quota"
    AUTH = "auth"
    CONTEXT = "context"
    NO_PERMISSION = "no_permission"
    MAX_TURNS = "max_turns"
    SETUP = "setup_failed"
    SCOPE = "scope_refused"
    MEMORY = "out_of_memory"
    MACHINE = "machine"


class Fault(StrEnum):
    """Whose failure it is; the job's own is charged and retried only when its manifest says so."""

    JOB = "job"
    LANE = "lane"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Rule:
    """What one failure class means: the result it leaves, whether `retry.on` may name it, whose fault it is."""

    result: Result
    retriable: bool
    fault: Fault
    meaning: str


FAILURES: dict[Failure, Rule] = {
    Failure.CRASH: Rule(Result.CRASH, True, Fault.JOB, "the agent ended without success, or with a code nobody knows"),
    Failure.TIMEOUT: Rule(Result.TIMEOUT, True, Fault.JOB, "the agent or the verify ran past its time"),
    Failure.STALLED: Rule(Result.STALLED, True, Fault.JOB, "no sign of life for as long as `stall_stop` allows"),
    Failure.VERIFY_FAILED: Rule(Result.VERIFY_FAILED, True, Fault.JOB, "a verify command ended with another code"),
    Failure.BUDGET: Rule(Result.BUDGET_EXCEEDED, True, Fault.JOB, "a budget of the manifest was used up"),
    Failure.RATE_LIMITED: Rule(Result.CRASH, True, Fault.LANE, "the model service never let up asking to slow down"),
    Failure.OVERLOADED: Rule(Result.CRASH, True, Fault.LANE, "the model service had no capacity"),
    Failure.QUOTA: Rule(Result.CRASH, True, Fault.LANE, "credit or quota of the account is used up"),
    Failure.AUTH: Rule(Result.AUTH_FAILED, False, Fault.LANE, "the model service refused the key or log-in"),
    Failure.CONTEXT: Rule(Result.CONTEXT, True, Fault.JOB, "the conversation outgrew the model's context"),
    Failure.NO_PERMISSION: Rule(Result.NO_PERMISSION, False, Fault.JOB, "tools were denied and nothing was changed"),
    Failure.MAX_TURNS: Rule(Result.MAX_TURNS, True, Fault.JOB, "the agent reached its own limit of turns"),
    Failure.SETUP: Rule(Result.SETUP_FAILED, True, Fault.JOB, "the workspace could not be made ready"),
    Failure.SCOPE: Rule(Result.SCOPE_REFUSED, True, Fault.JOB, "a path outside the allowed scope was changed"),
    Failure.MEMORY: Rule(Result.OUT_OF_MEMORY, True, Fault.JOB, "the processes of the job grew past the memory limit"),
    Failure.MACHINE: Rule(Result.CRASH, False, Fault.MACHINE, "the machine, the shim or the supervisor died under it"),
}


class StopReason(StrEnum):
    """Why somebody asked a running agent to end; written to stop.json before any signal."""

    TIMEOUT = "timeout"
    WALL = "wall"
    BUDGET = "budget"
    STALLED = "stalled"
    MEMORY = "memory"
    CANCEL = "cancel"
    SHUTDOWN = "shutdown"
    BY_HAND = "by_hand"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The work of this stage succeeded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broke:
    """The work failed; the attempt stays charged. `reason` is for people and never journaled."""

    kind: Failure
    reason: str
    fingerprint: str = ""
    """A hash of how it failed and on what tree, '' when nobody asks."""
    interrupted: bool = False
    """Its program says, or ends as if, somebody broke it off: it did not break by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Not the job's fault: give the attempt back and wait, e.g. the engine's usage limit until its reset."""

    reason: str
    lane: str
    until: datetime
    known_reset: bool = True
    """False: `until` is when to try again, and nobody knows when the reason for the hold ends."""
    failure: Failure | None = None
    """What broke, where that is the lane's fault: it is journaled, and the job is not charged for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A person or the manifest says that this job must not go on."""

    result: Result
    reason: str


Outcome = Done | Broke | Held | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a process ended, as its shim recorded it. One of `code` and `signal` is None."""

    code: int | None
    signal: int | None
    duration_s: float
    stragglers: int = 0
    error: str = ""
    """Why it could not be started, when it could not; `code` is then 126 or 127."""
    oom_kills: int = 0
    """How many of its processes the kernel killed for want of memory, where it had a cgroup of its own."""

    @property
    def clean(self) -> bool:
        """True for exit code 0."""
        return self.code == 0

    def __str__(self) -> str:
        if self.error:
            return f"could not be started: {self.error}"
        ended = f"exit code {self.code}" if self.signal is None else f"signal {self.signal}"
        return f"{ended}, out of memory" if self.oom_kills else ended


def of_stop(stop: StopReason, now: datetime) -> Outcome:
    """Judge a run that somebody stopped. It outranks whatever exit code the agent reports.

    An agent told to end may well say 0 (gemini does at SIGTERM, claude at SIGINT): that is no success.
    """
    match stop:
        case StopReason.TIMEOUT:
            return Broke(kind=Failure.TIMEOUT, reason="stopped: the timeout passed")
        case StopReason.WALL:
            return Broke(kind=Failure.BUDGET, reason="stopped: budget.wall was used up")
        case StopReason.BUDGET:
            return Broke(kind=Failure.BUDGET, reason="stopped: a budget was used up")
        case StopReason.STALLED:
            return Broke(kind=Failure.STALLED, reason="stopped: no sign of life")
        case StopReason.MEMORY:
            return Broke(kind=Failure.MEMORY, reason="stopped: over the memory limit")
        case StopReason.CANCEL | StopReason.BY_HAND:
            return Refused(result=Result.CANCELLED, reason="cancelled by a person")
        case StopReason.SHUTDOWN:
            return Held(reason="the supervisor was told to stop now", lane="", until=now)
        case StopReason.TERMINATED:
            return Broke(kind=Failure.MACHINE, reason="the shim was told to end by somebody else, e.g. a shutdown")
