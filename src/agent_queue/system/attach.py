"""Having a job's worktree at its path with HEAD on its branch, whatever a crash, an agent or a person left there."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from agent_queue.core.errors import AqError, BusyError
from agent_queue.system.checkpoint import folders
from agent_queue.system.git import Git
from agent_queue.system.own_index import remove_locks

REASON = "an agent-queue job works here"
"""Written by git into the lock of each worktree of ours, before anything else of it."""


class WorkspaceError(AqError):
    """The workspace cannot be made; the text says why."""


class WorkspaceBusyError(BusyError):
    """It cannot be made now, and a person can change that without touching the job."""


def attach(user: Git, path: str, branch: str, base: str) -> None:
    """Have a worktree at `path` with HEAD on `branch`, its files as they are there or as the last run left them."""
    ref = f"refs/heads/{branch}"
    here = Git(path, user.keep_open)
    if os.path.isdir(path) and here.ask("rev-parse", "--is-inside-work-tree") == "true" and _top(here) == path:
        folder, common_ = folders(here)
        remove_locks(folder, common_, ref, own_worktree=True)
        if here.ask("symbolic-ref", "-q", "HEAD") != ref or here.ask("rev-parse", "-q", "--verify", ref) is None:
            _switch(user, here, branch, base)
        else:
            _bring_in_line(here, folder)
        return
    _remove_unfinished(path)
    if os.path.lexists(path):
        raise WorkspaceError(f"{path} is in the way and is no worktree; look at it, then remove it")
    exists = user.ask("rev-parse", "-q", "--verify", ref) is not None
    target = (path, branch) if exists else ("-b", branch, path, base)
    lock = ("--lock", "--reason", REASON)
    with alone(user):
        refuse_if_elsewhere(user, ref, path)
        user.run("worktree", "prune", "--expire", "now")
        user.run("worktree", "add", "--quiet", "--no-checkout", "--force", "--force", *lock, *target)
    _bring_in_line(here, here.run("rev-parse", "--absolute-git-dir"))


def _switch(user: Git, here: Git, branch: str, base: str) -> None:
    """The agent left HEAD elsewhere: everything there is on the branch by now, so only HEAD and index go back."""
    if user.ask("rev-parse", "-q", "--verify", f"refs/heads/{branch}") is None:
        user.run("update-ref", f"refs/heads/{branch}", base, "0" * len(base))
    here.run("symbolic-ref", "HEAD", f"refs/heads/{branch}")
    here.run("read-tree", "--reset", "-u", "HEAD", limit_s=600)


@contextmanager
def alone(user: Git) -> Iterator[None]:
    """Be the only one of ours at the worktrees of a repository: git fails over a record that is just being made.

    Jobs of one repository start at once, beside each other and in other queues. The lock is on git's own folder, so
    that no file of ours is left in it; the slow filling of a worktree comes after it.
    """
    number = os.open(common(user), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        _remove_half_records(user)
        yield
    finally:
        os.close(number)


def _remove_unfinished(path: str) -> None:
    """Remove what a killed `worktree add` leaves: a folder that holds nothing, or only the link to git's own."""
    with suppress(OSError):
        if os.listdir(path) == [".git"]:
            os.unlink(os.path.join(path, ".git"))
        os.rmdir(path)


def _remove_half_records(user: Git) -> None:
    """Remove what killed `worktree add`s of ours leave in git's own folder: no git works on worktrees beside it."""
    records = os.path.join(common(user), "worktrees")
    for name in os.listdir(records) if os.path.isdir(records) else ():
        record = os.path.join(records, name)
        texts = {file: _text(os.path.join(record, file)) for file in ("locked", "gitdir", "HEAD", "commondir")}
        if texts["locked"] == REASON and not all(texts.values()) and not os.path.exists(os.path.join(record, "index")):
            shutil.rmtree(record)


def _text(path: str) -> str:
    with suppress(OSError), open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read().strip()
    return ""


def common(git: Git) -> str:
    return git.run("rev-parse", "--path-format=absolute", "--git-common-dir")


def _bring_in_line(here: Git, folder: str) -> None:
    """Mend what a death in the middle left: a checkout cut short, or an index that did not follow its branch."""
    if not os.path.exists(os.path.join(folder, "index")):
        here.run("read-tree", "--reset", "-u", "HEAD", limit_s=600)
    elif here.ask("diff-index", "--cached", "--quiet", "HEAD", "--") is None:
        here.run("read-tree", "HEAD")  # the index alone: what lies in the files is the job's work


def refuse_if_elsewhere(user: Git, ref: str, path: str) -> None:
    """A person who has the job's branch checked out keeps it."""
    for branch, where in checked_out(user):
        if branch == ref and where != path:
            name = ref.removeprefix("refs/heads/")
            raise WorkspaceBusyError(f"{name} is checked out at {where}; switch that to another branch")


def checked_out(user: Git) -> Iterator[tuple[str, str]]:
    """The branches of a repository that somebody works on: each one's ref, and where its files are."""
    where = ""
    for row in user.run("worktree", "list", "--porcelain").splitlines():
        if row.startswith("worktree "):
            where = row.removeprefix("worktree ")
        elif row.startswith("branch "):
            yield row.removeprefix("branch "), where


def _top(git: Git) -> str | None:
    return git.ask("rev-parse", "--show-toplevel")
