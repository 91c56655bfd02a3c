"""Files that no commit should hold, kept beside the run instead: those that look like secrets, and very large ones."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress

from agent_queue.system.files import FILE_MODE, FOLDER_MODE

KEPT = "kept"
SPARE = 2
"""A copy must leave at least as much of the disk free as it takes."""


def keep(root: str, paths: Sequence[str], run_folder: str, earlier: str | None) -> tuple[str, ...]:
    """Copy these files of a work tree into the run's folder; those of them that were not, and so lie there alone.

    `earlier` is the folder of an earlier run: what has not changed since its copy is the same file on the disk.
    """
    missed = []
    for path in paths:
        source, target = os.path.join(root, path), os.path.join(run_folder, KEPT, path)
        older = os.path.join(earlier, KEPT, path) if earlier else ""
        try:
            os.makedirs(os.path.dirname(target), FOLDER_MODE, exist_ok=True)
            if older and _same(source, older):
                with suppress(FileExistsError):
                    os.link(older, target)
            elif shutil.disk_usage(run_folder).free < SPARE * os.stat(source).st_size:
                missed.append(path)
            else:
                _copy(source, target)
        except OSError:
            missed.append(path)
    return tuple(missed)


def put_back(root: str, run_folder: str) -> Iterator[tuple[str, str]]:
    """Copy what a run kept to where it lay, wherever nothing lies there now; the others, with where they are kept."""
    for path in _files(os.path.join(run_folder, KEPT)):
        target, kept = os.path.join(root, path), os.path.join(run_folder, KEPT, path)
        try:
            if os.path.lexists(target):
                raise FileExistsError
            os.makedirs(os.path.dirname(target), exist_ok=True)
            _copy(kept, target)
        except OSError:  # or a folder of its name has become a file
            if not _same(target, kept):
                yield path, kept


def latest(runs: Sequence[str]) -> str | None:
    """The last of these run folders that kept a file."""
    return next((folder for folder in reversed(runs) if os.path.isdir(os.path.join(folder, KEPT))), None)


def kept_of(root: str, path: str, run_folder: str | None) -> bool:
    """True when the run's folder holds this file as it is now."""
    return run_folder is not None and _same(os.path.join(root, path), os.path.join(run_folder, KEPT, path))


def _files(folder: str) -> Iterator[str]:
    for above, _, names in os.walk(folder):
        for name in names:
            yield os.path.relpath(os.path.join(above, name), folder)


def _same(one: str, other: str) -> bool:
    try:
        first, second = os.stat(one), os.stat(other)
    except OSError:
        return False
    return (first.st_size, first.st_mtime_ns) == (second.st_size, second.st_mtime_ns)


def _copy(source: str, target: str) -> None:
    """Nobody else may read the copy at any time; its date says which version it is of."""
    temporary = f"{target}.aq-{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    with open(source, "rb") as read, open(fd, "wb") as write:
        shutil.copyfileobj(read, write, 1 << 20)
        write.flush()
        os.fsync(write.fileno())
    found = os.stat(source)
    os.utime(temporary, ns=(found.st_atime_ns, found.st_mtime_ns))
    os.replace(temporary, target)
