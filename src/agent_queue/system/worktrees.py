"""Where a job works: a git worktree of its own, at the same path for every run, or the folder itself."""

import os
from collections.abc import Sequence
from dataclasses import replace

from agent_queue.core.choices import Workspace
from agent_queue.core.errors import AqError
from agent_queue.core.history import History
from agent_queue.core.job import JobId
from agent_queue.core.manifest import Manifest
from agent_queue.core.run import with_settings
from agent_queue.core.settings import NOTHING_WANTED, WorkspaceSettings
from agent_queue.ports import Kept, Lock, Place, Plan
from agent_queue.system import closing, equipment, keeping
from agent_queue.system.aftermath import Work
from agent_queue.system.artifacts import find
from agent_queue.system.attach import alone, common
from agent_queue.system.difference import Difference, Form, difference, summary
from agent_queue.system.files import Disk
from agent_queue.system.git import Git, bare, own_exclude, repository
from agent_queue.system.layout import Layout
from agent_queue.system.opening import Opening, opened
from agent_queue.system.scope import outside


class MachineWorkspaces:
    """Satisfies `ports.Workspaces`, below one queue's root; `wanted` is what people set for worktrees."""

    def __init__(self, layout: Layout, disk: Disk, wanted: WorkspaceSettings = NOTHING_WANTED) -> None:
        self._layout = layout
        self._folder = os.path.realpath(layout.work)  # as git spells it
        self._disk = disk
        self._wanted = wanted
        self._refs = wanted.refs

    def plan(self, manifest: Manifest) -> Plan:
        """Look where a job will work, without starting a process."""
        if manifest.cwd is None:
            return Plan(cwd="", problem="no cwd; add `cwd: PATH` to its frontmatter or to [defaults] in config.toml")
        cwd = os.path.abspath(os.path.expanduser(manifest.cwd))
        if not os.path.isdir(cwd):
            return Plan(cwd=cwd, problem=f"its cwd {cwd} is {'no folder' if os.path.exists(cwd) else 'not there'}")
        top = repository(cwd)
        if top is None and bare(cwd):
            hint = "make a checkout of it, and give that"
            return Plan(cwd=cwd, problem=f"its cwd {cwd} is a bare repository, where nobody can work; {hint}")
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
        place = opened(
            Opening(
                job=job, plan=plan, repository=plan.repository, past=past, manifest=manifest,
                keep_open=lock.filenos(), layout=self._layout, disk=self._disk, refs=self._refs,
            )
        )  # fmt: skip
        if not plan.worktree or place.root is None:
            return place
        setup = equipment.equip(place.root, plan.repository, self._wanted, lock.filenos())
        exclude = [(key, value) for key, _, value in (flag.partition("=") for flag in own_exclude(place.root))]
        return replace(place, setup=setup, env=with_settings(place.env, exclude) if exclude else place.env)

    def ready(self, place: Place, lock: Lock) -> None:
        """Note that the setup ran well, and leave what it made out of commits."""
        if place.root is not None:
            equipment.ready(place.root, place.setup, lock.filenos())

    def keep(self, job: JobId, place: Place, why: str, lock: Lock) -> Kept:
        """Commit what is there to the job's branch.

        Raises:
            GitError: git refused; the files are where they were.
        """
        work = self._work(job, place, lock)
        return keeping.keep(work, why) if work else Kept(facts={}, changed=None, note=keeping.NOTHING)

    def after_verify(self, job: JobId, place: Place, commit: str, lock: Lock) -> Kept:
        """Save beside the branch what a verify changed of `commit`, and name it.

        Raises:
            GitError: git refused; the files are where they were.
        """
        work = self._work(job, place, lock)
        return keeping.after_verify(work, commit) if work and commit else Kept(facts={}, changed=None)

    def beat(self, job: JobId, place: Place) -> None:
        """Save what lies there while an agent works in it, beside the branch.

        Raises:
            GitError: git refused; the files are where they were.
        """
        work = self._work(job, place, None)
        if work is not None:
            keeping.beat(work)

    def _work(self, job: JobId, place: Place, lock: Lock | None) -> Work | None:
        if place.root is None or place.branch is None or place.base is None:
            return None
        return Work(
            job=job, place=place, root=place.root, branch=place.branch, base=place.base,
            own=os.path.dirname(place.root) == self._folder, keep_open=lock.filenos() if lock else (), refs=self._refs,
            disk=self._disk,
        )  # fmt: skip

    def outside(self, place: Place, commit: str, globs: Sequence[str]) -> list[str]:
        """In-place only this run's own changes are told from those of the person, who works there too."""
        if place.root is None or place.base is None or place.start is None:
            return []
        own = os.path.dirname(place.root) == self._folder
        return outside(Git(place.root), place.base if own else place.start, commit, globs)

    def artifacts(self, place: Place, globs: Sequence[str]) -> list[tuple[str, str]]:
        return find(place.cwd, globs)

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
        here, branch = Git(path), str(past.state.get("wip_branch"))
        if not os.path.lexists(os.path.join(path, ".git")) or here.ask("rev-parse", "--git-dir") is None:
            return f"{path} is no worktree any more; look at it, then remove it by hand"
        runs = [self._layout.run(job, run) for run in range(1, past.run + 1)]
        if left := closing.unsaved(here, job, branch, runs, self._disk):
            return left
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
            hint = f"`aq show {job}` says how it stands"
            raise AqError(f"{job} {past.why_no_branch}: there is no branch to compare", hint=hint)
        path = os.path.join(self._folder, job)
        worktree = path if os.path.isdir(path) else ""
        if not tip and not (live and worktree):
            raise AqError(f"{job} has saved nothing on its branch yet", hint=f"`aq show {job}` says how it stands")
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
