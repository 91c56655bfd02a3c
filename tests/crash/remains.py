"""What a power cut leaves of a disk, worked out from a log of its changes.

The rules are POSIX's, read pessimistically. A file's bytes are safe up to its last flush; later ones may be there, be
torn, or be zeros under the right length. A name is safe once its folder was flushed; of the later ones each may have
reached the disk or not, in any order. Three things are taken for granted, as every journaling file system grants them:
a rename is one change, it does not reach the disk before the change that made the name it takes away, and a flushed
file does not lose what was flushed.
"""

import os
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

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


def names_after(base: Image, changes: Iterable[Change], survives: Callable[[int], bool]) -> dict[str, int]:
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


class Remains:
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
        names = names_after(self._base, self._changes, self._survives())
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

    def _survives(self) -> Callable[[int], bool]:
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
