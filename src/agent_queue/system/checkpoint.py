"""Saving a workspace as a commit, by plumbing: no hook runs, and no other ref or index of anybody's changes.

An index of our own is filled from the work tree, written as a tree, and committed with the ref's tip as parent, and
with the agent's HEAD as well where that is not in it. The ref moves by compare-and-set.
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from agent_queue.system import kernel
from agent_queue.system.content import Content, content
from agent_queue.system.git import IDENTITY, Git
from agent_queue.system.mend import LINK, text
from agent_queue.system.own_index import own_index, remove_locks, take_over

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
    files_changed: int = 0
    lines_added: int = 0
    lines_deleted: int = 0


def checkpoint(git: Git, *, branch: str, base: str, message: str, own_worktree: bool) -> Saved:
    """Save the work tree on `branch`, and see that it is on the disk. Call it when no process of the job lives.

    `own_worktree`: the work tree is the job's own, so HEAD goes back to its branch, the index is brought in line with
    the commit, and locks that a killed agent left in it are removed. A user's checkout keeps its index to the byte.

    Raises:
        GitError: git refused; the branch is as it was.
    """
    folder, common = folders(git)
    ref, began = f"refs/heads/{branch}", time.time()
    remove_locks(folder, common, ref, own_worktree=own_worktree)
    on_branch, at_head, at_base = _ends(git, ref, "HEAD", base)
    tip, head = on_branch[0], at_head[0]
    ends = [on_branch if tip else at_base if head else _last_head(git, folder, at_base), at_head]
    with own_index(folder) as index:
        found = content(git, index, tip or head or base, limit_s=LAST_LIMIT_S, ignored=own_worktree)
        commit = _commit(git, found.tree, ends, message)
        if commit != tip:
            git.run("update-ref", "--no-deref", "-m", "aq: checkpoint", ref, commit, tip or "0" * len(commit))
            flush(common, ref, began)
        if head and head != base and not written_by_us(common, ref):
            flush_commits(git, common, ref, commit, base)
        if own_worktree:
            if text(os.path.join(folder, "HEAD")) != f"ref: {ref}":
                git.run("symbolic-ref", "-m", "aq: back to the job's branch", "HEAD", ref)
            take_over(folder, index)
    return measured(git, base, Saved(commit=commit, content=found, new=commit != tip))


def snapshot(git: Git, *, ref: str, branch: str, message: str, limit_s: float = BEAT_LIMIT_S) -> Saved:
    """Save the work tree on a ref of our own, beside the ref `branch`. Nothing else changes: an agent may work in it.

    Raises:
        GitError: git refused; the ref is as it was.
    """
    folder, common = folders(git)
    began = time.time()
    remove_locks(folder, common, ref, own_worktree=False)  # a death in the middle of the last one left it
    before, on_branch, head = _ends(git, ref, branch, "HEAD")
    with own_index(folder) as index:
        found = content(git, index, head[0] or on_branch[0], limit_s=limit_s)
    if on_branch[0] and head == on_branch and head[1] == found.tree:
        return Saved(commit=on_branch[0], content=found, new=False)  # all of it is on the branch
    tip = before[0]
    commit = _commit(git, found.tree, [before if tip else on_branch, head], message)
    new = commit != tip
    if new:
        git.run("update-ref", "--no-deref", ref, commit, tip or "0" * len(commit))
        flush(common, ref, began)
    return Saved(commit=commit, content=found, new=new)


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
    return [None if line.endswith((" missing", " ambiguous")) else line for line in told.splitlines()]


End = tuple[str | None, str | None]
"""A commit and its tree; None where there is none."""


def _ends(git: Git, *names: str) -> list[End]:
    told = known(git, *(f"{name}^{{{kind}}}" for kind in ("commit", "tree") for name in names))
    return list(zip(told[: len(names)], told[len(names) :], strict=True))


def _last_head(git: Git, folder: str, otherwise: End) -> End:
    """Where HEAD was before its branch was deleted under it, as the log of it tells."""
    words = text(os.path.join(folder, "logs/HEAD")).rpartition("\n")[2].split(" ")
    (end,) = _ends(git, words[1]) if len(words) > 1 else (otherwise,)
    return end if end[0] else otherwise


def _commit(git: Git, tree: str, ends: Sequence[End], message: str) -> str:
    """A commit of `tree` on top of both ends, or the one of them that is all of it already."""
    trees = {commit: held for commit, held in ends if commit}
    parents = list(trees)
    if len(parents) == 2:
        tip, head = parents
        if git.ask("merge-base", "--is-ancestor", head, tip) is not None:
            parents = [tip]
        elif git.ask("merge-base", "--is-ancestor", tip, head) is not None:
            parents = [head]
    if len(parents) == 1 and trees[parents[0]] == tree:
        return parents[0]
    return git.run("commit-tree", tree, *(part for parent in parents for part in ("-p", parent)), "-m", message)


def flush(common: str, ref: str, began: float) -> None:
    """Put on the disk the names of a ref and of the objects written since `began`: git flushes files, not folders."""
    objects = os.path.join(common, "objects")
    written = [objects, os.path.join(objects, "pack")]
    with os.scandir(objects) as entries:
        written += [entry.path for entry in entries if len(entry.name) == 2]
    changed = [path for path in written if _changed(path) >= began - 2]
    for path in changed:
        _flush_folder(path)
    above = os.path.dirname(os.path.join(common, ref))
    while above.startswith(common):
        _flush_folder(above)
        above = os.path.dirname(above)


def flush_commits(git: Git, common: str, ref: str, commit: str, base: str) -> None:
    """Put on the disk what lies between these commits: an agent's own git flushes no object that it writes."""
    names = git.run("rev-list", "--objects", "--no-object-names", commit, "--not", base).split()
    objects = os.path.join(common, "objects")
    folders = {os.path.join(objects, name[:2]) for name in names}
    for path in (*(os.path.join(objects, name[:2], name[2:]) for name in names), os.path.join(common, ref)):
        _flush_file(path)
    for path in (*folders, objects, os.path.dirname(os.path.join(common, ref))):
        _flush_folder(path)


def written_by_us(common: str, ref: str) -> bool:
    """True when it was aq that moved this ref last, as the log of it tells."""
    last = text(os.path.join(common, "logs", ref)).rpartition("\n")[2]
    return OURS in last.partition("\t")[0]


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0


def _flush_folder(path: str) -> None:
    _flush_file(path, os.O_DIRECTORY)


def _flush_file(path: str, flags: int = 0) -> None:
    with suppress(FileNotFoundError):  # packed, and then flushed
        fd = os.open(path, os.O_RDONLY | flags | os.O_CLOEXEC)
        try:
            kernel.flush(fd)
        finally:
            os.close(fd)


def measured(git: Git, base: str, saved: Saved) -> Saved:
    """Count what changed since `base`. A renamed file is one file; a binary one counts as a file without lines."""
    counts = []
    rows = iter(git.read("diff-tree", "-r", "-z", "--numstat", "-M", base, saved.commit).split(b"\0"))
    for row in rows:
        added, _, rest = row.partition(b"\t")
        deleted, tab, path = rest.partition(b"\t")
        if tab:
            counts.append((added, deleted))
        if tab and not path:
            next(rows), next(rows)  # a renamed file: both its names follow
    return replace(
        saved,
        files_changed=len(counts),
        lines_added=sum(int(added) for added, _ in counts if added.isdigit()),
        lines_deleted=sum(int(deleted) for _, deleted in counts if deleted.isdigit()),
    )
