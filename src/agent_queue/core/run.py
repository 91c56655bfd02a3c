"""What a run is made of, as values: where it works, what is started, how it is stopped, what is seen of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from agent_queue.core.job import JobId
from agent_queue.core.manifest import Manifest
from agent_queue.core.outcome import Exit, StopReason


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
    unseen: tuple[str, ...] = ()
    """Paths that the person changed in the checkout and has not committed: the worktree does not show that."""
    lost: tuple[str, ...] = ()
    """What of earlier runs' work could not be brought back, a sentence each."""
    repository: str | None = None
    """The user's own checkout, which a worktree belongs to."""
    run_folder: str | None = None
    """Where the workspace keeps its own records of this run."""
    env: Mapping[str, str] = field(default_factory=dict)
    """What every process in there needs in its environment, so that its git leaves the user's refs alone."""
    note: str = ""
    """What of earlier work had to be restored, or could not be."""
    setup: tuple[str, ...] = ()
    """Commands that have to run well in a new worktree before an agent starts there."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where a job will work, told by a quick look at its cwd; `problem` says why it cannot."""

    cwd: str
    repository: str | None = None
    worktree: bool = False
    onto: tuple[str, ...] = ()
    """Commits of other jobs that its branch begins on."""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was saved of a workspace: state keys for the journal, and whether this run changed anything.

    `named` are paths and refs that a person should know of, by what happened to them.
    """

    facts: Mapping[str, Any]
    changed: bool | None
    note: str = ""
    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def guarded(env: Mapping[str, str], guard: Mapping[str, str]) -> dict[str, str]:
    """An environment with a place's own; settings of git that it has already keep their places in the list."""
    before, own = _settings_in(env), _settings_in(guard)
    if not guard or not before:
        return {**env, **guard}
    rest = {name: value for name, value in guard.items() if not name.startswith("GIT_CONFIG_")}
    return {**env, **rest, **with_settings(env, own), "AQ_GUARD_ENTRY": str(len(before))}


def with_settings(env: Mapping[str, str], settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """An environment in which git has these settings too, behind those that stand there."""
    count = len(_settings_in(env))
    keys = {f"GIT_CONFIG_KEY_{count + number}": key for number, (key, _) in enumerate(settings)}
    values = {f"GIT_CONFIG_VALUE_{count + number}": value for number, (_, value) in enumerate(settings)}
    return {**env, **keys, **values, "GIT_CONFIG_COUNT": str(count + len(settings))}


def _settings_in(env: Mapping[str, str]) -> list[tuple[str, str]]:
    told = env.get("GIT_CONFIG_COUNT", "")
    numbers = range(int(told)) if told.isdecimal() else range(0)
    return [(env.get(f"GIT_CONFIG_KEY_{number}", ""), env.get(f"GIT_CONFIG_VALUE_{number}", "")) for number in numbers]
