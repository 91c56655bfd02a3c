"""A disk that may lose power: it makes every change for real below a folder, and logs it.

So the code under test reads ordinary files, and `cut` builds each state that a cut may legally leave; see `remains`.
"""

import os
import random
import shutil
from typing import Any

from agent_queue.system import kernel
from agent_queue.system.files import Calls

from .remains import FOLDER, Change, Data, Flushed, Image, Names, Remains, Survival, names_after


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
            base = Remains(base, self.log[:written_back], Survival.ALL, dice).image()
        return Remains(base, self.log[written_back:at], how, dice).image()

    def killed(self, at: int, root: str) -> "ModelDisk":
        """The disk, now at `root`, after its writer was killed: nothing is lost yet, and nothing more is flushed."""
        after = ModelDisk(root, self.base, atomic_rename=self.atomic_rename)
        after.log = self.log[:at]
        after._number = self._number
        self.cut(at, Survival.ALL, random.Random(0)).write_to(root)
        after._inodes = {
            path: inode for path, inode in names_after(self.base, after.log, lambda _: True).items() if inode
        }
        return after

    def calls(self) -> "ModelCalls":
        return ModelCalls(self)

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


class ModelCalls(Calls):
    """The model, as `system/files.Disk` wants it."""

    def __init__(self, model: ModelDisk) -> None:
        for name in ("open", "write", "flush", "close", "link", "unlink", "mkdir"):
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
