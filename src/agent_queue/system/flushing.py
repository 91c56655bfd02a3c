"""Putting on the disk what git does not: names of files in their folders, and what an agent's own git wrote.

By default git flushes no object and no ref that it writes, and a checkpoint may consist of such objects in part: where
an agent has staged or committed a file, ours finds it stored already.
"""

import os
from collections.abc import Collection, Iterable
from contextlib import suppress

from agent_queue.system import kernel
from agent_queue.system.git import Git, GitError


def flush_objects(common: str, names: Iterable[str]) -> None:
    """Flush these objects and their folders; one that lies in a pack was flushed with it."""
    objects = os.path.join(common, "objects")
    folders = {objects: None, os.path.join(objects, "pack"): None}
    for name in names:
        folder = os.path.join(objects, name[:2])
        folders[folder] = None
        _flush(os.path.join(folder, name[2:]))
    for path in folders:
        _flush(path, os.O_DIRECTORY)


def flush_commits(git: Git, common: str, commits: Collection[str], known: Iterable[str]) -> None:
    """Flush all that these commits consist of and that those which are on the disk already do not.

    Where git cannot list that, as a part of it is lost, there is more to be saved than to be flushed.
    """
    if commits:
        how = ("rev-list", "--objects", "--no-object-names")
        with suppress(GitError):
            flush_objects(common, git.run(*how, *commits, "--not", *known).split())


def flush_ref(common: str, ref: str) -> None:
    """Flush a ref, and the folders that lead to it."""
    path = os.path.join(common, ref)
    _flush(path)
    while (path := os.path.dirname(path)).startswith(common):
        _flush(path, os.O_DIRECTORY)


def _flush(path: str, flags: int = 0) -> None:
    with suppress(FileNotFoundError):  # packed, or a repository's inside, to which there is a link alone
        fd = os.open(path, os.O_RDONLY | flags | os.O_CLOEXEC)
        try:
            kernel.flush(fd)
        finally:
            os.close(fd)
