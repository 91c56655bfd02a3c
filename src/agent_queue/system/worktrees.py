"""Where a job works: a git worktree of its own, at the same path for every run, or the folder itself."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from agent_queue.core.errors import AqError, BusyError
from agent_queue.core.history import History
from agent_queue.core.job import JobId, wip_branch
from agent_queue.core.manifest import Manifest, Workspace
from agent_queue.ports import Kept, Lock, Place, Plan
from agent_queue.system.checkpoint import checkpoint, present, remove_locks
from agent_queue.system.difference import Difference, Form, difference
from agent_queue.system.git import Git, GitError, repository


class WorkspaceError(AqError):
    """The workspace cannot be made; the text says why."""


class WorkspaceBusyError(BusyError):
    """It cannot be made now, and a person can change that without touching the job."""


class MachineWorkspaces:
    """Satisfies `ports.Workspaces`. `folder` holds one worktree per job."""

    def __init__(self, folder: str) -> None:
        self._folder = os.path.realpath(folder)  # as git spells it

    def plan(self, manifest: Manifest) -> Plan:
        """Look where a job will work, without starting a process."""
        if manifest.cwd is None:
            return Plan(cwd="", problem="no cwd; add `cwd: PATH` to its frontmatter or to [defaults] in config.toml")
        cwd = os.path.abspath(os.path.expanduser(manifest.cwd))
        if not os.path.isdir(cwd):
            return Plan(cwd=cwd, problem=f"its cwd {cwd} is not there")
        top = repository(cwd)
        if top is None and manifest.workspace is Workspace.WORKTREE:
            return Plan(cwd=cwd, problem=f"workspace: worktree, and {cwd} is not in a git repository")
        return Plan(cwd=cwd, repository=top, worktree=top is not None and manifest.workspace is not Workspace.IN_PLACE)

    def open(self, job: JobId, plan: Plan, past: History, lock: Lock, manifest: Manifest) -> Place:
        """Make the workspace ready: the branch is there, the worktree on it, what earlier runs left lies in it.

        Raises:
            WorkspaceError, GitError: it cannot be; nothing of the user's was changed.
        """
        if plan.repository is None:
            return Place(cwd=plan.cwd)
        user = Git(plan.repository, lock.filenos())
        if user.ask("rev-parse", "-q", "--verify", "HEAD^{commit}") is None:
            raise WorkspaceError(f"{plan.repository} has no commit yet; a branch needs one to start from")
        branch = wip_branch(job, past.life)
        if past.fresh:
            _set_aside(user, job, branch, past.run - 1)
        base = self._base(user, past, manifest, branch)
        if not plan.worktree:
            with _alone(user):
                _refuse_if_elsewhere(user, f"refs/heads/{branch}", "")
            start = present(user)
            return Place(cwd=plan.cwd, root=plan.repository, branch=branch, base=base, start=start)
        path = os.path.join(self._folder, job)
        self._attach(user, path, branch, base)
        inner = os.path.join(path, os.path.relpath(os.path.realpath(plan.cwd), plan.repository))
        cwd = os.path.normpath(inner)
        if not os.path.isdir(cwd):
            raise WorkspaceError(f"{plan.cwd} is not part of {base[:12]}; commit it first, or use workspace: in-place")
        here = Git(path, lock.filenos())
        return Place(cwd=cwd, root=path, branch=branch, base=base, start=here.run("rev-parse", "HEAD^{tree}"))

    def keep(self, job: JobId, place: Place, why: str, lock: Lock) -> Kept:
        """Commit what is there to the job's branch.

        Raises:
            GitError: git refused; the files are where they were.
        """
        if place.root is None or place.branch is None or place.base is None:
            return Kept(facts={}, changed=None, note="wip: cwd not a git repo")
        own = os.path.dirname(place.root) == self._folder
        git = Git(place.root, lock.filenos())
        message = f"aq wip: {job} ({why})"
        saved = checkpoint(git, branch=place.branch, base=place.base, message=message, own_worktree=own)
        facts = {
            "wip_branch": place.branch, "wip_base": place.base, "wip_commit": saved.commit,
            "files_changed": saved.files_changed, "lines_added": saved.lines_added,
            "lines_deleted": saved.lines_deleted,
        }  # fmt: skip
        note = f"not saved: {'; '.join(saved.missed)}" if saved.missed else ""
        return Kept(facts=facts, changed=saved.tree != place.start, note=note)

    def close(self, job: JobId, past: History) -> str:
        """Remove the worktree when its every tracked and untracked file is on the branch; else say why it stays."""
        path = os.path.join(self._folder, job)
        if not os.path.isdir(path):
            return ""
        here = Git(path)
        status = here.ask("status", "--porcelain", "--untracked-files=all")
        branch, head = past.state.get("wip_branch"), here.ask("symbolic-ref", "-q", "HEAD")
        if status is None:
            return f"{path} is no worktree any more; look at it, then remove it by hand"
        if status or head != f"refs/heads/{branch}":
            return f"{path} holds work that is not on {branch}; `aq requeue` it or commit it there"
        user = Git(_common(here))
        with _alone(user):
            user.ask("worktree", "unlock", path)
            user.run("worktree", "remove", "--force", path)
        return ""

    def diff(
        self, job: JobId, past: History, cwd: str | None, *, live: bool, patch: bool, colour: bool, columns: int
    ) -> Difference:
        """What the job changed: its worktree as it is now (`live`, while it runs in one), else its last commit.

        Raises:
            AqError: there is nothing to compare, and why.
        """
        base, tip = past.state.get("wip_base"), past.state.get("wip_commit") or ""
        if not base:
            why = "worked outside of git: there is no branch to compare" if past.run else "has not run yet"
            raise AqError(f"{job} {why}", hint="`aq show` has its folders" if past.run else "`aq status` says why")
        path = os.path.join(self._folder, job)
        worktree = path if os.path.isdir(path) else ""
        if not tip and not (live and worktree):
            raise AqError(f"{job} has saved nothing on its branch yet", hint="`aq show` says how it stands")
        folder = worktree or (repository(os.path.expanduser(cwd)) if cwd else None)
        if folder is None:
            raise AqError(f"the repository of {job} is gone: {cwd}")
        form = Form(patch=patch, colour=colour, columns=columns)
        return difference(folder, worktree, base, "" if live and worktree else tip, form)

    def drop_merged(self, repository: str, past: History) -> str:
        """Delete the job's branch by compare-and-set, when HEAD of the repository holds its every commit."""
        branch, git = past.state.get("wip_branch"), Git(repository)
        tip = git.ask("rev-parse", "-q", "--verify", f"refs/heads/{branch}") if branch else None
        if tip is None or git.ask("merge-base", "--is-ancestor", tip, "HEAD") is None:
            return ""
        return str(branch) if git.ask("update-ref", "-d", f"refs/heads/{branch}", tip) is not None else ""

    def _base(self, user: Git, past: History, manifest: Manifest, branch: str) -> str:
        known = past.state.get("wip_base")
        if known and not past.fresh and user.ask("rev-parse", "-q", "--verify", f"refs/heads/{branch}"):
            return str(known)
        wanted = manifest.base or "HEAD"
        found = user.ask("rev-parse", "-q", "--verify", f"{wanted}^{{commit}}")
        if found is None:
            raise WorkspaceError(f"base: {wanted} is no commit of {user.folder}")
        return found

    def _attach(self, user: Git, path: str, branch: str, base: str) -> None:
        """Have a worktree at `path` with HEAD on `branch`, its files as they are there or as the last run left them."""
        ref = f"refs/heads/{branch}"
        here = Git(path, user.keep_open)
        if os.path.isdir(path) and here.ask("rev-parse", "--is-inside-work-tree") == "true" and _top(here) == path:
            folder = here.run("rev-parse", "--absolute-git-dir")
            remove_locks(folder, ref, own_worktree=True)
            if here.ask("symbolic-ref", "-q", "HEAD") != ref or here.ask("rev-parse", "-q", "--verify", ref) is None:
                self._switch(user, here, branch, base)
            else:
                _bring_in_line(here, folder)
            return
        _remove_unfinished(path)
        if os.path.lexists(path):
            raise WorkspaceError(f"{path} is in the way and is no worktree; look at it, then remove it")
        exists = user.ask("rev-parse", "-q", "--verify", ref) is not None
        target = (path, branch) if exists else ("-b", branch, path, base)
        lock = ("--lock", "--reason", "an agent-queue job works here")
        with _alone(user):
            _refuse_if_elsewhere(user, ref, path)
            user.run("worktree", "prune", "--expire", "now")
            user.run("worktree", "add", "--quiet", "--no-checkout", "--force", "--force", *lock, *target)
        _bring_in_line(here, here.run("rev-parse", "--absolute-git-dir"))

    def _switch(self, user: Git, here: Git, branch: str, base: str) -> None:
        """The agent left HEAD elsewhere: everything there is on the branch by now, so only HEAD and index go back."""
        if user.ask("rev-parse", "-q", "--verify", f"refs/heads/{branch}") is None:
            user.run("update-ref", f"refs/heads/{branch}", base, "0" * len(base))
        here.run("symbolic-ref", "HEAD", f"refs/heads/{branch}")
        here.run("read-tree", "--reset", "-u", "HEAD", limit_s=600)


@contextmanager
def _alone(user: Git) -> Iterator[None]:
    """Be the only one of ours at the worktrees of a repository: git fails over a record that is just being made.

    Jobs of one repository start at once, beside each other and in other queues. The lock is on git's own folder, so
    that no file of ours is left in it; the slow filling of a worktree comes after it.
    """
    number = os.open(_common(user), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


def _remove_unfinished(path: str) -> None:
    """Remove what a killed `worktree add` leaves: a folder that holds nothing, or only the link to git's own."""
    with suppress(OSError):
        if os.listdir(path) == [".git"]:
            os.unlink(os.path.join(path, ".git"))
        os.rmdir(path)


def _common(git: Git) -> str:
    return git.run("rev-parse", "--path-format=absolute", "--git-common-dir")


def _bring_in_line(here: Git, folder: str) -> None:
    """Mend what a death in the middle left: a checkout cut short, or an index that did not follow its branch."""
    if not os.path.exists(os.path.join(folder, "index")):
        here.run("read-tree", "--reset", "-u", "HEAD", limit_s=600)
    elif here.ask("diff-index", "--cached", "--quiet", "HEAD", "--") is None:
        here.run("read-tree", "HEAD")  # the index alone: what lies in the files is the job's work


def _refuse_if_elsewhere(user: Git, ref: str, path: str) -> None:
    """A person who has the job's branch checked out keeps it."""
    where = ""
    for row in user.run("worktree", "list", "--porcelain").splitlines():
        if row.startswith("worktree "):
            where = row.removeprefix("worktree ")
        elif row == f"branch {ref}" and where != path:
            name = ref.removeprefix("refs/heads/")
            raise WorkspaceBusyError(f"{name} is checked out at {where}; switch that to another branch")


def _top(git: Git) -> str | None:
    return git.ask("rev-parse", "--show-toplevel")


def _set_aside(user: Git, job: JobId, branch: str, run: int) -> None:
    """Keep the branch of earlier runs under another name; the job begins again at its base."""
    tip = user.ask("rev-parse", "-q", "--verify", f"refs/heads/{branch}")
    if tip is None:
        return
    with suppress(GitError):  # a second try after a crash finds the name taken, by the same commit
        user.run("update-ref", f"refs/heads/aq/old/{job}/{run}", tip, "0" * len(tip))
    user.run("update-ref", "-d", f"refs/heads/{branch}", tip)
