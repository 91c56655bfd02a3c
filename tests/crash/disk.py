"""A disk that may lose power: it logs every change, and builds each state that a cut may legally leave.

The rules are POSIX's, read pessimistically. A file's bytes are safe up to its last flush; later ones may be there, be
torn, or be zeros under the right length. A name is safe once its folder was flushed; of the later ones each may have
reached the disk or not, in any order. Three things are taken for granted, as every journaling file system grants them:
a rename is one change, it does not reach the disk before the change that made the name it takes away, and a flushed
file does not lose what was flushed.

The changes are made for real below `root` as well, so that the code under test reads ordinary files.
"""

import os
import random
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from agent_queue.system import kernel
from agent_queue.system.files import Calls

FOLDER = 0
"""Stands for an inode where a name is a folder's."""


class Names(NamedTuple):
    """Names that change together: each now means an inode, FOLDER, or nothing."""

    changes: tuple[tuple[str, int | None], ...]


class Data(NamedTuple):
    """Bytes appended to an inode; None empties it."""

    inode: int
    data: bytes | None


class Flushed(NamedTuple):
    """A flush that returned: of an inode's bytes, or of a folder's names."""

    inode: int
    folder: str = ""


Change = Names | Data | Flushed


@dataclass(frozen=True, slots=True)
class Image:
    """What a disk holds: folders, and names with the inode and the bytes behind them."""

    folders: frozenset[str]
    files: tuple[tuple[str, int, bytes], ...]

    def write_to(self, root: str) -> None:
        """Make it real in a folder that is not there yet."""
        os.mkdir(root, 0o700)
        for folder in sorted(self.folders):
            os.mkdir(f"{root}/{folder}", 0o700)
        known: dict[int, str] = {}
        for path, inode, data in self.files:
            target = f"{root}/{path}"
            if inode in known:
                os.link(known[inode], target)
                continue
            known[inode] = target
            number = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(number, data)
            os.close(number)


def image_of(root: str) -> Image:
    """What lies below a folder now."""
    folders: set[str] = set()
    files: list[tuple[str, int, bytes]] = []
    inodes: dict[int, int] = {}
    for path in sorted(Path(root).rglob("*")):
        name = str(path.relative_to(root))
        if path.is_dir():
            folders.add(name)
        else:
            inode = inodes.setdefault(path.stat().st_ino, len(inodes) + 1)
            files.append((name, inode, path.read_bytes()))
    return Image(frozenset(folders), tuple(files))


class Survival(StrEnum):
    """What of the unflushed part reaches the disk."""

    NOTHING = "nothing"
    ALL = "all"
    NAMES = "names"
    """Every name, but no bytes: the files of zero length that people find after a power cut."""
    ZEROS = "zeros"
    """Every name and every length, zeros for bytes."""
    ORDERED = "ordered"
    """Names in their order up to some point, as a journaling file system writes them; bytes by chance."""
    ANY = "any"
    """Any names, any bytes."""


class ModelDisk:
    """A queue's folder on such a disk. `atomic_rename` False: the file system can only link and unlink."""

    def __init__(self, root: str, base: Image, *, atomic_rename: bool = True) -> None:
        self.root = root
        self.base = base
        self.atomic_rename = atomic_rename
        self.log: list[Change] = []
        self._inodes: dict[str, int] = {}
        self._open: dict[int, int | str] = {}
        for path, inode, _ in base.files:
            self._inodes[path] = inode
        self._number = max((0, *self._inodes.values()))

    def short(self, path: str) -> str:
        return path[len(self.root) + 1 :]

    # The calls of `system/files.Calls`, each made for real and logged.

    def open(self, path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        path = self._full(path, dir_fd)
        there = os.path.lexists(path)
        number = os.open(path, flags, mode)
        name = self.short(path)
        if flags & os.O_DIRECTORY:
            self._open[number] = name
            return number
        if not there:
            self._number += 1
            self._inodes[name] = self._number
            self.log.append(Names(((name, self._number),)))
        elif flags & os.O_TRUNC:
            self.log.append(Data(self._inodes[name], None))
        self._open[number] = self._inodes[name]
        return number

    def write(self, number: int, data: bytes) -> int:
        inode = self._open[number]
        assert isinstance(inode, int)
        self.log.append(Data(inode, bytes(data)))
        return os.write(number, data)

    def flush(self, number: int) -> None:
        """Logged only: the tests' own disk need not spin."""
        what = self._open[number]
        self.log.append(Flushed(what) if isinstance(what, int) else Flushed(FOLDER, what))

    def close(self, number: int) -> None:
        self._open.pop(number, None)
        os.close(number)

    def link(self, source: str, target: str, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        source, target = self._full(source, src_dir_fd), self._full(target, dst_dir_fd)
        os.link(source, target)
        self._name((self.short(target), self._inodes[self.short(source)]))

    def unlink(self, path: str, *, dir_fd: int | None = None) -> None:
        path = self._full(path, dir_fd)
        os.unlink(path)
        self._name((self.short(path), None))

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        os.mkdir(path, mode)
        self.log.append(Names(((self.short(path), FOLDER),)))

    def rmdir(self, path: str) -> None:
        os.rmdir(path)
        self._name((self.short(path), None))

    def rename(self, source: str, target: str, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        source, target = self._full(source, src_dir_fd), self._full(target, dst_dir_fd)
        os.rename(source, target)
        self._name((self.short(source), None), (self.short(target), self._inodes[self.short(source)]))

    def rename_noreplace(self, source: str, target: str) -> None:
        if not self.atomic_rename:
            self.link(source, target)
            self.unlink(source)
            return
        kernel.rename_noreplace(source, target)
        self._name((self.short(source), None), (self.short(target), self._inodes[self.short(source)]))

    def exchange(self, one: str, other: str) -> None:
        kernel.exchange(one, other)
        first, second = self.short(one), self.short(other)
        self._name((first, self._inodes[second]), (second, self._inodes[first]))

    def _full(self, path: str, dir_fd: int | None) -> str:
        if dir_fd is None:
            return path
        folder = self._open[dir_fd]
        assert isinstance(folder, str)
        return f"{self.root}/{folder}/{path}"

    def _name(self, *changes: tuple[str, int | None]) -> None:
        self.log.append(Names(changes))
        for path, inode in changes:
            if inode is None:
                self._inodes.pop(path, None)
            elif inode != FOLDER:
                self._inodes[path] = inode

    # What is left of it.

    def cut(self, at: int, how: Survival, dice: random.Random, *, written_back: int = 0) -> Image:
        """What the disk holds when the power fails after the first `at` changes. The first `written_back` of them are
        so old that the kernel has written them by itself."""
        base = self.base
        if written_back:
            base = _Remains(base, self.log[:written_back], Survival.ALL, dice).image()
        return _Remains(base, self.log[written_back:at], how, dice).image()

    def killed(self, at: int, root: str) -> "ModelDisk":
        """The disk, now at `root`, after its writer was killed: nothing is lost yet, and nothing more is flushed."""
        after = ModelDisk(root, self.base, atomic_rename=self.atomic_rename)
        after.log = self.log[:at]
        after._number = self._number
        self.cut(at, Survival.ALL, random.Random(0)).write_to(root)
        after._inodes = {path: inode for path, inode in _names(self.base, after.log, lambda _: True).items() if inode}
        return after

    def calls(self) -> "ModelCalls":
        return ModelCalls(self)

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


class ModelCalls(Calls):
    """The model, as `system/files.Disk` wants it."""

    def __init__(self, model: ModelDisk) -> None:
        for name in ("open", "write", "flush", "close", "link", "unlink", "mkdir", "rmdir"):
            setattr(self, name, getattr(model, name))
        for name in ("rename_noreplace", "exchange"):
            setattr(self, name, getattr(model, name))
        self.replace = model.rename


class ShimCalls:
    """The model, as the shim wants it: in the place of the `posix` module."""

    O_RDONLY, O_WRONLY, O_CREAT, O_TRUNC, O_DIRECTORY = (
        os.O_RDONLY, os.O_WRONLY, os.O_CREAT, os.O_TRUNC, os.O_DIRECTORY,
    )  # fmt: skip
    getpid = staticmethod(os.getpid)
    stat = staticmethod(os.stat)

    def __init__(self, model: ModelDisk) -> None:
        for name in ("open", "write", "close", "link", "unlink", "rename"):
            setattr(self, name, getattr(model, name))
        self.fsync = model.flush

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the shim's put needs posix.{name}, which the model of the disk does not know")


def _names(base: Image, changes: Iterable[Change], survives: Any) -> dict[str, int]:
    """The names after those changes that survive, in their order."""
    names = dict.fromkeys(base.folders, FOLDER) | {path: inode for path, inode, _ in base.files}
    for number, change in enumerate(changes):
        if isinstance(change, Names) and survives(number):
            for path, inode in change.changes:
                if inode is None:
                    names.pop(path, None)
                else:
                    names[path] = inode
    return names


@dataclass(slots=True)
class _Bytes:
    """An inode's content: what is flushed, and what came after."""

    safe: bytes = b""
    later: list[bytes | None] = field(default_factory=list)

    def flush(self) -> None:
        for data in self.later:
            self.safe = b"" if data is None else self.safe + data
        self.later.clear()


class _Remains:
    """Works one state out."""

    def __init__(self, base: Image, changes: list[Change], how: Survival, dice: random.Random) -> None:
        self._base, self._changes, self._how, self._dice = base, changes, how, dice
        self._bytes = {inode: _Bytes(data) for _, inode, data in base.files}
        self._needs: dict[int, int] = {}
        """The change that must have reached the disk before this one can, by number."""
        self._safe_names: set[int] = set()
        self._follow()

    def _follow(self) -> None:
        """Fold the flushes in, and note which name changes build on which."""
        pending: dict[str, list[int]] = {}
        made: dict[str, int] = {}
        for number, change in enumerate(self._changes):
            match change:
                case Names(changes=changes):
                    for path, inode in changes:
                        pending.setdefault(os.path.dirname(path), []).append(number)
                        if len(changes) > 1 and inode is None and path in made:
                            self._needs[number] = made[path]
                    made.update((path, number) for path, _ in changes)
                case Data(inode=inode, data=data):
                    self._bytes.setdefault(inode, _Bytes()).later.append(data)
                case Flushed(inode=inode, folder=folder):
                    if inode == FOLDER:
                        self._safe_names |= self._with_needs(pending.pop(folder, ()))
                    else:
                        self._bytes.setdefault(inode, _Bytes()).flush()

    def _with_needs(self, numbers: Iterable[int]) -> set[int]:
        closed: set[int] = set()
        for number in numbers:
            current: int | None = number
            while current is not None and current not in closed:
                closed.add(current)
                current = self._needs.get(current)
        return closed

    def image(self) -> Image:
        names = _names(self._base, self._changes, self._survives())
        folders = {path for path, inode in names.items() if inode == FOLDER}
        reachable = {path for path in folders if all(above in folders for above in _above(path))}
        files: list[tuple[str, int, bytes]] = []
        contents: dict[int, bytes] = {}
        for path, inode in sorted(names.items()):
            if inode == FOLDER or not all(above in reachable for above in _above(path)):
                continue
            if inode not in contents:
                contents[inode] = self._content(self._bytes.get(inode, _Bytes()))
            files.append((path, inode, contents[inode]))
        return Image(frozenset(reachable), tuple(files))

    def _survives(self) -> Any:
        safe, how = self._safe_names, self._how
        if how is Survival.NOTHING:
            return safe.__contains__
        if how in (Survival.ALL, Survival.NAMES, Survival.ZEROS):
            return lambda _: True
        if how is Survival.ORDERED:
            # A flush carries every earlier name with it, as one journal for all folders does.
            last = max([*safe, self._dice.randrange(len(self._changes) + 1) - 1])
            return lambda number: number <= last
        chosen = [number for number in range(len(self._changes)) if self._dice.random() < 0.5]
        return (self._with_needs(chosen) | safe).__contains__

    def _content(self, held: _Bytes) -> bytes:
        if self._how is Survival.NOTHING or self._how is Survival.NAMES:
            return held.safe
        content, goes_on = held.safe, True
        for data in held.later:
            kept, goes_on = self._kept(data)
            content = b"" if kept is None else content + kept
            if not goes_on:
                break
        return content

    def _kept(self, data: bytes | None) -> tuple[bytes | None, bool]:
        """What of one unflushed write is there, and whether anything after it can be."""
        if self._how is Survival.ALL:
            return data, True
        if data is None:
            return (None, True) if self._how is Survival.ZEROS or self._dice.random() < 0.5 else (b"", False)
        if self._how is Survival.ZEROS:
            return bytes(len(data)), True
        roll = self._dice.random()
        if roll < 0.4:
            return data, True
        if roll < 0.55:
            return bytes(len(data)), True
        part = data[: self._dice.randrange(len(data) + 1)]
        return (part if roll < 0.8 else part + bytes(self._dice.randrange(len(data) - len(part) + 1))), False


def _above(path: str) -> Iterator[str]:
    while path := os.path.dirname(path):
        yield path
