"""A real queue on a real disk, the real `aq`, and agents that keep a ledger of what they did."""

import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from agent_queue.core.job import Stage

from . import invariants
from .marks import Created, Launched, Mark
from .patience import PATIENCE_S
from .strace import attached, wait_for_tracer
from .tally import python_path

BODY = """\
top=${{0%/runs/*}}/..
if [ -e "$top/pids.$AQ_JOB_ID" ]; then
  while read -r other; do
    read -r _ _ state _ 2>/dev/null < "/proc/$other/stat" && [ "$state" != Z ] && echo "overlap $0" >> "$top/ledger"
  done < "$top/pids.$AQ_JOB_ID"
fi
echo $$ >> "$top/pids.$AQ_JOB_ID"
echo "start $0" >> "$top/ledger"
{work}
echo "end $0" >> "$top/ledger"
exit {code}
"""
"""The ledger lies beside the queue: no crash of the queue takes it back."""

MAKE = 'echo made > "$AQ_JOB_ID.txt"'
MOVED = re.compile(r"^\d\d:\d\d:\d\d (\S+): (\w+) -> (\w+)", re.MULTILINE)


def body(*, code: int = 0, work: str = ":") -> str:
    return BODY.format(code=code, work=work)


@dataclass(slots=True)
class Bench:
    """A queue in a folder of its own; the ledger lies beside it."""

    folder: Path
    created: dict[str, bytes] = field(default_factory=dict)
    torn: int = 0
    """How many torn lines its journals may hold."""

    @property
    def root(self) -> str:
        return f"{self.folder}/queue"

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"], "HOME": str(self.folder), "AGENT_QUEUE_ROOT": self.root, "LC_ALL": "C.UTF-8",
            "PYTHONPATH": python_path(), "PYTHONHASHSEED": "0", "GIT_CONFIG_NOSYSTEM": "1", "TMPDIR": str(self.folder),
        }  # fmt: skip

    def copy(self, folder: Path) -> "Bench":
        """The same queue, and its ledger, somewhere else."""
        shutil.copytree(self.folder, folder, symlinks=True)
        bench = Bench(folder, dict(self.created), self.torn)
        for job, data in self.created.items():
            path = Path(bench.root, "inbox", f"{job}.md")
            if path.exists() and str(self.folder).encode() in data:  # a cwd within the folder
                bench.created[job] = data.replace(str(self.folder).encode(), str(folder).encode())
                path.write_bytes(bench.created[job])
        return bench

    def make_repository(self) -> str:
        """A git repository beside the queue, with one commit."""
        place = self.folder / "repository"
        place.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "begin")
        return str(place)

    def git(self, *arguments: str) -> str:
        argv = ["git", "-C", f"{self.folder}/repository", *arguments]
        return subprocess.run(argv, capture_output=True, text=True, env=self.environment()).stdout.strip()

    def unsaved(self, *, may_fail: bool) -> list[str]:
        """What a run made is on its branch, and the user's own branch and files are as they were."""
        (job,) = self.created
        found = []
        if self.git("rev-list", "--count", "main") != "1" or self.git("status", "--porcelain"):
            found.append("the user's own branch or files were changed")
        where = invariants.places(self.root)[job]
        if where == ["failed"] and may_fail:
            return found
        if where != ["review"]:
            found.append(f"it lies in {where}: {self.reason(job)}")
        if self.git("show", f"aq/wip/{job}:{job}.txt") != "made":
            found.append(f"its work is not on its branch: {self.git('log', '--all', '--stat', '--format=%s %D')}")
        return found

    def reason(self, job: str) -> str:
        """Why its last run ended, as people are told."""
        runs = sorted(Path(self.root, "runs", job).glob("*/outcome.json"), key=lambda path: int(path.parent.name))
        return str(json.loads(runs[-1].read_bytes())["reason"]) if runs else "it never ran"

    def write_job(self, name: str, text: str, *keys: str, cwd: str = "/") -> str:
        path = self.folder / f"{name}.md"
        path.write_text("\n".join(("---", "engine: shell", f"cwd: {cwd}", *keys, "---", text)))
        return str(path)

    def add(self, name: str, text: str, *keys: str, cwd: str = "/") -> str:
        """`aq add`, not traced; returns the job's id."""
        done = self.aq("add", self.write_job(name, text, *keys, cwd=cwd))
        assert done.code == 0, done
        job = done.out.strip()
        self.accept([job])
        return job

    def accept(self, jobs: Sequence[str]) -> None:
        """These jobs were acknowledged, as they lie there now."""
        for job in jobs:
            self.created[job] = Path(self.root, "inbox", f"{job}.md").read_bytes()

    def aq(
        self, *arguments: str, names: Sequence[str] = (), inject: str = "", python: str = "",
        limit_s: float = 3 * PATIENCE_S,
    ) -> "Done":  # fmt: skip
        """Run a command in a child of this process: like a fresh one, without the time that imports take.

        With `names` it runs under strace, which writes down these calls, and injects. `python` is started instead of
        the interpreter by what starts other programs.
        """
        out, err = self.folder / "aq.out", self.folder / "aq.err"
        pid = os.fork()
        if pid == 0:
            _be_aq(arguments, self.environment(), out, err, python=python, wait=bool(names))
        with attached(pid, self.trace, names, inject) if names else nullcontext():
            code = waited(pid, limit_s)
        return Done(code, out.read_text(errors="replace"), err.read_text(errors="replace"))

    @property
    def trace(self) -> Path:
        return self.folder / "strace"

    def ledger(self) -> list[list[str]]:
        """What agents did, line by line: start, end or overlap, and the run folder relative to the root."""
        path = self.folder / "ledger"
        if not path.exists():
            return []
        rows = (line.split(" ", 1) for line in path.read_text().splitlines())
        return [[word, file.rpartition("/queue/")[2].removesuffix("/prompt.md")] for word, file in rows]

    def marks(self) -> list[Mark]:
        created = [Created(job, data) for job, data in self.created.items()]
        return [*created, *(Launched(folder) for word, folder in self.ledger() if word == "start")]

    def problems(self, *, recovered: bool) -> list[str]:
        found = invariants.problems(self.root, self.marks(), recovered=recovered, torn=self.torn)
        return found + [
            f"{folder} ran beside another run of its job" for word, folder in self.ledger() if word == "overlap"
        ]


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended; `code` is negative for a signal."""

    code: int
    out: str
    err: str


def _be_aq(
    arguments: Sequence[str], environment: dict[str, str], out: Path, err: Path, *, python: str, wait: bool
) -> None:  # fmt: skip
    """The life of a forked child. Never returns."""
    code = 1
    try:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(environment["HOME"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for path, number in ((out, 1), (err, 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        sys.argv = ["aq", *arguments]
        if python:
            sys._base_executable = python  # type: ignore[attr-defined]
        from agent_queue.cli import main

        if wait:
            wait_for_tracer()
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def waited(pid: int, limit_s: float) -> int:
    """The exit code of our child; killed, and -9, when it takes too long."""
    handle = os.pidfd_open(pid)
    try:
        import select

        if not select.select([handle], [], [], limit_s)[0]:
            os.kill(pid, 9)
    finally:
        os.close(handle)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def until(ready: Callable[[], bool], *, seconds: float = PATIENCE_S, what: str = "") -> None:
    """Look until something is so.

    Raises:
        TimeoutError: it was not in time.
    """
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what or 'it'} did not come in {seconds} s")
        time.sleep(0.002)


def preload() -> None:
    """Import all that any command imports when it runs, once for all children."""
    import agent_queue

    for module in pkgutil.walk_packages(agent_queue.__path__, "agent_queue."):
        with suppress(ImportError):  # what an optional dependency is missing for
            import_module(module.name)


def left_over(bench: Bench) -> list[str]:
    """Once a supervisor has done all it can, nothing is in work and nothing waits."""
    where = invariants.places(bench.root)
    return [f"{job} stays in {stage}" for job, stages in where.items() for stage in stages
            if stage in (Stage.BUILDING.value, Stage.INBOX.value)]  # fmt: skip
