"""Every port on one page: what the story needs from the world. Read this first to add an engine, tracker or queue."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from agent_queue.core.history import Entry, History
from agent_queue.core.job import JobId, Stage
from agent_queue.core.lifecycle import Job, Move
from agent_queue.core.manifest import JobFile, Manifest
from agent_queue.core.outcome import Exit, Outcome, StopReason
from agent_queue.core.schedule import Waiting


class Target(StrEnum):
    """Whom the first stop signal reaches."""

    LEADER = "leader"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class StopWay:
    """How an agent program is asked to end, before the grace time passes and its whole tree is killed."""

    signal: str = "SIGTERM"
    target: Target = Target.GROUP


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to start. `env` is added to the allow-listed environment; `stdin` is a file's path, None for nothing."""

    argv: tuple[str, ...]
    stdin: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an agent works. `root` is the worktree, or the repository in-place; None outside of git."""

    cwd: str
    root: str | None = None
    branch: str | None = None
    base: str | None = None
    """The commit that the job's branch started from."""
    start: str | None = None
    """The tree that this run began with; what differs from it at the end was changed by this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What a command may depend on besides the job."""

    is_root: bool = False
    system: str = "linux"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One run, as an engine sees it. `folder` is its run folder, where side files may be written."""

    job: JobId
    run: int
    program: str
    """The engine's program, found: an absolute path."""
    manifest: Manifest
    model: str | None
    args: tuple[str, ...]
    folder: str
    prompt_file: str
    session: str
    """A new UUID, for programs that let the caller name the conversation."""
    resume_id: str | None = None


class EventKind(StrEnum):
    """What a line of an agent's output is, for people who read along."""

    TEXT = "text"
    TOOL = "tool"
    RESULT = "result"
    ERROR = "error"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Event:
    """One readable thing an agent said or did."""

    kind: EventKind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What is known when a run has ended by itself.

    `changed` says whether the run changed a file of its workspace, None where nobody can tell. `now` is local and
    aware: some programs name their reset as a clock time.
    """

    exit: Exit
    changed: bool | None
    now: datetime


class Reader(Protocol):
    """Reads one run's output, piece by piece; it holds what has to be remembered. Feed it from the first byte."""

    def feed(self, data: bytes) -> Iterable[Event]: ...
    def sidecar(self, name: str, data: bytes) -> None: ...
    def facts(self) -> Mapping[str, Any]:
        """State keys that the output told so far, e.g. `resume_id` and `model`."""

    def ending(self, ending: Ending) -> Outcome: ...


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
    hint: str
    """How to get the program, for people who do not have it."""

    def command(self, assignment: Assignment, place: Place, host: Host) -> Command: ...
    def sidecars(self, assignment: Assignment, place: Place, env: Mapping[str, str]) -> tuple[str, ...]: ...
    def reader(self) -> Reader: ...


class Lock(Protocol):
    """Locks held for a job. Whoever holds them keeps it alive; closing lets go."""

    def filenos(self) -> tuple[int, ...]: ...
    def close(self) -> None: ...


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


class RunFolder(Protocol):
    """The files of one run; `path` is its folder. Every write replaces the file as a whole."""

    path: str

    def path_of(self, name: str) -> str: ...
    def read(self, name: str) -> bytes | None: ...
    def write(self, name: str, data: bytes, *, durable: bool = False) -> None: ...
    def log(self, name: str, offset: int, limit: int) -> bytes:
        """Up to `limit` bytes of a log from `offset` on; b'' at its end or when there is none."""

    def written_at(self, name: str) -> float | None:
        """When a log last grew, epoch seconds; None when there is none."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file of the queue that came, went or was written; an empty path stands for any. `whole`: its writer is done."""

    path: str
    whole: bool = False


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
    def file(self, job: JobId) -> JobFile: ...
    def invalid(self) -> list[Invalid]: ...
    def lock(self, job: JobId, names: Iterable[str] = ()) -> Lock | None:
        """Take the job's lock and its mutexes, all or none; None when another process holds one."""

    def settle(self, moves: Sequence[Move]) -> list[Move]:
        """Carry moves out, journal first; returns those that were. A file that a person took meanwhile is left."""

    def finish(self, job: Job) -> bool:
        """Carry out the move that the journal announced and a crash cut short."""

    def note(self, job: JobId, entry: Entry, *, durable: bool = True) -> None: ...
    def past(self, job: JobId) -> History: ...
    def run_folder(self, job: JobId, run: int) -> RunFolder: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A process to start under a shim, which writes run.json and exit.json into `folder`.

    Times are seconds; the deadline counts awake time from the start and is kept without any supervisor.
    """

    folder: str
    log: str
    cwd: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    stdin: str | None = None
    deadline_s: float | None = None
    deadline_why: StopReason = StopReason.TIMEOUT
    grace_s: float = 10.0
    stop: StopWay = StopWay()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where a job will work, told by a quick look at its cwd; `problem` says why it cannot."""

    cwd: str
    repository: str | None = None
    worktree: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was saved of a workspace: state keys for the journal, and whether this run changed anything."""

    facts: Mapping[str, Any]
    changed: bool | None
    note: str = ""


class Workspaces(Protocol):
    """Git worktrees, one a job, always at the same path; or the folder itself."""

    def plan(self, manifest: Manifest) -> Plan: ...
    def open(self, job: JobId, plan: Plan, past: History, lock: Lock, manifest: Manifest) -> Place: ...
    def keep(self, job: JobId, place: Place, why: str, lock: Lock) -> Kept: ...
    def close(self, job: JobId, past: History) -> str:
        """Remove the worktree when everything in it is on the branch; returns why it was left, or ''."""


class Clock(Protocol):
    """Time and dice, so that decisions can be replayed."""

    def now(self) -> datetime:
        """UTC, aware."""

    def local(self) -> datetime: ...
    def monotonic(self) -> float: ...
    def roll(self) -> float: ...
    def token(self) -> str:
        """A new UUID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Woken:
    """Why a wait ended: `ended` folders' processes, finished deeds by key, signals by name, or changed files."""

    ended: Sequence[str] = ()
    finished: Sequence[tuple[str, Any]] = ()
    """(key, value or exception) of each deed handed to `later`."""
    signals: Sequence[str] = ()
    files: Sequence[FileChange] = ()


class Events(Protocol):
    """The one place where the supervisor waits."""

    def watch_process(self, folder: str) -> bool:
        """Wake when the shim of this run folder ends; False when it is not (or no longer) there to watch."""

    def later(self, key: str, deed: Callable[[], Any]) -> None:
        """Do something slow beside the loop; its end wakes the loop."""

    def wait(self, timeout_s: float | None) -> Woken: ...
