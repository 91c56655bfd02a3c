"""An index of our own for one checkpoint, so that no index of a person's or an agent's changes while it is made."""

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

INDEX_PREFIX = "aq-index-"
STALE_S = 3600.0


@contextmanager
def own_index(folder: str) -> Iterator[str]:
    """A copy of the current index under a name of its own; leftovers of killed checkpoints are swept first.

    A fixed name would leave a stale lock behind after a kill and block every later checkpoint. In a user's checkout a
    young one may be in use: jobs whose locks differ save there at once. There is no file where there is no index, or
    an empty one, as a power cut leaves it.
    """
    _sweep(folder)
    path = os.path.join(folder, INDEX_PREFIX + secrets.token_hex(6))
    with suppress(FileNotFoundError):
        index = os.path.join(folder, "index")
        found = os.stat(index)
        if found.st_size:
            shutil.copyfile(index, path)
            # Git takes a file for clean that is older than the index it is looked up in, so the copy keeps the time of
            # the index; its own age is told by the time of access.
            os.utime(path, ns=(time.time_ns(), found.st_mtime_ns))
    try:
        yield path
    finally:
        for name in (path, f"{path}.lock"):
            with suppress(FileNotFoundError):
                os.unlink(name)


def _sweep(folder: str) -> None:
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if name.startswith(INDEX_PREFIX):
            with suppress(OSError):
                if time.time() - os.stat(path).st_atime > STALE_S:
                    os.unlink(path)


def take_over(folder: str, index: str) -> None:
    """Make our index the work tree's, under git's own lock, so that `git status` is clean."""
    lock = os.path.join(folder, "index.lock")
    try:
        os.close(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return  # a person works here right now: their index stays theirs
    try:
        os.replace(index, os.path.join(folder, "index"))
    finally:
        os.unlink(lock)


def remove_locks(folder: str, common: str, ref: str, *, own_worktree: bool) -> None:
    """Remove what a killed git left of the job: the lock of its branch and, in a worktree of its own, any lock there.

    Nobody but the job's processes takes these, and none of them lives. Every other lock is somebody else's.
    """
    stale = [f"{common}/{ref}.lock"]
    if own_worktree:
        stale += [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".lock")]
    for path in stale:
        with suppress(FileNotFoundError):
            os.unlink(path)
