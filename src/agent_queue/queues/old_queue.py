"""Reading a queue folder of the original tool. Nothing in it is ever changed."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from agent_queue.core.errors import BusyError, UsageError
from agent_queue.core.imported import NOTHING, Kept, kept
from agent_queue.core.job import Stage
from agent_queue.queues.examine import job_name
from agent_queue.system import regular_file
from agent_queue.system.layout import SUFFIX
from agent_queue.system.old_layout import META, PID_FILES, STATE, lives

LOGS = (f"{STATE}/logs", "logs", STATE)
"""Folders that are looked through for `JOB*.log`."""

ORDER = (Stage.BUILDING, Stage.REVIEW, Stage.TESTING, Stage.SHIPPED, Stage.FAILED, Stage.INBOX)
"""Of two files of one name the first here is the one that the notes are about."""

PIECE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OldJob:
    """A job file there. `copy` counts the files of that name in other stages, 0 for the one that owns the notes."""

    stem: str
    stage: Stage
    data: bytes
    written_ns: int
    said: Kept = NOTHING
    logs: tuple[str, ...] = ()
    copy: int = 0


class OldQueue:
    """The folder at `root`.

    Raises:
        UsageError: it is none.
    """

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        if not os.path.isdir(self.root):
            raise UsageError(f"{root} is not there")
        if os.path.isdir(f"{self.root}/journal"):
            raise UsageError(f"{root} has a journal/: it is a queue of aq already", hint="`aq --root` works with it")
        if not any(os.path.isdir(f"{self.root}/{stage}") for stage in Stage):
            looked = ", ".join(f"{stage}/" for stage in Stage)
            raise UsageError(f"{root} is no queue folder: it has none of {looked}")
        self.unreadable: list[str] = []
        """Job files that could not be read, and why."""

    def refuse_alive(self) -> None:
        """
        Raises:
            BusyError: its daemon, or an agent of a job in building, lives.
        """
        found = list(self._alive())
        if found:
            hint = "stop them, then import again; a number that names another program by now: remove its line or file"
            raise BusyError(f"{self.root} is in use: {', '.join(found)}", hint=hint)

    def _alive(self) -> Iterator[str]:
        for name in PID_FILES:
            number = re.search(rb"[0-9]{1,9}", _read(f"{self.root}/{name}"))
            if number and lives(int(number[0])):
                yield f"daemon (pid {int(number[0])} in {name})"
        for job in self.jobs:
            said = job.said
            if job.stage is Stage.BUILDING and said.pid and lives(said.pid, said.began, said.boot):
                yield f"{job.stem} in building (pid {said.pid})"

    @cached_property
    def jobs(self) -> list[OldJob]:
        """Every job file, in the order in which they take their names."""
        files = [(stage, stem) for stage in ORDER for stem in self._stems(stage)]
        logs = self._logs({stem for _, stem in files})
        seen: dict[str, int] = {}
        found = []
        for stage, stem in files:
            copy = seen.get(stem, 0)
            seen[stem] = copy + 1
            job = self._job(stage, stem, copy, () if copy else tuple(logs.get(stem, ())))
            found += [job] if job else []
        return found

    def _stems(self, stage: Stage) -> list[str]:
        stems = (job_name(name) for name in _names(f"{self.root}/{stage}"))
        return sorted(stem for stem in stems if stem is not None)

    def _job(self, stage: Stage, stem: str, copy: int, logs: tuple[str, ...]) -> OldJob | None:
        path = f"{self.root}/{stage}/{stem}{SUFFIX}"
        try:
            data, found = regular_file.read(path)
        except OSError as error:
            self.unreadable.append(f"{stage}/{stem}{SUFFIX}: {error.strerror}")
            return None
        notes = b"" if copy else _read(f"{self.root}/{STATE}/{stem}{META}")
        said = kept(notes.decode(errors="replace")) if notes else NOTHING
        return OldJob(stem=stem, stage=stage, data=data, written_ns=found.st_mtime_ns, said=said, logs=logs, copy=copy)

    def _logs(self, stems: set[str]) -> dict[str, list[str]]:
        """The logs of each job: a log is that of the longest name that it begins with."""
        found: dict[str, list[str]] = {}
        for folder in LOGS:
            for name in sorted(_names(f"{self.root}/{folder}")):
                owner = _owner(name, stems) if name.endswith(".log") else None
                if owner is not None and os.path.isfile(f"{self.root}/{folder}/{name}"):
                    found.setdefault(owner, []).append(f"{self.root}/{folder}/{name}")
        return found

    def profiles(self) -> Iterator[tuple[str, bytes]]:
        """The profiles by name."""
        for name in sorted(_names(f"{self.root}/profiles")):
            stem = job_name(name)
            if stem is not None and (data := _read(f"{self.root}/profiles/{name}")):
                yield stem, data

    def left(self) -> list[str]:
        """Notes whose job file is gone."""
        stems = {job.stem for job in self.jobs}
        names = (name.removesuffix(META) for name in _names(f"{self.root}/{STATE}") if name.endswith(META))
        return sorted(name for name in names if name not in stems)


def pieces(path: str) -> Iterator[bytes]:
    """A file, piece by piece."""
    with open(path, "rb") as file:
        while data := file.read(PIECE):
            yield data


def _owner(name: str, stems: set[str]) -> str | None:
    """The job that a log is named after: what follows its name begins with no letter or digit."""
    ends = (end for end in range(len(name) - len(".log"), 0, -1) if not name[end].isalnum())
    return next((name[:end] for end in ends if name[:end] in stems), None)


def _read(path: str) -> bytes:
    try:
        return regular_file.read(path)[0]
    except OSError:
        return b""


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
