"""Where a job works: a git worktree of its own, at the same path for every run, or the folder itself."""

import os
from contextlib import suppress

from agent_queue.core.choices import Workspace
from agent_queue.core.errors import AqError
from agent_queue.core.history import History
from agent_queue.core.job import JobId, snapshots_ref, wip_branch
from agent_queue.core.manifest import Manifest
from agent_queue.ports import Kept, Lock, Place, Plan
from agent_queue.system.attach import WorkspaceError, alone, attach, common, refuse_if_elsewhere
from agent_queue.system.checkpoint import checkpoint, present, snapshot
from agent_queue.system.difference import Difference, Form, difference, summary
from agent_queue.system.git import Git, GitError, repository


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
            with alone(user):
                refuse_if_elsewhere(user, f"refs/heads/{branch}", "")
            start = present(user)
            return Place(cwd=plan.cwd, root=plan.repository, branch=branch, base=base, start=start)
        path = os.path.join(self._folder, job)
        attach(user, path, branch, base)
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
        missed = saved.content.missed
        note = f"not saved: {'; '.join(missed)}" if missed else ""
        return Kept(facts=facts, changed=saved.content.tree != place.start, note=note)

    def beat(self, job: JobId, place: Place) -> None:
        """Save what lies there while an agent works in it, beside the branch.

        Raises:
            GitError: git refused; the files are where they were.
        """
        if place.root is not None and place.branch is not None:
            message = f"aq snapshot: {job}"
            snapshot(Git(place.root), ref=snapshots_ref(place.branch), branch=place.branch, message=message)

    def summary(self, place: Place) -> str:
        """Told from trees that git holds: no file of the workspace is read, and so no filter runs."""
        if place.root is None or place.base is None or place.start is None:
            return ""
        return summary(place.root, place.base, place.start)

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
        user = Git(common(here))
        with alone(user):
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


def _set_aside(user: Git, job: JobId, branch: str, run: int) -> None:
    """Keep the branch of earlier runs under another name; the job begins again at its base."""
    tip = user.ask("rev-parse", "-q", "--verify", f"refs/heads/{branch}")
    if tip is None:
        return
    with suppress(GitError):  # a second try after a crash finds the name taken, by the same commit
        user.run("update-ref", f"refs/heads/aq/old/{job}/{run}", tip, "0" * len(tip))
    user.run("update-ref", "-d", f"refs/heads/{branch}", tip)
