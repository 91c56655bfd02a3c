"""Every port on one page: what the story needs from the world. Read this first to add an engine, tracker or queue.

The values that pass through them are in `core.run` and `core.board`; they can be had from here as well.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from agent_queue.core.board import Board, Changes, FileChange, Glimpse, Invalid, Row, Woken
from agent_queue.core.history import Entry, History
from agent_queue.core.job import JobId, Stage
from agent_queue.core.lanes import Lane
from agent_queue.core.lifecycle import Job, Move
from agent_queue.core.manifest import JobFile, Manifest
from agent_queue.core.outcome import Exit, Outcome, StopReason

from agent_queue.core.run import (  # isort: skip
    Assignment, Command, Ending, Event, EventKind, Host, Kept, Place, Plan, Start, StopWay, Target,
)  # fmt: skip
from agent_queue.core.usage import Call

__all__ = [
    "Assignment", "Board", "Call", "Changes", "Clock", "Command", "Ending", "Engine", "Event", "EventKind", "Events",
    "FileChange", "Glimpse", "Host", "Invalid", "Kept", "LaneFiles", "Lock", "Place", "Plan", "Prices", "Processes",
    "Queue", "Reader", "Row", "RunFolder", "Start", "StopWay", "Target", "Woken", "Workspaces",
]  # fmt: skip


class Reader(Protocol):
    """Reads one run's output, piece by piece; it holds what has to be remembered. Feed it from the first byte."""

    def feed(self, data: bytes) -> Iterable[Event]: ...
    def sidecar(self, name: str, data: bytes) -> None:
        """Read a side file, whole; read again, its last reading counts."""

    def sessions(self) -> Sequence[str]:
        """The conversations, its own and its helpers', that were named so far and whose side files tell of this run."""

    def facts(self) -> Mapping[str, Any]:
        """State keys that the output told so far, e.g. `resume_id`, `model` and token counts with `usage`.

        `resume_id` is None when the program said that it does not know the conversation it was to go on with.
        """

    def calls(self) -> Sequence[Call]:
        """The model's answers that the token counts are the sum of, for pricing; none where they are not told."""

    def ending(self, ending: Ending) -> Outcome: ...


class Prices(Protocol):
    """What models charge."""

    def __call__(self, calls: Sequence[Call], /) -> float | None:
        """The sum in USD; None when the price of one of the calls is not known."""


class Engine(Protocol):
    """One agent program. Pure: builds a command, reads bytes, judges the ending. Runs nothing."""

    name: str
    programs: tuple[str, ...]
    """File names to look for on PATH, best first."""
    bin_variable: str
    """Environment variable that names the program instead, e.g. CLAUDE_BIN."""
    environment: tuple[str, ...]
    """Variables of the program's own that it may see; a trailing `*` matches any ending."""
    stop: StopWay
    silent: bool
    """True when the program may print nothing while it works: silence is then no sign of a stall."""
    script: bool
    """True when it runs the job's body as a program: then nothing may stand before it in the prompt."""
    live: tuple[str, ...]
    """Of `core.budget.COUNTED`, what its reader tells while the program runs."""
    caps: tuple[str, ...]
    """Of the same, what the program itself keeps to when it is told by its command."""
    hint: str
    """How to get the program, for people who do not have it."""

    def command(self, assignment: Assignment, place: Place, host: Host) -> Command: ...
    def sidecars(self, assignment: Assignment, place: Place, env: Mapping[str, str]) -> tuple[str, ...]:
        """Globs of files in which it tells more; `{session}` stands for each of the reader's `sessions`."""

    def interactive(self, program: str, conversation: str) -> tuple[str, ...]:
        """The command with which a person goes on with a conversation on a terminal; () where the program cannot."""

    def reader(self) -> Reader: ...


class Lock(Protocol):
    """Locks held for a job. Whoever holds them keeps it alive; closing lets go."""

    def filenos(self) -> tuple[int, ...]: ...
    def close(self) -> None: ...


class RunFolder(Protocol):
    """The files of one run; `path` is its folder. Every write replaces the file as a whole."""

    path: str

    def path_of(self, name: str) -> str: ...
    def read(self, name: str) -> bytes | None: ...
    def write(self, name: str, data: bytes, *, durable: bool = False) -> None: ...
    def copy(self, name: str, source: str) -> None:
        """Keep a copy of a file from elsewhere."""

    def log(self, name: str, offset: int, limit: int) -> bytes:
        """Up to `limit` bytes of a log from `offset` on; b'' at its end or when there is none."""

    def tail(self, name: str, limit: int) -> bytes:
        """The last bytes of a log, at most `limit`; b'' when there is none."""

    def written_at(self, name: str) -> float | None:
        """When a log last grew, epoch seconds; None when there is none."""


class Queue(Protocol):
    """Where jobs lie. Every write is on disk when the call returns."""

    def look(self, files: Sequence[FileChange] | None = None) -> Changes:
        """What changed, looking at these files only; None looks at everything."""

    def create(self, files: Sequence[tuple[JobId, bytes]]) -> list[bool]:
        """Put new jobs into the inbox; False where the id is taken."""

    def taken(self, job: JobId) -> bool: ...
    def jobs(self, *stages: Stage) -> list[Job]: ...
    def ids(self, stage: Stage) -> list[JobId]: ...
    def job(self, job: JobId) -> Job | None: ...
    def named(self, name: str) -> JobId | None:
        """The job that a dependency means: the one with this idempotency key, else the one with this id."""

    def keyed(self, key: str) -> JobId | None:
        """The job with this idempotency key, in whatever stage; of several the one that was there first."""

    def needs(self, job: JobId) -> Sequence[str]:
        """What a job's file says under `deps`; nothing for a job that is not there."""

    def file(self, job: JobId) -> JobFile: ...
    def invalid(self) -> list[Invalid]: ...
    def lock(self, job: JobId, names: Iterable[str] = ()) -> Lock | None:
        """Take the job's lock and its mutexes, all or none; None when another process holds one."""

    def settle(self, moves: Sequence[Move]) -> list[Move]:
        """Carry moves out, journal first; returns those that were. A file that a person took meanwhile is left."""

    def replace(self, job: JobId, data: bytes, label: str) -> bool:
        """Give a waiting job, whose lock is ours, another text; the old one is kept in the archive under `label`.
        False when it does not lie in the inbox."""

    def finish(self, job: Job) -> bool:
        """Carry out the move that the journal announced and a crash cut short."""

    def note(self, job: JobId, entry: Entry, *, durable: bool = True) -> None: ...
    def past(self, job: JobId) -> History: ...
    def history(self, job: JobId) -> list[Entry]:
        """Every entry of the job's journal, oldest first."""

    def run_folder(self, job: JobId, run: int) -> RunFolder: ...
    def archive(self, job: JobId, label: str) -> bool:
        """Put a finished job's run folders away, where they can still be read; False when it has none."""


class LaneFiles(Protocol):
    """What is remembered of lanes, by lane. It outlives the supervisor."""

    def read(self) -> Mapping[str, Lane]: ...
    def put(self, name: str, lane: Lane) -> None: ...
    def forget(self, name: str) -> None: ...


class Processes(Protocol):
    """Life and death of agents. Only a shim signals them; others ask it to."""

    def start(self, start: Start, lock: Lock) -> None: ...
    def running(self, folder: str) -> Mapping[str, Any] | None:
        """What run.json says (`pid`, `pidstart`, `boot_id`, shim's alike), None before it is there."""

    def exit(self, folder: str) -> Exit | None: ...
    def stopped(self, folder: str) -> StopReason | None: ...
    def ask_stop(self, folder: str, why: StopReason) -> None:
        """Write stop.json, the first writer wins, then wake the shim if it lives."""

    def sweep(self, marker: str) -> int:
        """Kill all that carries this `AQ_RUN` until none is left; returns how many there were."""


class Workspaces(Protocol):
    """Git worktrees, one a job, always at the same path; or the folder itself."""

    def plan(self, manifest: Manifest) -> Plan: ...
    def open(self, job: JobId, plan: Plan, past: History, lock: Lock, manifest: Manifest) -> Place: ...
    def keep(self, job: JobId, place: Place, why: str, lock: Lock) -> Kept: ...
    def beat(self, job: JobId, place: Place) -> None:
        """Save what lies there beside the branch, while an agent works in it."""

    def after_verify(self, job: JobId, place: Place, commit: str, lock: Lock) -> Kept:
        """Save beside the branch what a verify changed of `commit`, which it saw."""

    def outside(self, place: Place, commit: str, globs: Sequence[str]) -> list[str]:
        """The paths that `commit` changed against what the job began with, and that match none of the globs."""

    def artifacts(self, place: Place, globs: Sequence[str]) -> list[tuple[str, str]]:
        """The files where the agent works that match, each by its path from there and its full path."""

    def ready(self, place: Place, lock: Lock) -> None:
        """Note that the setup of a new worktree ran well: `Place.setup` is empty from the next run on."""

    def summary(self, place: Place) -> str:
        """The diffstat of what a run begins with against the job's base; '' when that is nothing."""

    def close(self, job: JobId, past: History) -> str:
        """Remove the worktree when everything in it is on the branch; returns why it was left, or ''."""

    def drop_merged(self, repository: str, past: History) -> str:
        """Delete the job's branch when HEAD holds all of it; returns its name, or '' when it stays."""


class Clock(Protocol):
    """Time and dice, so that decisions can be replayed."""

    def now(self) -> datetime:
        """UTC, aware."""

    def local(self) -> datetime: ...
    def monotonic(self) -> float: ...
    def roll(self) -> float: ...
    def token(self) -> str:
        """A new UUID."""


class Events(Protocol):
    """The one place where the supervisor waits."""

    def watch_process(self, folder: str) -> bool:
        """Wake when the shim of this run folder ends; False when it is not (or no longer) there to watch."""

    def later(self, key: str, deed: Callable[[], Any]) -> None:
        """Do something slow beside the loop; its end wakes the loop."""

    def beside(self, key: str, deed: Callable[[], Any]) -> None:
        """The same for what may hang: a thread of its own, for which no other deed waits, nor the end."""

    def expecting(self) -> bool:
        """True while new jobs may be on their way."""

    def wait(self, timeout_s: float | None) -> Woken: ...
