"""How a tree of git's changed: which objects the new one has that the old one had not, and how much of it it is."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from agent_queue.system.git import Git, GitError

OBJECTS = ("diff-tree", "-r", "-t", "-z", "--raw")
COUNTS = ("--numstat", "-M")
NO_INDEX = "aq-none"
"""There is no file of this name: git takes it for an empty index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A renamed file is one file; a binary one counts as a file without lines."""

    files: int
    added: int
    deleted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeChange:
    """`objects` are the files and folders that are new at their place, none where a folder of the old one is lost.

    `counts` is None where git could not count.
    """

    objects: tuple[str, ...]
    counts: Counts | None


@contextmanager
def comparing(git: Git, folder: str, old: str, new: str) -> Iterator[Callable[[], TreeChange]]:
    """Have git compare two trees, or commits, while we go on; what it yields gives the result, once.

    `folder` is git's own. An index plays no part: it may be torn, and reading a large one takes time.
    """
    git = replace(git, env={**git.env, "GIT_INDEX_FILE": os.path.join(folder, NO_INDEX)})
    with git.beside(*OBJECTS, *COUNTS, old, new) as told:

        def change() -> TreeChange:
            with suppress(GitError):
                return _read(told()[0])
            objects: tuple[str, ...] = ()  # a file of the old one is lost, or there is too much to count
            with suppress(GitError):
                objects = _read(git.read(*OBJECTS, old, new)).objects
            return TreeChange(objects=objects, counts=None)

        yield change


def _read(told: bytes) -> TreeChange:
    objects, found = [], []
    rows = iter(told.split(b"\0"))
    for row in rows:
        if row.startswith(b":"):
            _, _, _, new, status = row.split(b" ")
            objects.append(new.decode())
            for _ in range(2 if status.startswith(b"R") else 1):
                next(rows)  # the path, or both
            continue
        added, _, rest = row.partition(b"\t")
        deleted, tab, path = rest.partition(b"\t")
        if tab:
            found.append((added, deleted))
        if tab and not path:
            next(rows), next(rows)  # a renamed file: both its names follow
    counts = Counts(
        files=len(found), added=sum(int(added) for added, _ in found if added.isdigit()),
        deleted=sum(int(deleted) for _, deleted in found if deleted.isdigit()),
    )  # fmt: skip
    return TreeChange(objects=tuple(objects), counts=counts)
