"""Saving a run's work on its branch at the end, and undoing what the run did beside it."""

import os
from dataclasses import astuple, replace

from agent_queue.core.job import snapshots_ref
from agent_queue.core.run import Kept
from agent_queue.system import equipment, left_out, nested
from agent_queue.system.aftermath import Work, altered, rescued, restored, with_undone
from agent_queue.system.before import (
    LIST_REFS,
    LIST_SETTINGS,
    Before,
    Settings,
    distrusting,
    filters,
    filters_of,
    read,
    refs_of,
    settings,
    settings_of,
    written,
)
from agent_queue.system.checkpoint import Ends, Saved, checkpoint, empty_tree, ends_of, folders, known, snapshot
from agent_queue.system.content import Content
from agent_queue.system.filters import as_before, paths_of
from agent_queue.system.flushing import flush_objects, flush_ref
from agent_queue.system.git import Git, GitError
from agent_queue.system.inner import Outer
from agent_queue.system.mend import mend
from agent_queue.system.tree_change import comparing

LISTED = 5
AFTER_VERIFY = "(after verify)"
NOTHING = "wip: cwd not a git repo"


def keep(work: Work, why: str) -> Kept:
    """Commit what is there to the job's branch, copy what no commit should hold, put back what was moved.

    Raises:
        GitError: git refused; the files are where they were.
    """
    message = f"aq wip: {work.job} ({why})"
    before = read(work.place.run_folder) if work.place.run_folder else None
    mended = _there(work) if work.own else ""
    if mended is None:
        back = restored(work, before, settings(work.user))
        kept = _salvaged(work, before, message)
        return with_undone(work, before, replace(kept, named={"settings_put_back": back}))
    git = Git(work.root, work.keep_open)
    ends, said, now = _standing(git, work)
    trusted, off = as_before(before, filters_of(said))
    git = replace(git, settings=trusted)
    saved = checkpoint(git, ends, branch=work.branch, base=work.base, message=message, own_worktree=work.own)
    inside = nested.save(_outer(work, before), saved.content.nested, message)
    _distrust(work, before, off, inside)
    missed = (*saved.content.missed, *inside.missed)
    named = {
        "nested": tuple(inside.saved), "filters_off": (*(paths_of(git, off) or off), *inside.off),
        "ignored": _ignored(work, saved),
        "rescued": rescued(work, before, saved.commit), "altered": altered(work, before, said),
        "settings_put_back": restored(work, before, said),
        **_beside(work, (*saved.content.left_out, *inside.left_out), missed),
    }  # fmt: skip
    told = [f"not saved: {'; '.join(missed)}"] if missed else []
    told += [f"kept beside the run, as git refused it: {why}" for why in saved.content.refused[:LISTED]]
    kept = Kept(
        facts=_facts(work, saved), changed=saved.content.tree != work.place.start, named=named,
        note="; ".join(filter(None, (mended, *told))),
    )  # fmt: skip
    return with_undone(work, before, kept, now)


def _standing(git: Git, work: Work) -> tuple[Ends, Settings, dict[str, str]]:
    """Where branch, HEAD and all refs are, and how git is configured; asked for at the same time."""
    with git.beside(*LIST_SETTINGS) as configured, git.beside(*LIST_REFS) as listed:
        ends = ends_of(git, work.branch, work.base)
        return ends, settings_of(configured()[0]), refs_of(listed()[0])


def _there(work: Work) -> str | None:
    """What of the worktree was mended; None when it is gone. One that held no file, and got none, is there."""
    mended = mend(work.root, folders(work.user)[1], work.branch)
    if mended is None and os.path.lexists(os.path.join(work.root, ".git")):
        return "" if work.place.start == empty_tree(work.user) else None
    return mended


def _ignored(work: Work, saved: Saved) -> tuple[str, ...]:
    """What git ignores in a worktree of the job's own; not what aq put there."""
    put = set(equipment.placed(work.root)) if saved.content.ignored else set()
    return tuple(path for path in saved.content.ignored if path.rstrip("/") not in put)


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
    saved = snapshot(git, ref=snapshots_ref(branch), branch=f"refs/heads/{branch}", message=message, since=work.base)
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
        return with_undone(work, before, Kept(facts={}, changed=None))
    git = Git(work.root, work.keep_open)
    git = replace(git, settings=as_before(before, filters(git))[0])
    message = f"aq snapshot: {work.job} {AFTER_VERIFY}"
    ref = f"refs/heads/{work.branch}"
    saved = snapshot(git, ref=snapshots_ref(work.branch), branch=ref, message=message, since=commit)
    rows = git.read("diff-tree", "-r", "-z", "--name-only", commit, saved.content.tree).split(b"\0")
    paths = tuple(os.fsdecode(path) for path in rows if path)
    return with_undone(work, before, Kept(facts={}, changed=bool(paths), named={"verify_changed": paths}))


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
    folder, common = folders(git)
    flush_objects(common, [commit])
    if commit != tip:
        git.run("update-ref", "--no-deref", "-m", "aq: salvaged", ref, commit, tip or "0" * len(commit))
    flush_ref(common, ref)
    tree = git.run("rev-parse", f"{commit}^{{tree}}")
    with comparing(git, folder, work.base, tree) as compared:
        saved = Saved(commit=commit, content=Content(tree=tree), new=commit != tip, counts=compared().counts)
    return Kept(
        facts={**_facts(work, saved), "wip_lost": True}, changed=tree != work.place.start,
        note=f"its worktree {work.root} is gone: {told}",
    )  # fmt: skip


def _facts(work: Work, saved: Saved) -> dict[str, object]:
    """What goes to the journal; None takes back what an earlier run's counts were, where git could not count."""
    files, added, deleted = astuple(saved.counts) if saved.counts else (None, None, None)
    return {
        "wip_branch": work.branch, "wip_base": work.base, "wip_commit": saved.commit,
        "files_changed": files, "lines_added": added, "lines_deleted": deleted,
    }  # fmt: skip


def _beside(work: Work, left: tuple[str, ...], missed: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Copy what no commit should hold into the run's folder; what was kept, and what only lies in the worktree."""
    run_folder = work.place.run_folder
    if not left or run_folder is None:
        return {"left_out": left, "not_saved": missed}
    above, number = os.path.split(run_folder)
    runs = [os.path.join(above, str(run)) for run in range(1, int(number))] if number.isdecimal() else []
    alone = left_out.keep(work.root, left, run_folder, left_out.latest(runs))
    return {"left_out": tuple(path for path in left if path not in alone), "not_saved": (*alone, *missed)}
