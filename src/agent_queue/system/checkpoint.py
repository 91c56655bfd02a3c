"""Saving a workspace as a commit on the job's own branch, by plumbing: no hook runs, no other ref or index changes.

An index of our own is filled from the work tree, written as a tree, and committed with the branch's tip as parent, and
with the agent's HEAD as well where that is not in it. The branch moves by compare-and-set.
"""

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from agent_queue.system.git import Git

INDEX_PREFIX = "aq-index-"
STALE_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A checkpoint: its commit, whether it is new, and its size against the job's base."""

    commit: str
    tree: str
    new: bool
    missed: tuple[str, ...] = ()
    """What could not be saved, in git's words."""
    files_changed: int = 0
    lines_added: int = 0
    lines_deleted: int = 0


def checkpoint(git: Git, *, branch: str, base: str, message: str, own_worktree: bool) -> Saved:
    """Save all of the work tree that git does not ignore on `branch`. Call it when no process of the job lives.

    `own_worktree`: the work tree is the job's own, so its index is brought in line with the commit afterwards and locks
    that a killed agent left in it are removed. A user's checkout keeps its index to the byte.

    Raises:
        GitError: git refused; the branch is as it was.
    """
    folder = git.run("rev-parse", "--absolute-git-dir")
    ref = f"refs/heads/{branch}"
    remove_locks(folder, ref, own_worktree=own_worktree)
    tip = git.ask("rev-parse", "-q", "--verify", ref)
    head = git.ask("rev-parse", "-q", "--verify", "HEAD^{commit}")
    with _index(folder) as index:
        tree, missed = _written(git, index)
        commit = _commit(git, tree, tip, head, message)
        if commit != tip:
            git.run("update-ref", "--no-deref", "-m", "aq: checkpoint", ref, commit, tip or "0" * len(commit))
        if own_worktree and git.ask("symbolic-ref", "-q", "HEAD") == ref:
            _take_over(folder, index)
    return _measured(git, base, Saved(commit=commit, tree=tree, new=commit != tip, missed=tuple(missed)))


def present(git: Git) -> str:
    """The tree of what lies in the work tree now, as a checkpoint would save it. Nothing changes by asking.

    Raises:
        GitError: git refused.
    """
    with _index(git.run("rev-parse", "--absolute-git-dir")) as index:
        return _written(git, index)[0]


def remove_locks(folder: str, ref: str, *, own_worktree: bool) -> None:
    """Remove what a killed git left of the job: the lock of its branch and, in a worktree of its own, any lock there.

    Nobody but the job's processes takes these, and none of them lives. Every other lock is somebody else's.
    """
    stale = [f"{_common(folder)}/{ref}.lock"]
    if own_worktree:
        stale += [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".lock")]
    for path in stale:
        with suppress(FileNotFoundError):
            os.unlink(path)


def _common(folder: str) -> str:
    """The folder of the repository that a worktree's git folder belongs to."""
    try:
        with open(os.path.join(folder, "commondir"), encoding="utf-8", errors="surrogateescape") as file:
            return os.path.normpath(os.path.join(folder, file.read().strip()))
    except FileNotFoundError:
        return folder


def _written(git: Git, index: str) -> tuple[str, list[str]]:
    """The tree of the work tree, written by way of this index, and git's complaints about what could not be read."""
    own = replace(git, env={**git.env, "GIT_INDEX_FILE": index})
    missed = own.attempt("add", "-A", "--ignore-errors", ".", limit_s=600)
    return own.run("write-tree", limit_s=600), missed


@contextmanager
def _index(folder: str) -> Iterator[str]:
    """A copy of the current index under a name of its own; leftovers of killed checkpoints are swept first.

    A fixed name would leave a stale lock behind after a kill and block every later checkpoint. In a user's checkout a
    young one may be in use: jobs whose locks differ save there at once.
    """
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if name.startswith(INDEX_PREFIX):
            with suppress(OSError):
                if time.time() - os.stat(path).st_atime > STALE_S:
                    os.unlink(path)
    path = os.path.join(folder, INDEX_PREFIX + secrets.token_hex(6))
    with suppress(FileNotFoundError):
        index = os.path.join(folder, "index")
        written = os.stat(index).st_mtime_ns
        shutil.copyfile(index, path)
        # Git takes a file for clean that is older than the index it is looked up in, so the copy keeps the time of the
        # index; its own age is told by the time of access.
        os.utime(path, ns=(time.time_ns(), written))
    try:
        yield path
    finally:
        for name in (path, f"{path}.lock"):
            with suppress(FileNotFoundError):
                os.unlink(name)


def _commit(git: Git, tree: str, tip: str | None, head: str | None, message: str) -> str:
    parents = [commit for commit in (tip, head) if commit]
    if tip and head and (tip == head or git.ask("merge-base", "--is-ancestor", head, tip) is not None):
        parents = [tip]
        if git.run("rev-parse", f"{tip}^{{tree}}") == tree:
            return tip
    elif tip and head and git.ask("merge-base", "--is-ancestor", tip, head) is not None:
        parents = [head]
        if git.run("rev-parse", f"{head}^{{tree}}") == tree:
            return head
    arguments = [part for parent in dict.fromkeys(parents) for part in ("-p", parent)]
    return git.run("commit-tree", tree, *arguments, "-m", message)


def _take_over(folder: str, index: str) -> None:
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


def _measured(git: Git, base: str, saved: Saved) -> Saved:
    rows = git.run("diff", "--numstat", "--no-renames", base, saved.commit).splitlines()
    counts = [row.split("\t", 2)[:2] for row in rows]
    return replace(
        saved,
        files_changed=len(rows),
        lines_added=sum(int(added) for added, _ in counts if added.isdigit()),
        lines_deleted=sum(int(deleted) for _, deleted in counts if deleted.isdigit()),
    )
