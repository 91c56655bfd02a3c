"""A machine in memory: what outlives a process. Files by path, and open files with the locks on them.

All fakes of one test share one. A process that dies leaves its files as they are, and lets go of its locks.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from agent_queue.core.board import FileChange
from agent_queue.core.job import Stage
from agent_queue.testing.clock import FakeClock

SUFFIX = ".md"


class Killed(BaseException):
    """The process under test dies here; it is no error that anybody could handle."""


@dataclass(frozen=True, slots=True)
class File:
    """Its bytes, and when they were written, ns since the epoch."""

    data: bytes
    written_ns: int


def place(stage: Stage, name: str) -> str:
    """The path of a file in a stage."""
    return f"{stage.value}/{name}"


def job_file(body: str, **keys: object) -> bytes:
    """The text of a job file; `keys` are those of the frontmatter, `_` for `-`."""
    lines = "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in keys.items())
    return f"---\n{lines}---\n{body}\n".encode()


class Machine:
    """Files and locks. `changes` is the news of the stages' folders, oldest first, for whoever watches them."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.files: dict[str, File] = {}
        self.changes: list[FileChange] = []
        self.writes_left: int | None = None
        """The process under test dies before it makes one more write than these; None: it lives."""
        self.version = 0
        """Grows with every change of a file."""
        self._open: dict[int, str] = {}
        self._numbers = 2

    def read(self, path: str) -> bytes | None:
        file = self.files.get(path)
        return file.data if file else None

    def put(self, path: str, data: bytes) -> None:
        """The process under test writes a file, over an older one of that name."""
        self.step()
        self.store(path, data)

    def append(self, path: str, data: bytes) -> None:
        """The process under test adds to a file, which is made when it is not there."""
        self.put(path, (self.read(path) or b"") + data)

    def store(self, path: str, data: bytes) -> None:
        """Another process writes a file, over an older one of that name."""
        self.files[path] = File(data, self._now_ns())
        self._tell(path)

    def rename(self, source: str, target: str) -> bool:
        """The process under test moves a file to a free place; False when it is gone or the place is taken."""
        if source not in self.files or target in self.files:
            return False
        self.step()
        self.files[target] = self.files.pop(source)
        self._tell(source)
        self._tell(target)
        return True

    def step(self) -> None:
        """The process under test is about to change something that outlives it, or dies here."""
        if self.writes_left is not None:
            if self.writes_left <= 0:
                raise Killed
            self.writes_left -= 1

    def job_files(self) -> list[tuple[Stage, str]]:
        """(stage, name) of every file in a stage's folder."""
        found = []
        for path in sorted(self.files):
            folder, _, name = path.partition("/")
            if folder in _STAGES and "/" not in name:
                found.append((Stage(folder), name))
        return found

    def write(self, stage: Stage, name: str, data: bytes) -> FileChange:
        """A person writes a whole file."""
        self.files[place(stage, name)] = File(data, self._now_ns())
        return self._tell(place(stage, name))

    def move(self, name: str, source: Stage, target: Stage) -> list[FileChange]:
        """A person moves a file to another stage, over whatever lies there, as `mv` does."""
        old, new = place(source, name), place(target, name)
        self.files[new] = self.files.pop(old)
        return [self._tell(old), self._tell(new)]

    def remove(self, stage: Stage, name: str) -> FileChange:
        """A person deletes a file."""
        del self.files[place(stage, name)]
        return self._tell(place(stage, name))

    def take(self, names: Iterable[str]) -> tuple[int, ...] | None:
        """Lock all of these names or none; the numbers of the open files."""
        wanted = sorted(set(names))
        if not set(self._open.values()).isdisjoint(wanted):
            return None
        return tuple(self._opened(name) for name in wanted)

    def inherit(self, numbers: Iterable[int]) -> tuple[int, ...]:
        """The numbers under which a child process shares these open files, and the locks with them."""
        return tuple(self._opened(self._open[number]) for number in numbers)

    def close(self, numbers: Iterable[int]) -> None:
        """Close open files; a lock is free when the last process that shares it has closed it."""
        for number in numbers:
            del self._open[number]

    def _opened(self, name: str) -> int:
        self._numbers += 1
        self._open[self._numbers] = name
        return self._numbers

    def _tell(self, path: str) -> FileChange:
        self.version += 1
        change = FileChange(path, whole=True)
        if path.partition("/")[0] in _STAGES:
            self.changes.append(change)
        return change

    def _now_ns(self) -> int:
        return round(self.clock.now().timestamp() * 1e9)


_STAGES = frozenset(Stage)
