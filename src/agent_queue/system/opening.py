"""Making a workspace ready for a run: branch and worktree as they were left, whatever happened to them since."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from agent_queue.core.history import History
from agent_queue.core.job import JobId, snapshots_ref, wip_branch
from agent_queue.core.manifest import Manifest
from agent_queue.core.run import Place, Plan
from agent_queue.system import guard, left_out, nested, nested_copies
from agent_queue.system.attach import Wanted, WorkspaceError, alone, attach, refuse_if_elsewhere
from agent_queue.system.before import Before, filters, look, look_inside, read, written
from agent_queue.system.checkpoint import LAST_LIMIT_S, checkpoint, ends_of, folders, known, look_at, snapshot
from agent_queue.system.content import Content
from agent_queue.system.files import Disk
from agent_queue.system.filters import as_before
from agent_queue.system.git import Git, GitError
from agent_queue.system.inner import Outer, there
from agent_queue.system.layout import Layout
from agent_queue.system.mend import holds_work, mend
from agent_queue.system.onto import merged
from agent_queue.system.uncommitted import beginning

HOOKS = "hooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A workspace to be made. `refs` are patterns of refs that its agent may move besides its branch."""

    job: JobId
    plan: Plan
    repository: str
    past: History
    manifest: Manifest
    keep_open: tuple[int, ...]
    layout: Layout
    disk: Disk
    refs: tuple[str, ...]

    @property
    def path(self) -> str:
        return os.path.join(os.path.realpath(self.layout.work), self.job)

    @property
    def branch(self) -> str:
        return wip_branch(self.job, self.past.life)


def opened(want: Opening) -> Place:
    """Make the workspace ready: the branch is there, the worktree on it, what earlier runs left lies in it.

    Raises:
        WorkspaceError, GitError: it cannot be; nothing of the user's was changed.
    """
    user = Git(want.repository, want.keep_open)
    if known(user, "HEAD^{commit}") == [None]:
        raise WorkspaceError(f"{want.repository} has no commit yet; a branch needs one to start from")
    common = folders(user)[1]
    run_folder, earlier = want.layout.run(want.job, want.past.run), _earlier(want)
    before = look(user, common, earlier, time.time())
    user = replace(user, settings=as_before(before, filters(user))[0])
    if want.past.fresh:
        _set_aside(want, user, common)
    base, (lost, told) = _base(want, user), _found(want, user)
    place, inside = _worktree(want, user, base) if want.plan.worktree else _in_place(want, user, base)
    (tip,) = known(user, f"refs/heads/{want.branch}")
    before = look_inside(replace(before, tip=tip or ""), earlier, there(place.root or "", inside))
    written(before, run_folder, want.disk)
    hooks = os.path.join(want.layout.own, HOOKS)
    guard.install(hooks, want.disk)
    worktree = folders(Git(want.path))[0] if want.plan.worktree else None
    env = guard.environment(hooks, branch=want.branch, refs=want.refs, repository=common, worktree=worktree)
    lost = (*lost, *place.lost)
    note = "; ".join((*lost, *filter(None, (told, place.note))))
    return replace(place, repository=want.repository, run_folder=run_folder, env=env, note=note, lost=lost)


def _earlier(want: Opening) -> Before | None:
    """What was known before the last run that came as far as its workspace: this one, when a person goes on with it."""
    runs = (read(want.layout.run(want.job, run)) for run in range(want.past.run, 0, -1))
    return next(filter(None, runs), None)


def _in_place(want: Opening, user: Git, base: str) -> tuple[Place, Sequence[str]]:
    """What the person has not committed is saved too: an agent here can throw it away before the first beat."""
    with alone(user):
        refuse_if_elsewhere(user, f"refs/heads/{want.branch}", "")
    top = user.run("rev-parse", "--show-toplevel")
    if os.path.realpath(top) != user.folder:
        hint = "give the job that folder as its cwd, if it is in the repository, or leave out workspace: in-place"
        raise WorkspaceError(f"core.worktree says that the files of {user.folder} lie in {top}", hint=hint)
    ref, message = snapshots_ref(want.branch), f"aq snapshot: {want.job} (before run {want.past.run})"
    found = snapshot(user, ref=ref, branch="HEAD", message=message, limit_s=LAST_LIMIT_S).content
    place = Place(cwd=want.plan.cwd, root=want.repository, branch=want.branch, base=base, start=found.tree)
    return place, found.nested


def _worktree(want: Opening, user: Git, base: str) -> tuple[Place, Sequence[str]]:
    past = want.past
    begun = bool(past.state.get("wip_branch")) and not past.fresh
    last = past.state.get("wip_commit") if begun else None
    unseen: tuple[str, ...] = ()
    if last and known(user, f"{last}^{{commit}}") != [None]:
        tip = last
    else:
        tip, unseen = beginning(user, want.job, base, want.manifest.dirty)
    wanted = Wanted(path=want.path, branch=want.branch, tip=tip, begun=begun, afresh=past.fresh)
    gone = begun and not holds_work(want.path)
    mended = attach(user, wanted)
    inner = os.path.join(want.path, os.path.relpath(os.path.realpath(want.plan.cwd), want.repository))
    cwd = os.path.normpath(inner)
    if not os.path.isdir(cwd):
        raise WorkspaceError(f"{want.plan.cwd} is not part of {base[:12]}; commit it first, or use workspace: in-place")
    lost = _put_back(want) if gone else ()
    here = Git(want.path, user.keep_open, settings=user.settings)
    if past.fresh:
        nested.removed(_outer(want, want.layout.run(want.job, past.run - 1)), look_at(here).nested)
    found = look_at(here) if begun else Content(tree=here.run("rev-parse", "HEAD^{tree}"))
    return Place(
        cwd=cwd, root=want.path, branch=want.branch, base=base, start=found.tree, note=mended, unseen=unseen, lost=lost
    ), found.nested


def _put_back(want: Opening) -> tuple[str, ...]:
    """What earlier runs kept beside the branch comes back into a worktree that was made anew."""
    runs = [want.layout.run(want.job, run) for run in range(1, want.past.run + 1)]
    inside = nested_copies.latest(runs)
    lost = nested_copies.put_back(_outer(want, inside)) if inside else ()
    latest = left_out.latest(runs)
    if latest is not None:
        lost += tuple(f"{path}, which is kept at {kept}" for path, kept in left_out.put_back(want.path, latest))
    return lost


def _outer(want: Opening, run_folder: str) -> Outer:
    return Outer(
        root=want.path, job=want.job, branch=want.branch, own=True, run_folder=run_folder, before=read(run_folder),
        disk=want.disk, keep_open=want.keep_open,
    )  # fmt: skip


def _base(want: Opening, user: Git) -> str:
    start = want.past.state.get("wip_base")
    if start and not want.past.fresh and known(user, f"{start}^{{commit}}") != [None]:
        return str(start)
    if want.plan.onto:
        return merged(user, want.plan.onto)
    wanted = "HEAD" if want.manifest.base in (None, "deps") else want.manifest.base
    found = user.ask("rev-parse", "-q", "--verify", f"{wanted}^{{commit}}")
    if found is None:
        raise WorkspaceError(f"base: {wanted} is no commit of {user.folder}")
    return found


def _found(want: Opening, user: Git) -> tuple[tuple[str, ...], str]:
    """What of the last run's work is lost, and what else happened to the branch since.

    What it does not hold any more is kept under another name.
    """
    last, ref = want.past.state.get("wip_commit"), f"refs/heads/{want.branch}"
    if not last or want.past.fresh:
        return (), ""
    tip, there = known(user, ref, f"{last}^{{commit}}")
    if there is None:
        return (f"the work of its last run, {last[:12]}, is not in {user.folder} any more",), ""
    if tip is None:
        return (), f"{want.branch} was gone and is back at {last[:12]}"
    if tip == last or user.ask("merge-base", "--is-ancestor", last, tip) is not None:
        return (), ""
    kept = f"refs/aq/rescued/{want.job}/{last[:12]}"
    user.run("update-ref", kept, last)
    return (), f"{want.branch} was moved to {tip[:12]}, which does not hold its last work: that is kept at {kept}"


def _set_aside(want: Opening, user: Git, common: str) -> None:
    """Keep the branch of earlier runs under another name; the job begins again at its base."""
    ref, run = f"refs/heads/{want.branch}", want.past.run - 1
    (tip,) = known(user, ref)
    if tip is None:
        return
    if want.plan.worktree and mend(want.path, common, want.branch) is not None:
        with suppress(GitError):  # a worktree that cannot be saved is begun afresh all the same: a person asked for it
            here = Git(want.path, user.keep_open, settings=user.settings)
            message = f"aq wip: {want.job} (before a fresh start)"
            ends = ends_of(here, want.branch, tip)
            saved = checkpoint(here, ends, branch=want.branch, base=tip, message=message, own_worktree=True)
            nested.save(_outer(want, want.layout.run(want.job, run)), saved.content.nested, message)
            tip = saved.commit
    with suppress(GitError):  # a second try after a crash finds the name taken, by the same commit
        user.run("update-ref", f"refs/heads/aq/old/{want.job}/{run}", tip, "0" * len(tip))
    user.run("update-ref", "-d", ref, tip)
