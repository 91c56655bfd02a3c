"""Saving a workspace as a commit, by plumbing: no hook runs, and no other ref or index of anybody's changes.

An index of our own is filled from the work tree, written as a tree, and committed with the ref's tip as parent, and
with the agent's HEAD as well where that is not in it. The ref moves by compare-and-set.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent_queue.system.content import Content, content
from agent_queue.system.flushing import flush_commits, flush_objects, flush_ref
from agent_queue.system.git import IDENTITY, Git, lines
from agent_queue.system.mend import LINK, text
from agent_queue.system.own_index import own_index, remove_locks, take_over
from agent_queue.system.tree_change import Counts, comparing

OURS = f"<{IDENTITY['GIT_COMMITTER_EMAIL']}>"
LAST_LIMIT_S = 600.0
"""How long the last look at a work tree may take: what an agent wrote is not given up because it is much."""
BEAT_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A checkpoint: its commit, whether it is new, what it holds, and its size against the job's base."""

    commit: str
    content: Content
    new: bool
    counts: Counts | None = None
    """None where git could not tell, and for a snapshot."""


End = tuple[str | None, str | None]
"""A commit and its tree; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Where a job's branch ends, where the work tree's HEAD is, and where the job began."""

    branch: End
    head: End
    base: End


def ends_of(git: Git, branch: str, base: str) -> Ends:
    """Ask git for all of them at once."""
    on_branch, head, began = _ends(git, f"refs/heads/{branch}", "HEAD", base)
    return Ends(branch=on_branch, head=head, base=began)


def checkpoint(git: Git, ends: Ends, *, branch: str, base: str, message: str, own_worktree: bool) -> Saved:
    """Save the work tree on `branch`, and see that it is on the disk. Call it when no process of the job lives.

    `own_worktree`: the work tree is the job's own, so HEAD goes back to its branch, the index is brought in line with
    the commit, and locks that a killed agent left in it are removed. A user's checkout keeps its index to the byte.

    Raises:
        GitError: git refused; the branch is as it was.
    """
    folder, common = folders(git)
    ref = f"refs/heads/{branch}"
    remove_locks(folder, common, ref, own_worktree=own_worktree)
    tip, head = ends.branch[0], ends.head[0]
    tops = [ends.branch if tip else ends.base if head else _last_head(git, folder, ends.base), ends.head]
    with own_index(folder) as index:
        found = content(git, index, tip or head or base, limit_s=LAST_LIMIT_S, ignored=own_worktree)
        with comparing(git, folder, base, found.tree) as compared:
            commit = _commit(git, found.tree, tops, message)
            change = compared()
        flush_objects(common, (found.tree, commit, *change.objects))
        flush_commits(git, common, _theirs(common, ref, tip, [commit for commit, _ in tops], base), [base])
        if commit != tip:
            git.run("update-ref", "--no-deref", "-m", "aq: checkpoint", ref, commit, tip or "0" * len(commit))
        flush_ref(common, ref)
        if own_worktree:
            if text(os.path.join(folder, "HEAD")) != f"ref: {ref}":
                git.run("symbolic-ref", "-m", "aq: back to the job's branch", "HEAD", ref)
            take_over(folder, index)
    return Saved(commit=commit, content=found, new=commit != tip, counts=change.counts)


def snapshot(
    git: Git, *, ref: str, branch: str, message: str, since: str | None = None, limit_s: float = BEAT_LIMIT_S
) -> Saved:
    """Save the work tree on a ref of our own, beside the ref `branch`. Nothing else changes: an agent may work in it.

    What an agent committed after `since` is on the disk as well then.

    Raises:
        GitError: git refused; the ref is as it was.
    """
    folder, common = folders(git)
    remove_locks(folder, common, ref, own_worktree=False)  # a death in the middle of the last one left it
    before, on_branch, head = _ends(git, ref, branch, "HEAD")
    head = head if head[0] else _last_head(git, folder, head)
    with own_index(folder) as index:
        found = content(git, index, head[0] or on_branch[0], limit_s=limit_s)
    tip, start = before[0], before if before[0] else on_branch
    if since and (theirs := _theirs(common, branch, on_branch[0], [on_branch[0], head[0]], since)):
        flush_commits(git, common, theirs, [since, tip] if tip else [since])
        flush_ref(common, branch)
    if on_branch[0] and head == on_branch and head[1] == found.tree:
        return Saved(commit=on_branch[0], content=found, new=False)  # all of it is on the branch
    with comparing(git, folder, start[1] or empty_tree(git), found.tree) as compared:
        commit = _commit(git, found.tree, [start, head], message)
        change = compared()
    if commit != tip:
        flush_objects(common, (found.tree, commit, *change.objects))
        git.run("update-ref", "--no-deref", ref, commit, tip or "0" * len(commit))
        flush_ref(common, ref)
    return Saved(commit=commit, content=found, new=commit != tip)


def _theirs(common: str, ref: str, tip: str | None, commits: Iterable[str | None], since: str) -> set[str]:
    """Those of these commits that an agent may have made: not where the job began, nor where we had moved the ref."""
    ours = {since, tip} if written_by_us(common, ref) else {since}
    return {commit for commit in commits if commit and commit not in ours}


def look_at(git: Git) -> Content:
    """What lies in the work tree now, as a checkpoint would save it. Nothing changes by asking.

    Raises:
        GitError: git refused.
    """
    (head,) = known(git, "HEAD^{commit}")
    with own_index(folders(git)[0]) as index:
        return content(git, index, head, limit_s=LAST_LIMIT_S)


def folders(git: Git) -> tuple[str, str]:
    """git's own folder of this work tree, and that of the whole repository; the same one in the main checkout.

    Raises:
        GitError: there is no repository.
    """
    link = os.path.join(git.folder, ".git")
    if os.path.isfile(link):
        link = os.path.join(git.folder, text(link).removeprefix(LINK))
    if os.path.isfile(os.path.join(link, "HEAD")):  # told without a process: this is asked often
        folder = os.path.realpath(link)
        return folder, os.path.realpath(os.path.join(folder, text(os.path.join(folder, "commondir"))))
    told = git.run("rev-parse", "--path-format=absolute", "--absolute-git-dir", "--git-common-dir")
    folder, _, common = told.partition("\n")
    return folder, common


def known(git: Git, *names: str) -> list[str | None]:
    """The objects that these names mean, None for one that means none."""
    told = git.run("cat-file", "--batch-check=%(objectname)", given="".join(f"{name}\n" for name in names).encode())
    return [None if line.endswith((" missing", " ambiguous")) else line for line in lines(told)]


def _ends(git: Git, *names: str) -> list[End]:
    told = known(git, *(f"{name}^{{{kind}}}" for kind in ("commit", "tree") for name in names))
    return list(zip(told[: len(names)], told[len(names) :], strict=True))


def _last_head(git: Git, folder: str, otherwise: End) -> End:
    """Where HEAD was before its branch was deleted under it, as the log of it tells, which may tell of that as well."""
    old, new, *_ = [*text(os.path.join(folder, "logs/HEAD")).rpartition("\n")[2].split(" "), ""]
    named = new if new.strip("0") else old
    (end,) = _ends(git, named) if named.strip("0") else (otherwise,)
    return end if end[0] else otherwise


def _commit(git: Git, tree: str, ends: Sequence[End], message: str) -> str:
    """A commit of `tree` on top of both ends, or the one of them that is all of it already."""
    trees = {commit: held for commit, held in ends if commit}
    parents = list(trees)
    if len(parents) == 2:
        tip, head = parents
        shared = git.ask("merge-base", tip, head)
        if shared in parents:
            parents = [tip] if shared == head else [head]  # the one holds all of the other
    if len(parents) == 1 and trees[parents[0]] == tree:
        return parents[0]
    return git.run("commit-tree", tree, *(part for parent in parents for part in ("-p", parent)), "-m", message)


def written_by_us(common: str, ref: str) -> bool:
    """True when it was aq that moved this ref last, as the log of it tells."""
    last = text(os.path.join(common, "logs", ref)).rpartition("\n")[2]
    return OURS in last.partition("\t")[0]


def empty_tree(git: Git) -> str:
    """The name of a tree without a file."""
    return git.run("hash-object", "-t", "tree", "--stdin")
