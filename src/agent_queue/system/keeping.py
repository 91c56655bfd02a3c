"""Saving a run's work on its branch at the end, and undoing what the run did beside it."""

import os
from dataclasses import dataclass, replace

from agent_queue.core.errors import AqError
from agent_queue.core.job import JobId, snapshots_ref
from agent_queue.core.run import Kept, Place
from agent_queue.system import left_out, nested
from agent_queue.system.before import Before, distrusting, filters, read, written
from agent_queue.system.checkpoint import Saved, checkpoint, folders, known, measured, snapshot
from agent_queue.system.content import Content
from agent_queue.system.files import Disk
from agent_queue.system.filters import as_before, paths_of
from agent_queue.system.git import Git, GitError
from agent_queue.system.inner import Outer
from agent_queue.system.mend import mend
from agent_queue.system.put_back import Undo, put_back

AFTER_VERIFY = "(after verify)"
NOTHING = "wip: cwd not a git repo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A workspace in git whose processes have ended. `refs` are patterns of what the agent might move besides."""

    job: JobId
    place: Place
    root: str
    branch: str
    base: str
    own: bool
    keep_open: tuple[int, ...]
    refs: tuple[str, ...]
    disk: Disk

    @property
    def user(self) -> Git:
        return Git(self.place.repository or self.root, self.keep_open)


def keep(work: Work, why: str) -> Kept:
    """Commit what is there to the job's branch, copy what no commit should hold, put back what was moved.

    Raises:
        GitError: git refused; the files are where they were.
    """
    message = f"aq wip: {work.job} ({why})"
    before = read(work.place.run_folder) if work.place.run_folder else None
    mended = mend(work.root, folders(work.user)[1], work.branch) if work.own else ""
    if mended is None:
        return _with_undone(work, before, _salvaged(work, before, message))
    git = Git(work.root, work.keep_open)
    settings, off = as_before(before, filters(git))
    git = replace(git, settings=settings)
    saved = checkpoint(git, branch=work.branch, base=work.base, message=message, own_worktree=work.own)
    inside = nested.save(_outer(work, before), saved.content.nested, message)
    _distrust(work, before, off, inside)
    missed = (*saved.content.missed, *inside.missed)
    named = {
        "nested": tuple(inside.saved), "filters_off": (*(paths_of(git, off) or off), *inside.off),
        **_beside(work, (*saved.content.left_out, *inside.left_out), missed),
    }  # fmt: skip
    told = f"not saved: {'; '.join(missed)}" if missed else ""
    kept = Kept(
        facts=_facts(work, saved), changed=saved.content.tree != work.place.start, named=named,
        note="; ".join(filter(None, (mended, told))),
    )  # fmt: skip
    return _with_undone(work, before, kept)


def _distrust(work: Work, before: Before | None, off: tuple[str, ...], inside: nested.Inside) -> None:
    """Write down which filters the agent changed: the next run does not take them for granted."""
    if before is None or not work.place.run_folder or not (off or inside.distrusted):
        return
    told = distrusting(before, Git(work.root, work.keep_open)) if off else before
    inner = {path: {"filters": one.filters, "distrusted": one.distrusted} for path, one in inside.distrusted.items()}
    written(replace(told, inner={**told.inner, **inner}), work.place.run_folder, work.disk)


def _outer(work: Work, before: Before | None) -> Outer:
    return Outer(
        root=work.root, job=work.job, branch=work.branch, own=work.own, run_folder=work.place.run_folder,
        before=before, disk=work.disk, keep_open=work.keep_open,
    )  # fmt: skip


def beat(work: Work) -> None:
    """Save what lies there beside the branch, while an agent works in it.

    Raises:
        GitError: git refused, or what lies in a repository inside could not be saved.
    """
    git, job, branch = Git(work.root), work.job, work.branch
    before = read(work.place.run_folder) if work.place.run_folder else None
    git = replace(git, settings=as_before(before, filters(git))[0])
    message = f"aq snapshot: {job}"
    saved = snapshot(git, ref=snapshots_ref(branch), branch=f"refs/heads/{branch}", message=message)
    inside = nested.save(_outer(work, before), saved.content.nested, message, living=True)
    if inside.missed:
        raise GitError("; ".join(inside.missed))


def after_verify(work: Work, commit: str) -> Kept:
    """Save beside the branch what a verify changed, and name it; `commit` is what the verify began with.

    Raises:
        GitError: git refused.
    """
    before = read(work.place.run_folder) if work.place.run_folder else None
    if not os.path.isdir(work.root):
        return _with_undone(work, before, Kept(facts={}, changed=None))
    git = Git(work.root, work.keep_open)
    git = replace(git, settings=as_before(before, filters(git))[0])
    message = f"aq snapshot: {work.job} {AFTER_VERIFY}"
    ref = f"refs/heads/{work.branch}"
    saved = snapshot(git, ref=snapshots_ref(work.branch), branch=ref, message=message)
    rows = git.read("diff-tree", "-r", "-z", "--name-only", commit, saved.content.tree).split(b"\0")
    paths = tuple(os.fsdecode(path) for path in rows if path)
    return _with_undone(work, before, Kept(facts={}, changed=bool(paths), named={"verify_changed": paths}))


def _salvaged(work: Work, before: Before | None, message: str) -> Kept:
    """The worktree is gone: what the last beat of this run saw goes to the branch."""
    git, ref = work.user, f"refs/heads/{work.branch}"
    tip, seen = known(git, ref, snapshots_ref(work.branch))
    since = before.at if before else 0.0
    if seen is None or int(git.run("log", "-1", "--format=%ct", seen)) < int(since):
        commit, told = tip or work.base, "it had not been saved yet"
    else:
        parents = [part for parent in dict.fromkeys((tip or work.base, seen)) for part in ("-p", parent)]
        commit = git.run("commit-tree", f"{seen}^{{tree}}", *parents, "-m", message)
        told = f"what was there at {git.run('log', '-1', '--format=%ci', seen)} is on {work.branch}"
    if commit != tip:
        git.run("update-ref", "--no-deref", "-m", "aq: salvaged", ref, commit, tip or "0" * len(commit))
    tree = git.run("rev-parse", f"{commit}^{{tree}}")
    saved = measured(git, work.base, Saved(commit=commit, content=Content(tree=tree), new=commit != tip))
    return Kept(
        facts={**_facts(work, saved), "wip_lost": True}, changed=tree != work.place.start,
        note=f"its worktree {work.root} is gone: {told}",
    )  # fmt: skip


def _facts(work: Work, saved: Saved) -> dict[str, object]:
    return {
        "wip_branch": work.branch, "wip_base": work.base, "wip_commit": saved.commit,
        "files_changed": saved.files_changed, "lines_added": saved.lines_added, "lines_deleted": saved.lines_deleted,
    }  # fmt: skip


def _beside(work: Work, left: tuple[str, ...], missed: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Copy what no commit should hold into the run's folder; what was kept, and what only lies in the worktree."""
    run_folder = work.place.run_folder
    if not left or run_folder is None:
        return {"left_out": left, "not_saved": missed}
    above, number = os.path.split(run_folder)
    runs = [os.path.join(above, str(run)) for run in range(1, int(number))] if number.isdigit() else []
    alone = left_out.keep(work.root, left, run_folder, left_out.latest(runs))
    return {"left_out": tuple(path for path in left if path not in alone), "not_saved": (*alone, *missed)}


def _with_undone(work: Work, before: Before | None, kept: Kept) -> Kept:
    """The same, after the refs were put back that the run moved and were not its own."""
    named, notes = dict(kept.named), [kept.note]
    if before is not None:
        try:
            done = put_back(_undo(work), before, work.refs)
        except AqError as error:
            done, notes = (), [*notes, f"its repository could not be looked through for moved refs: {error}"]
        named["refs_put_back"] = done
        if done:
            notes.append(f"its agent had moved {', '.join(done)}: put back; see refs/aq/rescued/{work.job}/")
    named = {what: names for what, names in named.items() if names}
    counts: dict[str, object] = {what: len(names) for what, names in named.items()}
    if "refs_put_back" in named:
        counts["refs_put_back"] = list(named["refs_put_back"])
    return replace(kept, facts={**kept.facts, **counts}, named=named, note="; ".join(filter(None, notes)))


def _undo(work: Work) -> Undo:
    common = folders(work.user)[1]
    worktree = ""
    if work.own:
        try:
            worktree = folders(Git(work.root))[0]
        except GitError:
            worktree = os.path.join(common, "worktrees", os.path.basename(work.root))
    return Undo(work.user, common, worktree, work.job, work.branch)
