"""Every change of the queue's files. Nothing else writes them but the shim, which stands alone.

A name appears only when its content is whole and on the disk; a job never overwrites another; an append is one line.
"""

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from agent_queue.core.errors import StorageError
from agent_queue.system import kernel

FILE_MODE = 0o600
FOLDER_MODE = 0o700


class Calls:
    """The system calls that files are changed by, in one place so that a model of a disk can stand in for them."""

    open: Callable[..., int] = staticmethod(os.open)
    write: Callable[[int, bytes], int] = staticmethod(os.write)
    flush: Callable[[int], None] = staticmethod(kernel.flush)
    close: Callable[[int], None] = staticmethod(os.close)
    link: Callable[[str, str], None] = staticmethod(os.link)
    unlink: Callable[[str], None] = staticmethod(os.unlink)
    mkdir: Callable[[str, int], None] = staticmethod(os.mkdir)
    replace: Callable[[str, str], None] = staticmethod(os.replace)
    rename_noreplace: Callable[[str, str], None] = staticmethod(kernel.rename_noreplace)
    exchange: Callable[[str, str], None] = staticmethod(kernel.exchange)


class Disk:
    """Durable changes below one queue. `scratch` is a folder on the same file system for files not yet whole."""

    def __init__(self, scratch: str, *, durable: bool = True, calls: Calls | None = None) -> None:
        self._scratch = scratch
        self._durable = durable
        self._calls = calls or Calls()
        self._serial = 0
        self.fault = ""
        """Set once the disk refused a flush: what was acknowledged before is safe, nothing more may be promised."""

    def folder(self, path: str, *, durable: bool = True) -> None:
        """Make a folder, and those above it; one that is there is fine."""
        if os.path.isdir(path):
            return
        self.folder(os.path.dirname(path), durable=durable)
        with suppress(FileExistsError):
            self._calls.mkdir(path, FOLDER_MODE)
        if durable:
            self.sync_folder(os.path.dirname(path))

    def create(self, files: Sequence[tuple[str, bytes]]) -> list[bool]:
        """Create files that must not be there yet, all in folders that exist; False where a name is taken.

        They are on the disk, and only then visible, when it returns.
        """
        made: list[bool] = []
        for path, data in files:
            temporary = self._written(data)
            try:
                self._calls.link(temporary, path)
                made.append(True)
            except FileExistsError:
                made.append(False)
            finally:
                self._calls.unlink(temporary)
        for path, done in zip((path for path, _ in files), made, strict=True):
            if done:
                self._announce(path)
        for folder in sorted({os.path.dirname(path) for path, _ in files}):
            self.sync_folder(folder)
        return made

    def _announce(self, path: str) -> None:
        # A watcher cannot tell a link from a file just begun; a close after writing says that it is whole.
        with suppress(OSError):
            self._calls.close(self._calls.open(path, os.O_WRONLY | os.O_CLOEXEC))

    def put(self, path: str, data: bytes | Iterable[bytes], *, durable: bool = True, mode: int = FILE_MODE) -> None:
        """Write a file as a whole, over an older one of that name; `data` may come in pieces."""
        temporary = self._written(data, durable=durable, mode=mode)
        try:
            self._calls.replace(temporary, path)
        except OSError:
            self._calls.unlink(temporary)
            raise
        if durable:
            self.sync_folder(os.path.dirname(path))

    def append(self, lines: Iterable[tuple[str, bytes]], *, durable: bool = True) -> None:
        """Append one line (ending in a newline) to each file, in one write each; flush them together.

        Raises:
            StorageError: a line is not wholly written or flushed. What is torn is skipped by every reader.
        """
        opened: list[tuple[str, bytes, int]] = []
        try:
            for path, line in lines:
                opened.append((path, line, self._open_for_append(path)))
            # Names first: then a file that holds anything is known to have a safe name, whoever began it and died.
            empty = {os.path.dirname(path) for path, _, fd in opened if not os.fstat(fd).st_size}
            for folder in sorted(empty):
                self.sync_folder(folder)
            for path, line, fd in opened:
                self._write_line(fd, path, line)
            for path, _, fd in opened if durable else ():
                self._flush(fd, path)
        finally:
            for _, _, fd in opened:
                self._calls.close(fd)

    def move(self, source: str, target: str) -> bool:
        """Rename into a place that is free; False when `source` is gone or `target` is taken. Not yet flushed."""
        try:
            self._calls.rename_noreplace(source, target)
        except (FileNotFoundError, FileExistsError):
            return False
        return True

    def relocate(self, source: str, target: str) -> None:
        """Rename a folder into a place that is free."""
        self._calls.replace(source, target)

    def exchange(self, one: str, other: str) -> None:
        """Swap two files in one step."""
        self._calls.exchange(one, other)

    def supplant(self, path: str, data: bytes, kept: str) -> None:
        """Put a new text in the place of a file, and the old one at `kept`, which must be free. Both are flushed."""
        temporary = self._written(data)
        try:
            self._calls.link(temporary, kept)
        finally:
            self._calls.unlink(temporary)
        self.sync_folder(os.path.dirname(kept))
        try:
            self.exchange(kept, path)  # whatever lies there now is kept, also what was written a moment ago
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise
            self._calls.unlink(kept)
            self._calls.link(path, kept)
            self.put(path, data)
        self._announce(path)
        self.sync_folder(os.path.dirname(kept))
        self.sync_folder(os.path.dirname(path))

    def remove(self, path: str) -> None:
        """Remove a file; one that is gone is fine."""
        with suppress(FileNotFoundError):
            self._calls.unlink(path)

    def sweep(self, alive: Callable[[int], bool]) -> None:
        """Remove what killed writers left half written. `alive` tells which other processes may still be writing."""
        with os.scandir(self._scratch) as found:
            files = [item.name for item in found if not item.is_dir(follow_symlinks=False)]  # no writer makes a folder
        for name in files:
            number = name.partition("-")[0]
            pid = int(number) if number.isdecimal() else 0
            if pid == os.getpid() or not alive(pid):
                self.remove(os.path.join(self._scratch, name))

    def sync_folder(self, path: str) -> None:
        """Put a folder's names on the disk."""
        self._sync(path, os.O_RDONLY | os.O_DIRECTORY)

    def sync_file(self, path: str) -> None:
        """Put on the disk what another process wrote, and may have died before it flushed."""
        self._sync(path, os.O_RDONLY)

    def _sync(self, path: str, flags: int) -> None:
        if not self._durable:
            return
        fd = self._calls.open(path, flags | os.O_CLOEXEC)
        try:
            self._flush(fd, path)
        finally:
            self._calls.close(fd)

    def _written(self, data: bytes | Iterable[bytes], *, durable: bool = True, mode: int = FILE_MODE) -> str:
        self._serial += 1
        temporary = os.path.join(self._scratch, f"{os.getpid()}-{self._serial}-{os.urandom(4).hex()}")
        fd = self._calls.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            for piece in (data,) if isinstance(data, bytes) else data:
                rest = memoryview(piece)
                while rest:
                    rest = rest[self._calls.write(fd, bytes(rest)) :]
            if durable:
                self._flush(fd, temporary)
        except (OSError, StorageError):
            with suppress(OSError):
                self._calls.unlink(temporary)
            raise
        finally:
            self._calls.close(fd)
        return temporary

    def _open_for_append(self, path: str) -> int:
        return self._calls.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)

    def _write_line(self, fd: int, path: str, line: bytes) -> None:
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            line = b"\n" + line  # the tail was torn by a crash: begin on a line of our own
        if self._calls.write(fd, line) != len(line):
            raise StorageError(
                f"{path}: the disk took only a part of a line", hint="free some space, then try again", full=True
            )

    def _flush(self, fd: int, path: str) -> None:
        if not self._durable:
            return
        try:
            self._calls.flush(fd)
        except OSError as error:
            # After a failed flush the kernel may drop the data and report success next time: never try again.
            self.fault = f"{path}: {error.strerror}"
            hint = "see `aq doctor`; nothing was acknowledged"
            raise StorageError(f"the disk failed to flush {path}: {error.strerror}", hint=hint) from error
