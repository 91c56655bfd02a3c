"""What one file in a stage's folder is: a job that waits, something invalid, or nothing of ours."""

import os
import stat
from collections.abc import Callable

from agent_queue.core.errors import ManifestError
from agent_queue.core.history import History
from agent_queue.core.job import JobId, Stage, bad_id, renamed
from agent_queue.core.manifest import Manifest, parse
from agent_queue.core.schedule import Waiting
from agent_queue.ports import Invalid
from agent_queue.system.layout import SUFFIX

Mutexes = Callable[[Manifest], tuple[str, ...]]


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


def waiting_or_invalid(path: str, job: JobId, past: History, defaults: Manifest, mutexes: Mutexes) -> Waiting | Invalid:
    """Read a whole file of the inbox.

    Raises:
        FileNotFoundError: it is gone.
    """
    name = f"{job}{SUFFIX}"

    def invalid(problem: str) -> Invalid:
        return Invalid(name=name, stage=Stage.INBOX, problem=problem)

    try:
        # Opened without waiting: a named pipe would have us wait for its writer for ever.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                return invalid(f"{name}: not a regular file")
            read = parse(file.read(), name)
            manifest = read.manifest.under(defaults)
    except ManifestError as error:
        return invalid(str(error))
    except FileNotFoundError:
        if os.path.islink(path):
            return invalid(f"{name}: a link to {os.readlink(path)}, which is not there")
        raise
    except OSError as error:
        return invalid(f"{name}: cannot be read: {error.strerror}")
    problem = problem_of(name, manifest, read.body)
    if problem:
        return invalid(problem)
    return Waiting(
        rank=manifest.priority.rank, age=found.st_mtime_ns, id=job, engine=manifest.engine or "",
        locks=mutexes(manifest), deps=manifest.deps, next_eligible=past.next_eligible,
    )  # fmt: skip


def problem_of(name: str, manifest: Manifest, body: str) -> str:
    """What keeps a file that parses from being a job, defaults filled in; '' when nothing does."""
    if not body.strip():
        return f"{name}:1:1: the body is empty: there is nothing to do"
    if manifest.cwd is None:
        return f"{name}:1:1: no cwd; add `cwd: PATH`, or set it under [defaults] in config.toml"
    if manifest.engine is None and manifest.engine_class is None:
        return f"{name}:1:1: no engine; add e.g. `engine: claude`, or set it under [defaults] in config.toml"
    return ""
