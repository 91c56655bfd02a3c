"""Harness E: SIGKILL at every call of a checkpoint that changes something; then the next supervisor's work.

    python -m crash.snapshots FOLDER SHAPE COUNT ROUND [COMMAND]

tries COUNT kills, spread over all that there are, in a repository of this SHAPE below FOLDER; prints a tally as JSON.
Another ROUND tries others.
COMMAND: only kills of this command of git's together with its parent, until the first that leaves something wrong.
A git is killed at one of its system calls, by strace, alone or with the process that started it; that process itself
before one of its own changes, or before it starts a git.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from agent_queue.core.choices import Workspace
from agent_queue.core.errors import AqError
from agent_queue.core.history import History
from agent_queue.core.job import JobId
from agent_queue.core.manifest import Manifest
from agent_queue.core.run import Place
from agent_queue.system import locks
from agent_queue.system.files import Disk
from agent_queue.system.layout import Layout
from agent_queue.system.worktrees import MachineWorkspaces

from .repositories import SHAPES, Shape, git
from .tally import Tally

JOB = JobId("killed")
BRANCH = f"aq/wip/{JOB}"
COMMANDS = ("add", "update-index", "write-tree", "commit-tree", "update-ref", "symbolic-ref", "read-tree")
"""What of git changes something in a checkpoint."""
CALLS = ("openat", "write", "fsync", "rename", "link", "unlink", "mkdir", "ftruncate")
OURS = ((os, "replace"), (os, "unlink"), (os, "open"), (os, "link"), (os, "utime"), (shutil, "copyfile"),
        (subprocess, "Popen"))  # fmt: skip
_LINE = re.compile(r"(\d+) +([a-z0-9_]+)\((.*)")
_WRAPPER = """\
#!/bin/sh
case " $* " in
    *" $E_COMMAND "*)
        strace -f -qq $E_TRACE {git} "$@"
        code=$?
        [ -z "$E_BOTH" ] || kill -KILL "$PPID"
        exit "$code" ;;
esac
exec {git} "$@"
"""


class Point(NamedTuple):
    """Where to kill: before the `number`-th `call` of a git command, or, without a command, of our own process."""

    command: str
    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.command or 'aq'} at {self.call} {self.number}"


class Stage:
    """One repository of a shape, with a job whose agent has just ended, to be killed in again and again."""

    def __init__(self, folder: Path, shape: Shape) -> None:
        self.live, self.base, self.shape = folder / "live", folder / "base", shape
        self.repo = self.live / "repo"
        self.root = self.repo if shape.in_place else self.live / "work" / JOB
        self.mark = folder / "mark"
        self.bin = folder / "bin"
        self.bin.mkdir()
        (self.bin / "git").write_text(_WRAPPER.format(git=shutil.which("git")))
        (self.bin / "git").chmod(0o755)
        self.live.mkdir()
        self.repo.mkdir()
        layout = Layout(str(self.live))
        for path in (layout.work, layout.scratch):
            Path(path).mkdir(parents=True)
        shape.make(self.repo)
        self._of_a_person()
        self.workspaces = MachineWorkspaces(layout, Disk(layout.scratch))
        workspace = Workspace.IN_PLACE if shape.in_place else None
        self.manifest = Manifest(cwd=str(self.repo), workspace=workspace)
        self.place = self.open(1)
        shape.change(self.root, 0)
        self.expected = self.added()
        self._plant()
        self.theirs = self.state()
        if not shape.large:
            shutil.copytree(self.live, self.base, symlinks=True)

    def _of_a_person(self) -> None:
        """A stash, a branch, something staged, and hooks that must not run."""
        git(self.repo, "branch", "feature")
        (self.repo / "mine.txt").write_text("stashed\n")
        git(self.repo, "stash", "push", "--quiet", "--include-untracked")
        (self.repo / "mine.txt").write_text("staged\n")
        git(self.repo, "add", "mine.txt")
        for name in ("pre-commit", "post-commit", "reference-transaction", "post-index-change", "post-checkout"):
            hook = self.repo / ".git/hooks" / name
            hook.parent.mkdir(exist_ok=True)
            hook.write_text(f"#!/bin/sh\necho {name} >>{self.mark}\n")
            hook.chmod(0o755)

    def _plant(self) -> None:
        """What an agent might leave: a filter for its files, and another program for one that was there."""
        attributes = self.repo / ".git/info/attributes"
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_text("*.txt filter=planted\n")
        for name in ("planted", *self.shape.filters):
            git(self.repo, "config", f"filter.{name}.clean", f"echo filter >>{self.mark}; cat")
        git(self.repo, "config", "filter.planted.process", f"echo process >>{self.mark}")

    def open(self, run: int) -> Place:
        past = History(run=run, state={"wip_branch": BRANCH} if run > 1 else {})
        lock = self.lock()
        try:
            return self.workspaces.open(JOB, self.workspaces.plan(self.manifest), past, lock, self.manifest)
        finally:
            lock.close()

    def lock(self) -> locks.FileLocks:
        """The job's lock, once nobody holds it: a git that outlives its parent does."""
        found = locks.take([str(self.live / "lock")], wait=True)
        assert found is not None
        return found

    def added(self) -> str:
        """The tree that the user's own `git add -A` would store."""
        folder = Path(git(self.root, "rev-parse", "--absolute-git-dir"))
        shutil.copy2(folder / "index", self.mark.with_name("index"))
        env = {"GIT_INDEX_FILE": str(self.mark.with_name("index"))}
        git(self.root, "-c", "core.hooksPath=/dev/null", "add", "-A", env=env)
        return git(self.root, "-c", "core.hooksPath=/dev/null", "write-tree", env=env)

    def state(self) -> dict[str, Any]:
        """All that is the user's."""
        own = self.repo / ".git"
        return {
            "index": (own / "index").read_bytes(), "HEAD": (own / "HEAD").read_bytes(),
            "refs": [row for row in git(self.repo, "for-each-ref").splitlines() if "/aq/" not in row],
            "stash": (own / "logs/refs/stash").read_bytes(),
        }  # fmt: skip

    def renew(self) -> None:
        """As it was before the first kill."""
        if not self.shape.large:
            shutil.rmtree(self.live)
            shutil.copytree(self.base, self.live, symlinks=True)
        self.mark.unlink(missing_ok=True)

    def keep(self, **environment: str) -> int:
        """Make the checkpoint in a process of its own; how that ended."""
        return forked(lambda: self._keep(environment))

    def _keep(self, environment: dict[str, str]) -> None:
        os.environ.update(environment, PATH=f"{self.bin}:{os.environ['PATH']}")
        if "E_OURS" in environment:
            die_at(environment["E_CALL"], int(environment["E_OURS"]))
        with counted(environment.get("E_COUNT")):
            self.workspaces.keep(JOB, self.place, "killed", self.lock())


@contextmanager
def counted(path: str | None) -> Iterator[None]:
    """Write down how often each function of ours is called that changes something."""
    counts: Counter[str] = Counter()
    for holder, name in OURS if path else ():
        before(holder, name, lambda name=name: counts.update([name]))
    try:
        yield
    finally:
        if path:
            Path(path).write_text(json.dumps(counts))


def before(holder: Any, name: str, deed: Callable[[], object]) -> None:
    """Have something happen before every call of a function."""
    real = getattr(holder, name)

    def both(*arguments: Any, **options: Any) -> Any:
        deed()
        return real(*arguments, **options)

    setattr(holder, name, both)


def forked(deed: Callable[[], None]) -> int:
    """Do it in a process of its own; its exit code, a signal as its negative number."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            deed()
            code = 0
        except AqError:
            code = 2  # git was killed and we were not: the flow says that the work could not be saved
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def die_at(name: str, number: int) -> None:
    """Kill this process right before its `number`-th call of this function."""
    holder = next(holder for holder, attribute in OURS if attribute == name)
    calls = count(1)

    def die() -> None:
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    before(holder, name, die)


def points(stage: Stage, log: Path) -> list[Point]:
    """Every kill that there is."""
    found = []
    for command in COMMANDS:
        stage.renew()
        log.unlink(missing_ok=True)
        stage.keep(E_COMMAND=command, E_TRACE=f"-A -o {log} -e trace={','.join(CALLS)}")
        found += [Point(command, call, number) for call, number in changes(log)]
    stage.renew()
    log.unlink(missing_ok=True)
    stage.keep(E_COMMAND="none", E_COUNT=str(log))
    for name, most in json.loads(log.read_text()).items():
        found += [Point("", name, number + 1) for number in range(most)]
    return found


def drawn(most: int, dice: random.Random) -> list[Point]:
    """Seeded kills where looking for all of them would take too long; the last calls of a kind may never come."""
    calls = {"update-index": 60, "write-tree": 60, "commit-tree": 4, "update-ref": 4}
    found = []
    for _ in range(most):
        command = dice.choice(list(calls))
        found.append(Point(command, dice.choice(("write", "rename", "fsync", "link")), dice.randint(1, calls[command])))
    return found


def changes(log: Path) -> Iterator[tuple[str, int]]:
    """The calls of the first process of a trace that change something."""
    first, counts = "", Counter[str]()
    for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
        match = _LINE.match(line)
        if match is None or (first and match[1] != first):
            continue
        first = match[1]
        counts[match[2]] += 1
        if match[2] != "openat" or "O_CREAT" in match[3]:
            yield match[2], counts[match[2]]


def kill(stage: Stage, point: Point, *, both: bool) -> None:
    if not point.command:
        stage.keep(E_OURS=str(point.number), E_CALL=point.call, E_COMMAND="none")
        return
    inject = f"inject={point.call}:signal=SIGKILL:when={point.number}"
    trace = f"-o /dev/null -e trace={point.call} -e {inject}"
    stage.keep(E_COMMAND=point.command, E_TRACE=trace, E_BOTH="1" if both else "")


def wrong(stage: Stage, run: int) -> list[str]:
    """What is not as it must be after a kill, and after the recovery from it."""
    stage.lock().close()
    found = ["the user's own was changed by the kill"] if stage.state() != stage.theirs else []
    if stage.keep(E_COMMAND="none"):
        return [*found, "a lock is stuck: the next checkpoint failed", *ran(stage)]
    if not stage.shape.large and git(stage.repo, "rev-parse", f"{BRANCH}^{{tree}}") != stage.expected:
        found.append("the bytes are not those that `git add` would store")
    found += wrong_inside(stage) if stage.shape.inside[0] else []
    try:
        stage.open(run)
    except AqError as error:
        found.append(f"the next run cannot begin: {error}")
    if stage.state() != stage.theirs:
        found.append("the user's own was changed")
    return [*found, *ran(stage), *(untidy(stage) if not stage.shape.in_place else [])]


def wrong_inside(stage: Stage) -> list[str]:
    """What is not as it must be of the repository inside, which is saved by itself and kept beside the run."""
    path, name = stage.shape.inside
    copies = list((stage.live / "runs" / JOB / "1" / "nested").glob("*.git"))
    if len(copies) != 1 or not (copies[0] / "aq-nested.json").exists():
        return ["the repository inside is not kept"]
    told = json.loads((copies[0] / "aq-nested.json").read_text())
    kept, there = git(copies[0], "show", f"{told['commit']}:{name}"), (stage.root / path / name).read_text()
    found = [] if kept == there.removesuffix("\n") else [f"{path}/{name} is not saved: {kept}"]
    git(copies[0], "fsck", "--strict")
    return [*found, *(["a lock is stuck inside"] if git(stage.root / path, "status", "--porcelain") == "" else [])]


def ran(stage: Stage) -> list[str]:
    return [f"ran: {stage.mark.read_text().split()}"] if stage.mark.exists() else []


def untidy(stage: Stage) -> list[str]:
    """What is not in line in a worktree of the job's own."""
    found, quiet = [], ("-c", "core.hooksPath=/dev/null")
    if git(stage.root, "symbolic-ref", "HEAD") != f"refs/heads/{BRANCH}":
        found.append("HEAD is not on the job's branch")
    if status := git(stage.root, *quiet, *stage.shape.as_before, "status", "--porcelain", "--ignore-submodules=dirty"):
        found.append(f"not clean: {status}")
    return found


def main(folder: str, name: str, most: str, round_: str, command: str = "") -> None:
    stage, tally, dice = Stage(Path(folder), SHAPES[name]), Tally(), random.Random(f"{name} {round_}")
    chosen = points(stage, Path(folder, "trace")) if not stage.shape.large else drawn(int(most), dice)
    chosen = [point for point in chosen if point.command == command or not command]
    if len(chosen) > int(most):
        step = len(chosen) / int(most)
        chosen = [chosen[int(number * step + dice.random() * step)] for number in range(int(most))]
    tally.add(f"{name}, nothing killed", wrong(stage, 2))
    for number, point in enumerate(chosen):
        stage.renew()
        if stage.shape.large:
            stage.shape.change(stage.root, number + 1)
        kill(stage, point, both=bool(command) or (number + int(round_)) % 2 == 1)
        tally.tried += 1
        tally.add(f"{name}, {point}", wrong(stage, 2))
        if command and tally.bad:
            break
    print(json.dumps(asdict(tally)))


if __name__ == "__main__":
    main(*sys.argv[1:])
