"""What is seen of a queue, as values: its jobs at a glance, what cannot become one, what changed since a look."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from agent_queue.core.job import JobId, Stage
from agent_queue.core.lifecycle import Job
from agent_queue.core.schedule import Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalid:
    """A file that cannot become a job as it is; `problem` says why, at its place, and what to do."""

    name: str
    stage: Stage
    problem: str


class Glimpse(TypedDict):
    """What a job file says, as far as lists show it, defaults filled in. Plain values: they are kept in a cache."""

    title: str
    engine: str
    engine_class: str
    profile: str
    rank: int
    """Priority, 0 for critical."""
    priority: str
    engines: list[str]
    """Those that may run it, as `schedule.Waiting` has them."""
    fallback: list[str]
    """Those that go on with it while the others are closed."""
    locks: list[str]
    deps: list[str]
    soft: bool
    key: str
    """Its idempotency key."""
    tracker_item: str
    verify: bool
    auto_promote: bool
    invalid: str
    """Why it cannot become a job as it is; '' when it can."""


class Work(TypedDict):
    """A process of a job, the agent or its verify, as its record folder and its log tell."""

    engine: str
    alive: bool
    recorded: bool
    """It has ended, and left its record."""
    stopping: bool
    started_at: float | None
    """Epoch seconds."""
    written_at: float | None
    """When it last printed something, epoch seconds."""
    life_at: float | None
    """When it last showed another sign of life: CPU time, changes of files."""
    live: dict[str, Any]
    """What its agent has used so far, as far as it tells; {} of a verify."""
    quiet_s: float | None
    """Silence longer than this is the mark of a stall; None for programs that may print nothing."""


class Row(Glimpse):
    """A job in a list: where it lies, what its file says, what its journal says, what it does now."""

    id: JobId
    stage: Stage
    written_ns: int
    """When its file was last written, ns since the epoch."""
    came_ns: int
    """When it came to where it lies."""
    run: int
    attempts: int
    next_eligible: float
    lane: str
    """The lane that it waits for; '' for none."""
    lies: str
    """The stage that its last move led to; '' for a job never moved."""
    kind: str
    """What that move was."""
    skipped: int
    """Lines of its journal that could not be read."""
    pending: bool
    """aq itself has work to do on it where it lies."""
    also: list[str]
    """Final stages that hold a file of the same name."""
    state: dict[str, Any]
    reason: str
    """Why its last run ended as it did, in words; '' when that is not known any more."""
    figures: dict[str, Any]
    """What all its runs took together; None where nobody knows."""
    work: Work | None


class Board(TypedDict):
    """The whole queue at a glance: every job of the active stages, and the latest of the final ones."""

    rows: list[Row]
    counts: dict[Stage, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a look at the queue found since the last one."""

    waiting: Sequence[Waiting] = ()
    gone: Sequence[JobId] = ()
    """Ids that no longer wait in the inbox."""
    by_hand: Sequence[Job] = ()
    """Jobs that a person moved, in their new place, already journaled."""
    vanished: Sequence[JobId] = ()
    """Jobs that lay in building or review, and whose file lies nowhere any more."""
    look_again_s: float | None = None
    """When a file that is still being written should be looked at again."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file of the queue that came, went or was written; an empty path stands for any. `whole`: its writer is done."""

    path: str
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Woken:
    """Why a wait ended: `ended` folders' processes, finished deeds by key, signals by name, or changed files."""

    ended: Sequence[str] = ()
    finished: Sequence[tuple[str, Any]] = ()
    """(key, value or exception) of each deed handed to `later`."""
    signals: Sequence[str] = ()
    files: Sequence[FileChange] = ()
