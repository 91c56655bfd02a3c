"""Being told that a folder changed: inotify on Linux, the watchfiles package elsewhere."""

import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

CREATE, CLOSE_WRITE, MOVED_FROM, MOVED_TO, DELETE = 0x100, 0x8, 0x40, 0x80, 0x200
CHANGES = CREATE | CLOSE_WRITE | MOVED_FROM | MOVED_TO | DELETE


class FolderWatch:
    """A file number that is readable when one of the folders changed."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        if sys.platform.startswith("linux"):
            self._fds = (_inotify(folders),)
        else:
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            self._fds = (reader, writer)
            self._thread = threading.Thread(target=self._report, args=(list(folders), writer), daemon=True)
            self._thread.start()

    def fileno(self) -> int:
        return self._fds[0]

    def drain(self) -> bool:
        """Forget what was reported so far; True when there was anything."""
        found = False
        with suppress(BlockingIOError):
            while os.read(self._fds[0], 65536):
                found = True
        return found

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for fd in self._fds:
            os.close(fd)

    def _report(self, folders: list[str], writer: int) -> None:
        from watchfiles import watch

        for _ in watch(*folders, recursive=False, stop_event=self._stop, debounce=50, step=10):
            os.write(writer, b"\0")


def _inotify(folders: Sequence[str]) -> int:
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    fd = int(library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), "inotify")
    for folder in folders:
        if library.inotify_add_watch(fd, os.fsencode(folder), CHANGES) < 0:
            code = ctypes.get_errno()
            os.close(fd)
            raise OSError(code, os.strerror(code), folder)
    return fd
