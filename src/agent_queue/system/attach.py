"""Having a job's worktree at its path with HEAD on its branch, whatever a crash, an agent or a person left there."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from agent_queue.core.errors import AqError, BusyError
from agent_queue.system.checkpoint import folders, known
from agent_queue.system.content import rebuild
from agent_queue.system.git import Git, lines
from agent_queue.system.mend import OPENED, REASON, elsewhere, mend, put, text
from agent_queue.system.own_index import remove_locks

UNFINISHED = (
    "rebase-merge", "rebase-apply", "sequencer", "MERGE_HEAD", "MERGE_MODE", "MERGE_MSG", "MERGE_RR", "AUTO_MERGE",
    "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD", "SQUASH_MSG", "BISECT_LOG", "BISECT_START", "BISECT_TERMS",
    "BISECT_NAMES", "BISECT_EXPECTED_REV", "BISECT_ANCESTORS_OK",
)  # fmt: skip
"""What git keeps of a rebase, merge or bisect under way: its next command refuses to begin beside it."""


class WorkspaceError(AqError):
    """The workspace cannot be made; the text says why."""


class WorkspaceBusyError(BusyError):
    """It cannot be made now, and a person can change that without touching the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A worktree to have. `begun`: an agent has worked in it; `afresh`: what lies there has been saved elsewhere.

    `tip` is where the branch begins when it is not there.
    """

    path: str
    branch: str
    tip: str
    begun: bool = False
    afresh: bool = False

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.branch}"


def attach(user: Git, wanted: Wanted) -> str:
    """Have a worktree with HEAD on its branch, its files as they are there or as the last run left them.

    Gives what had to be mended, '' for nothing.
    """
    path, ref = wanted.path, wanted.ref
    here = Git(path, user.keep_open, settings=user.settings)
    mended = mend(path, common(user), wanted.branch) if _ours(path, user) else None
    if mended is not None:
        folder, whole = folders(here)
        remove_locks(folder, whole, ref, own_worktree=True)
        _end_unfinished(user, folder, wanted.branch)
        if known(user, ref) == [None]:
            user.run("update-ref", ref, wanted.tip, "0" * len(wanted.tip))
        if here.ask("symbolic-ref", "-q", "HEAD") != ref:
            here.run("symbolic-ref", "HEAD", ref)
        _bring_in_line(here, folder, wanted)
        return mended
    _remove_unfinished(path)
    if os.path.lexists(path):
        raise WorkspaceError(f"{path} is in the way and is no worktree; look at it, then remove it")
    target = (path, wanted.branch) if known(user, ref) != [None] else ("-b", wanted.branch, path, wanted.tip)
    lock = ("--lock", "--reason", REASON)
    with alone(user):
        refuse_if_elsewhere(user, ref, path)
        user.run("worktree", "prune", "--expire", "now")
        user.run("worktree", "add", "--quiet", "--no-checkout", "--force", "--force", *lock, *target)
    _fill(here, folders(here)[0])
    return ""


def _ours(path: str, user: Git) -> bool:
    """True for a worktree of this repository, also one whose link is broken; not for what a person put there.

    Raises:
        WorkspaceError: it is a worktree of another repository.
    """
    other = elsewhere(path, common(user))
    if other:
        hint = "its cwd was changed: give that work a new job, or remove the worktree there"
        raise WorkspaceError(f"{path} is a worktree of another repository, {other}", hint=hint)
    record = os.path.join(common(user), "worktrees", os.path.basename(path))
    return os.path.lexists(os.path.join(path, ".git")) or os.path.isdir(record)


def _fill(here: Git, folder: str) -> None:
    here.run("read-tree", "--reset", "-u", "HEAD", limit_s=600)
    put(os.path.join(folder, OPENED), "")


def _bring_in_line(here: Git, folder: str, wanted: Wanted) -> None:
    """Mend what a death in the middle left: a checkout cut short, or an index that did not follow its branch."""
    index, opened = os.path.join(folder, "index"), os.path.join(folder, OPENED)
    lost = not os.path.exists(index) or not os.path.getsize(index)
    if wanted.afresh or (lost and not wanted.begun and not os.path.exists(opened)):
        _fill(here, folder)
        return
    if lost or here.ask("diff-index", "--cached", "--quiet", "HEAD", "--") is None:
        rebuild(here, index, "HEAD")  # the index alone: what lies in the files is the job's work
    if not os.path.exists(opened):
        put(opened, "")


def _end_unfinished(user: Git, folder: str, branch: str) -> None:
    """Forget a rebase or merge that was under way: all that lay in the files is saved. What it stashed is kept."""
    rescued = f"refs/aq/rescued/{branch.removeprefix('aq/wip/')}"
    for name in ("rebase-merge/autostash", "rebase-apply/autostash", "MERGE_AUTOSTASH"):
        stashed = text(os.path.join(folder, name))
        if stashed and known(user, f"{stashed}^{{commit}}") != [None]:
            user.run("update-ref", f"{rescued}/autostash-{stashed[:12]}", stashed)
    for name in (*UNFINISHED, "MERGE_AUTOSTASH"):
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)


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
    """Remove what killed `worktree add`s of ours leave in git's own folder: no git works on worktrees beside it.

    A record that a power cut emptied is no such thing where files of the job lie in its worktree.
    """
    records = os.path.join(common(user), "worktrees")
    for name in os.listdir(records) if os.path.isdir(records) else ():
        record = os.path.join(records, name)
        texts = {file: text(os.path.join(record, file)) for file in ("locked", "gitdir", "HEAD", "commondir")}
        begun = any(os.path.exists(os.path.join(record, file)) for file in ("index", OPENED))
        if texts["locked"] != REASON or all(texts.values()):
            continue
        if not begun:
            shutil.rmtree(record)
            continue
        for file, said in (("commondir", "../.."), ("HEAD", f"ref: refs/heads/aq/wip/{name}")):
            if not texts[file]:
                put(os.path.join(record, file), f"{said}\n")  # enough for git; the next run of that job does the rest


def common(git: Git) -> str:
    return git.run("rev-parse", "--path-format=absolute", "--git-common-dir")


def refuse_if_elsewhere(user: Git, ref: str, path: str) -> None:
    """A person who has the job's branch checked out keeps it."""
    for branch, where in checked_out(user):
        if branch == ref and where != path:
            name = ref.removeprefix("refs/heads/")
            raise WorkspaceBusyError(f"{name} is checked out at {where}; switch that to another branch")


def checked_out(user: Git) -> Iterator[tuple[str, str]]:
    """The branches of a repository that somebody works on: each one's ref, and where its files are."""
    where = ""
    for row in lines(user.run("worktree", "list", "--porcelain")):
        if row.startswith("worktree "):
            where = row.removeprefix("worktree ")
        elif row.startswith("branch "):
            yield row.removeprefix("branch "), where
