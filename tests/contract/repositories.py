"""Git repositories of a person, and one job's life in a workspace of it."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent_queue.core.history import History
from agent_queue.core.job import JobId
from agent_queue.core.manifest import Manifest
from agent_queue.core.run import Kept, Place
from agent_queue.core.settings import WorkspaceSettings
from agent_queue.system import locks
from agent_queue.system.files import Disk
from agent_queue.system.git import Git
from agent_queue.system.layout import Layout
from agent_queue.system.worktrees import MachineWorkspaces

JOB = JobId("20260301-1200__fix-login")
BRANCH = f"aq/wip/{JOB}"
SNAPSHOTS = f"refs/aq/snapshots/{JOB}"


class Repository:
    """A person's repository, used the way a person does: with their own configuration and hooks."""

    def __init__(self, path: Path, *, commit: bool = True, form: str = "sha1") -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main", f"--object-format={form}")
        for key, value in (("user.name", "A Person"), ("user.email", "person@example.org"), ("gc.auto", "0")):
            self.git("config", key, value)
        if commit:
            self.commit("first", {"README.md": "hello\n", "src/main.py": "print(1)\n", ".gitignore": "*.log\nbuild/\n"})

    def git(self, *words: str, cwd: Path | str | None = None) -> str:
        done = subprocess.run(
            ["git", *words], cwd=cwd or self.path, capture_output=True, text=True, errors="surrogateescape", check=False
        )
        assert done.returncode == 0, f"git {' '.join(words)}: {done.stderr}"
        return done.stdout.removesuffix("\n")

    def ok(self, *words: str) -> bool:
        return subprocess.run(["git", *words], cwd=self.path, capture_output=True, check=False).returncode == 0

    def write(self, files: dict[str, str | bytes], at: Path | str | None = None) -> None:
        for name, text in files.items():
            path = Path(at or self.path) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def commit(self, message: str, files: dict[str, str | bytes]) -> str:
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "--quiet", "-m", message)
        return self.git("rev-parse", "HEAD")

    def files(self, commit: str) -> dict[str, str]:
        """What a commit holds, text by path."""
        names = self.git("ls-tree", "-r", "-z", "--name-only", commit).split("\0")
        return {name: self.git("show", f"{commit}:{name}") for name in names if name}

    def parents(self, commit: str) -> list[str]:
        return self.git("rev-list", "--parents", "-n1", commit).split()[1:]

    def state(self) -> dict[str, object]:
        """All that a person has here and aq must not touch, to the byte: checkout, index, HEAD, refs, configuration."""
        top = self.path
        checkout = {
            str(path.relative_to(top)): (
                os.readlink(path) if path.is_symlink() else path.read_bytes(),
                path.lstat().st_mode,
            )
            for path in sorted(top.rglob("*"))
            if ".git" not in path.relative_to(top).parts and not (path.is_dir() and not path.is_symlink())
        }
        own = {name: (top / ".git" / name).read_bytes() for name in ("index", "HEAD", "config", "info/exclude")
               if (top / ".git" / name).exists()}  # fmt: skip
        refs = [
            row
            for row in self.git("for-each-ref").splitlines()
            if "\trefs/heads/aq/" not in row and "\trefs/aq/" not in row
        ]
        loose = sorted(
            name for name in os.listdir(top / ".git") if name not in ("objects", "worktrees", "refs", "logs")
        )
        index = (top / ".git/index").stat() if (top / ".git/index").exists() else None
        return {"checkout": checkout, "own": own, "refs": refs, "names": loose,
                "index": index and (index.st_mtime_ns, index.st_ino)}  # fmt: skip


class Life:
    """One job in its workspace: what its journal says grows with what the workspace tells, as in the story."""

    def __init__(
        self, tmp: Path, cwd: Path, job: JobId = JOB, refs: tuple[str, ...] = (),
        wanted: WorkspaceSettings | None = None, **manifest: Any,
    ) -> None:  # fmt: skip
        layout = Layout(str(tmp))
        self.work = tmp / "work"
        for folder in (layout.work, layout.scratch):
            Path(folder).mkdir(parents=True, exist_ok=True)
        self.workspaces = MachineWorkspaces(layout, Disk(layout.scratch), wanted or WorkspaceSettings(refs=refs))
        self.job = job
        self.cwd = cwd
        self.manifest = Manifest(cwd=str(cwd), **manifest)
        self.past = History(run=0)
        self._locks = tmp / "locks"
        self._locks.mkdir(exist_ok=True)

    @property
    def root(self) -> Path:
        return self.work / self.job

    def open(self, *, fresh: bool = False, **manifest: Any) -> Place:
        """The beginning of the next run."""
        self.manifest = replace(self.manifest, **manifest)
        self.past = replace(self.past, run=self.past.run + 1, fresh=fresh)
        lock = locks.take([str(self._locks / self.job)], wait=True)
        assert lock is not None
        try:
            plan = self.workspaces.plan(self.manifest)
            assert plan.problem == ""
            place = self.workspaces.open(self.job, plan, self.past, lock, self.manifest)
        finally:
            lock.close()
        told = {"wip_branch": place.branch, "wip_base": place.base} if place.branch else {}
        self.past = replace(self.past, fresh=False, state={**self.past.state, **told})
        return place

    def beat(self, place: Place) -> str:
        """What a supervisor does now and then while the agent works; the commit that it made, or made before."""
        self.workspaces.beat(self.job, place)
        found = Git(str(self.cwd)).ask("rev-parse", "-q", "--verify", SNAPSHOTS)
        return found or ""

    def keep(self, place: Place, why: str = "exit code 0") -> Kept:
        """The end of a run."""
        lock = locks.take([str(self._locks / self.job)], wait=True)
        assert lock is not None
        try:
            kept = self.workspaces.keep(self.job, place, why, lock)
        finally:
            lock.close()
        self.past = replace(self.past, state={**self.past.state, **kept.facts})
        return kept

    def close(self) -> str:
        return self.workspaces.close(self.job, self.past)
