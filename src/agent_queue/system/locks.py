"""Who is alive: a job is, as long as somebody holds the flock of its lock file. The kernel lets go when they die.

flock, not POSIX locks: those vanish at any close of the file. Never unlocked, only closed: the open file is shared with
the shim, and an explicit unlock would take it away from both.
"""

import fcntl
import os
from collections.abc import Iterable
from hashlib import sha256

from agent_queue.system.storage import storage_error


class FileLocks:
    """Open, flocked files; satisfies `ports.Lock`."""

    def __init__(self, fds: list[int]) -> None:
        self._fds = fds

    def filenos(self) -> tuple[int, ...]:
        """The open files, to be handed to a shim."""
        return tuple(self._fds)

    def close(self) -> None:
        """Let go, unless a shim still holds the same open files."""
        while self._fds:
            os.close(self._fds.pop())


def take(paths: Iterable[str], *, wait: bool = False) -> FileLocks | None:
    """Take all of these locks or none. In sorted order, so that two takers never wait for each other in a circle.

    Raises:
        StorageError: one of the files cannot be made or opened.
    """
    fds: list[int] = []
    for path in sorted(set(paths)):
        fd = _locked(path, wait=wait)
        if fd is None:
            FileLocks(fds).close()
            return None
        fds.append(fd)
    return FileLocks(fds)


def _locked(path: str, *, wait: bool) -> int | None:
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise storage_error(error, path) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        except OSError:
            os.close(fd)
            raise
        if _still_named(fd, path):
            return fd
        os.close(fd)  # `clean` removed the file between our open and our lock: lock the new one


def _still_named(fd: int, path: str) -> bool:
    try:
        named = os.stat(path)
    except FileNotFoundError:
        return False
    held = os.fstat(fd)
    return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)


def name_of(mutex: str) -> str:
    """The file name for a mutex that a person named: any text, hashed."""
    return sha256(mutex.encode()).hexdigest()[:32]
