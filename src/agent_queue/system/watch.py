"""Being told that a folder changed: inotify on Linux, the watchfiles package elsewhere."""

import os
import struct
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress

from agent_queue.core.board import FileChange

CLOSE_WRITE, MOVED_FROM, MOVED_TO, DELETE, OVERFLOW = 0x8, 0x40, 0x80, 0x200, 0x4000
# Not IN_CREATE: whoever creates a file closes it after writing, and only then it is whole.
CHANGES = CLOSE_WRITE | MOVED_FROM | MOVED_TO | DELETE
_HEADER = struct.Struct("iIII")


class FolderWatch:
    """A file number that is readable when a file of one of the folders came, went or was written."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders: dict[int, str] = {}
        self._changed: list[FileChange] = []
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        if sys.platform.startswith("linux"):
            self._fds: tuple[int, ...] = (self._inotify(folders),)
        else:
            self._fds = os.pipe()
            os.set_blocking(self._fds[0], False)
            self._thread = threading.Thread(target=self._report, args=(list(folders),), daemon=True)
            self._thread.start()

    def fileno(self) -> int:
        return self._fds[0]

    def drain(self) -> list[FileChange]:
        """What was reported since the last call."""
        found: list[FileChange] = []
        with suppress(BlockingIOError):
            while data := os.read(self._fds[0], 65536):
                if self._thread is None:
                    found += self._parsed(data)
        if self._thread is not None:
            count = len(self._changed)
            found, self._changed[:count] = self._changed[:count], []
        return found

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for fd in self._fds:
            os.close(fd)

    def _parsed(self, data: bytes) -> Iterator[FileChange]:
        offset = 0
        while offset < len(data):
            watch, mask, _, length = _HEADER.unpack_from(data, offset)
            offset += _HEADER.size
            name = os.fsdecode(data[offset : offset + length].rstrip(b"\0"))
            offset += length
            if mask & OVERFLOW or watch not in self._folders:
                yield FileChange("")
            else:
                yield FileChange(f"{self._folders[watch]}/{name}", whole=True)

    def _report(self, folders: list[str]) -> None:
        from watchfiles import watch

        for changes in watch(*folders, recursive=False, stop_event=self._stop, debounce=50, step=10):
            self._changed += [FileChange(path) for _, path in changes]
            os.write(self._fds[1], b"\0")

    def _inotify(self, folders: Sequence[str]) -> int:
        import ctypes

        library = ctypes.CDLL(None, use_errno=True)
        fd = int(library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        for folder in folders if fd >= 0 else ():
            watch = library.inotify_add_watch(fd, os.fsencode(folder), CHANGES)
            if watch < 0:
                break
            self._folders[watch] = folder
        if len(self._folders) < len(folders):
            code = ctypes.get_errno()
            if fd >= 0:
                os.close(fd)
            raise OSError(code, os.strerror(code), "inotify")
        return fd
