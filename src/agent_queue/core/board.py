"""What is seen of a queue, as values: its jobs at a glance, what cannot become one, what changed since a look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agent_queue.core.history import History
from agent_queue.core.job import JobId, Stage
from agent_queue.core.lifecycle import Job
from agent_queue.core.schedule import Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalid:
    """A file that cannot become a job as it is; `problem` says why, at its place, and what to do."""

    name: str
    stage: Stage
    problem: str


class Glimpse(NamedTuple):
    """What a job file says, as far as lists show it; kept in a cache, so it holds plain values only."""

    title: str = ""
    engine: str = ""
    profile: str = ""
    priority: str = ""
    locks: tuple[str, ...] = ()
    deps: tuple[str, ...] = ()
    tracker_item: str = ""
    invalid: str = ""
    """Why it cannot become a job as it is; '' when it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A job in a list: where it lies, what its file says, what its journal says."""

    id: JobId
    stage: Stage
    age: int
    """When its file was last written, ns since the epoch."""
    glimpse: Glimpse
    past: History


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The whole queue at a glance: every job of the active stages, and the latest of the final ones."""

    rows: Sequence[Row]
    counts: Mapping[Stage, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a look at the queue found since the last one."""

    waiting: Sequence[Waiting] = ()
    gone: Sequence[JobId] = ()
    """Ids that no longer wait in the inbox."""
    by_hand: Sequence[Job] = ()
    """Jobs that a person moved, in their new place, already journaled."""
    look_again_s: float | None = None
    """When a file that is still being written should be looked at again."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file of the queue that came, went or was written; an empty path stands for any. `whole`: its writer is done."""

    path: str
    whole: bool = False
