"""What one file in a stage's folder is: a job that waits, something invalid, or nothing of ours."""

import os
from collections.abc import Callable, Iterable

from agent_queue.core.choices import DepsMode
from agent_queue.core.dependencies import circles, circular, same_key
from agent_queue.core.errors import ManifestError
from agent_queue.core.fields import is_relative
from agent_queue.core.frontmatter import Problem, quoted
from agent_queue.core.job import JobId, Stage, bad_id, renamed
from agent_queue.core.manifest import JobFile, parse
from agent_queue.core.meaning import Meaning
from agent_queue.core.names import Names
from agent_queue.core.schedule import Waiting
from agent_queue.ports import Invalid, Queue
from agent_queue.system import regular_file
from agent_queue.system.layout import SUFFIX


def job_name(name: str) -> str | None:
    """The stem of a file that may be a job; None for dotfiles, editors' backups and anything that is no markdown."""
    if name.startswith(".") or name.endswith("~") or not name.endswith(SUFFIX):
        return None
    return name.removesuffix(SUFFIX)


def bad_name(stem: str, stage: Stage) -> Invalid | None:
    """Say that a stem cannot be a job id, and what to call the file instead. Nothing is renamed by us."""
    reason = bad_id(stem)
    if reason is None:
        return None
    problem = f"{stem}{SUFFIX}: {reason}; rename it to {renamed(stem)}{SUFFIX}"
    return Invalid(name=f"{stem}{SUFFIX}", stage=stage, problem=problem)


def recorded(journal: str) -> bool:
    """True for a journal that can be gone on with, or begun."""
    return not os.path.lexists(journal) or (os.path.isfile(journal) and os.access(journal, os.R_OK | os.W_OK))


def unrecorded(job: JobId, stage: Stage, journal: str) -> Invalid | None:
    """Say that a job's journal cannot be gone on with: nothing is done with it, and no other is held up."""
    if recorded(journal):
        return None
    why = "check who owns it" if os.path.isfile(journal) else "it is no file"
    problem = f"{job}{SUFFIX}: its journal {journal} cannot be read and written: {why}"
    return Invalid(name=f"{job}{SUFFIX}", stage=stage, problem=problem)


def waiting_or_invalid(path: str, job: JobId, queue: Queue, meaning: Meaning, names: Names) -> Waiting | Invalid:
    """Read a whole file of the inbox, and have `names` learn what it says.

    Raises:
        FileNotFoundError: it is gone.
    """
    name = f"{job}{SUFFIX}"
    try:
        read, written_ns = _read(path, name)
        names.learn(job, read.manifest)
        read = meaning.effective(read, name)
    except ManifestError as error:
        return Invalid(name=name, stage=Stage.INBOX, problem=str(error))
    manifest = read.manifest
    problem = problem_of(name, read) or _taken_key(job, read, queue)
    if problem:
        return Invalid(name=name, stage=Stage.INBOX, problem=problem)
    return Waiting(
        rank=manifest.priority.rank, age=written_ns, id=job, engines=meaning.engines(manifest),
        locks=meaning.mutexes(manifest), deps=manifest.deps, soft=manifest.deps_mode is DepsMode.SOFT,
        next_eligible=queue.past(job).eligible, fallback=meaning.fallback(manifest), profile=manifest.profile or "",
    )  # fmt: skip


def _read(path: str, name: str) -> tuple[JobFile, int]:
    """A job file, and when it was written, ns since the epoch.

    Raises:
        ManifestError: it is no job file as it is. FileNotFoundError: it is gone.
    """
    try:
        data, found = regular_file.read(path)
        return parse(data, name), found.st_mtime_ns
    except FileNotFoundError:
        if os.path.islink(path):
            raise ManifestError(f"{name}: a link to {os.readlink(path)}, which is not there") from None
        raise
    except OSError as error:
        raise ManifestError(f"{name}: cannot be read: {error.strerror}") from error


def _taken_key(job: JobId, read: JobFile, queue: Queue) -> str:
    """Say that another job was there first with the file's idempotency key; '' when none was."""
    key = read.manifest.idempotency_key
    holder = queue.keyed(key) if key is not None else None
    if holder is None or holder == job:
        return ""
    return Problem(*read.places.get("idempotency-key", (1, 1)), same_key(key or "", holder)).at(f"{job}{SUFFIX}")


def as_left(path: str, journal: str) -> bool:
    """True for a file that came to its place no later than its journal was written last: a move of ours, and told.

    A rename shows in the file's own times. Asked of finished jobs: to read the journals of 100,000 takes too long.
    """
    try:
        return os.lstat(path).st_ctime_ns <= os.stat(journal).st_mtime_ns
    except OSError:
        return True  # without a journal nothing says that it belongs elsewhere


def circular_jobs(rows: Iterable[Waiting], named: Callable[[str], JobId | None]) -> list[Invalid]:
    """The waiting jobs that wait for themselves: they would do so for ever."""
    needs = {row.id: row.deps for row in rows if row.deps}
    ways = circles(needs, named) if needs else {}
    return [
        Invalid(name=f"{job}{SUFFIX}", stage=Stage.INBOX, problem=f"{job}{SUFFIX}: {circular(way)}")
        for job, way in ways.items()
    ]


def problem_of(name: str, file: JobFile) -> str:
    """What keeps a file that parses from being a job, defaults filled in; '' when nothing does."""
    manifest = file.manifest
    if not file.body.strip():
        return f"{name}:1:1: the body is empty: there is nothing to do"
    if manifest.cwd is None:
        return f"{name}:1:1: no cwd; add `cwd: PATH`, or set it under [defaults] in config.toml"
    if is_relative(manifest.cwd):
        said = f"cwd: {quoted(manifest.cwd)} is relative, and a supervisor may run anywhere; write it from / or ~ on"
        return Problem(*file.places.get("cwd", (1, 1)), said).at(name)
    if manifest.engine is None and manifest.engine_class is None:
        return f"{name}:1:1: no engine; add e.g. `engine: claude`, or set it under [defaults] in config.toml"
    return ""


def written_ns(path: str) -> int:
    """When a file was last written, in nanoseconds since the epoch; 0 when nobody can say."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
