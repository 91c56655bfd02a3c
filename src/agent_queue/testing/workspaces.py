"""Work trees and branches in memory, with the ways of git that the story relies on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from hashlib import sha1

from agent_queue.core.choices import Workspace
from agent_queue.core.errors import AqError
from agent_queue.core.history import History
from agent_queue.core.job import JobId, wip_branch
from agent_queue.core.manifest import Manifest
from agent_queue.core.run import Kept, Place, Plan
from agent_queue.ports import Lock
from agent_queue.testing.machine import Machine

Tree = dict[str, bytes]


@dataclass(slots=True)
class FakeWorkspaces:
    """Satisfies `ports.Workspaces`. `repositories` and `folders` are the places that are there, by path.

    `trees` holds what lies in each work tree, to be changed by whoever plays the agent; `branches` the commits of
    each branch, the tip last. `refusals` says what `open`, `keep` or `close` cannot do, by its name.
    """

    machine: Machine
    repositories: dict[str, Tree] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    trees: dict[str, Tree] = field(default_factory=dict)
    branches: dict[str, list[Tree]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    refusals: dict[str, AqError | OSError] = field(default_factory=dict)
    meanwhile: dict[str, Callable[[], object]] = field(default_factory=dict)
    """What happens while `open`, `keep` or `close` is done, by its name: once."""
    takes_s: dict[str, float] = field(default_factory=dict)
    """How long `open`, `keep`, `beat` or `close` takes, by its name."""
    beats: list[tuple[JobId, Tree]] = field(default_factory=list)
    """What was saved while agents worked, in its order."""
    merged: set[str] = field(default_factory=set)
    """Branches that the repository's HEAD holds."""
    setup: tuple[str, ...] = ()
    """What every new worktree has to run first."""
    made_ready: set[str] = field(default_factory=set)
    """The worktrees in which it ran well."""

    def plan(self, manifest: Manifest) -> Plan:
        cwd = manifest.cwd or ""
        repository = next((top for top in self.repositories if f"{cwd}/".startswith(f"{top}/")), None)
        if repository is None and cwd not in self.folders:
            return Plan(cwd=cwd, problem=f"its cwd {cwd} is not there")
        worktree = repository is not None and manifest.workspace is not Workspace.IN_PLACE
        return Plan(cwd=cwd, repository=repository, worktree=worktree)

    def open(self, job: JobId, plan: Plan, past: History, lock: Lock, manifest: Manifest) -> Place:  # noqa: ARG002
        self._refuse("open")
        assert lock.filenos(), "a workspace is made under the job's lock"
        if plan.repository is None:
            return Place(cwd=plan.cwd)
        branch, base = wip_branch(job, past.life), self.repositories[plan.repository]
        if past.fresh and branch in self.branches:
            self.branches[f"aq/old/{job}/{past.run - 1}"] = self.branches.pop(branch)
            self.trees.pop(f"/trees/{job}", None)
        commits = self.branches.setdefault(branch, [dict(base)])
        root = f"/trees/{job}" if plan.worktree else plan.repository
        tree = self.trees.setdefault(root, dict(commits[-1]) if plan.worktree else dict(base))
        cwd = root + plan.cwd.removeprefix(plan.repository)
        setup = self.setup if plan.worktree and root not in self.made_ready else ()
        return Place(cwd=cwd, root=root, branch=branch, base=_name(commits[0]), start=_name(tree), setup=setup)

    def keep(self, job: JobId, place: Place, why: str, lock: Lock) -> Kept:
        self._refuse("keep")
        assert lock.filenos(), "a workspace is saved under the job's lock"
        if place.root is None or place.branch is None:
            return Kept(facts={}, changed=None, note="wip: cwd not a git repo")
        tree, commits = self.trees[place.root], self.branches[place.branch]
        if tree != commits[-1]:
            commits.append(dict(tree))
            self.messages.append(f"aq wip: {job} ({why})")
        base = commits[0]
        changed = {path for path in {*tree, *base} if tree.get(path) != base.get(path)}
        facts = {"wip_branch": place.branch, "wip_base": place.base, "wip_commit": _name(tree),
                 "files_changed": len(changed)}  # fmt: skip
        return Kept(facts=facts, changed=_name(tree) != place.start)

    def beat(self, job: JobId, place: Place) -> None:
        self._refuse("beat")
        assert place.root is not None
        self.beats.append((job, dict(self.trees[place.root])))

    def outside(self, place: Place, commit: str, globs: Sequence[str]) -> list[str]:  # noqa: ARG002 - the tree's own
        tree = self.trees[place.root] if place.root else {}
        base = self.branches[place.branch][0] if place.branch else {}
        changed = sorted(path for path in {*tree, *base} if tree.get(path) != base.get(path))
        return [path for path in changed if not any(fnmatch(path, glob) for glob in globs)]

    def artifacts(self, place: Place, globs: Sequence[str]) -> list[tuple[str, str]]:
        tree = self.trees[place.root] if place.root else {}
        found = [path for path in sorted(tree) if any(fnmatch(path, glob) for glob in globs)]
        for path in found:
            self.machine.store(f"{place.root}/{path}", tree[path])
        return [(path, f"{place.root}/{path}") for path in found]

    def ready(self, place: Place, lock: Lock) -> None:
        assert lock.filenos(), "a workspace is changed under the job's lock"
        assert place.root is not None
        self.made_ready.add(place.root)

    def summary(self, place: Place) -> str:
        tree = self.trees[place.root] if place.root else {}
        base = self.branches[place.branch][0] if place.branch else {}
        return "".join(f" {path} | changed\n" for path in sorted({*tree, *base}) if tree.get(path) != base.get(path))

    def after_verify(self, job: JobId, place: Place, commit: str, lock: Lock) -> Kept:
        self._refuse("after_verify")
        assert lock.filenos(), "a workspace is saved under the job's lock"
        assert place.root is not None
        tree, seen = (
            self.trees[place.root],
            next(old for old in self.branches[place.branch or ""] if _name(old) == commit),
        )
        paths = tuple(sorted(path for path in {*tree, *seen} if tree.get(path) != seen.get(path)))
        if not paths:
            return Kept(facts={}, changed=False)
        self.beats.append((job, dict(tree)))
        return Kept(facts={"verify_changed": len(paths)}, changed=True, named={"verify_changed": paths})

    def close(self, job: JobId, past: History) -> str:
        self._refuse("close")
        tree = self.trees.get(f"/trees/{job}")
        if tree is not None and tree != self.branches[wip_branch(job, past.life)][-1]:
            return f"/trees/{job} holds work that is not on its branch"
        self.trees.pop(f"/trees/{job}", None)
        return ""

    def drop_merged(self, repository: str, past: History) -> str:  # noqa: ARG002 - one repository's branches are all
        branch = str(past.state.get("wip_branch", ""))
        if branch not in self.merged:
            return ""
        del self.branches[branch]
        return branch

    def _refuse(self, deed: str) -> None:
        if deed in self.takes_s:
            self.machine.clock.advance(self.takes_s[deed])
        self.meanwhile.pop(deed, lambda: None)()
        if deed in self.refusals:
            raise self.refusals[deed]


def _name(tree: Tree) -> str:
    """What git calls a tree: a name that says its content."""
    return sha1(repr(sorted(tree.items())).encode(), usedforsecurity=False).hexdigest()
