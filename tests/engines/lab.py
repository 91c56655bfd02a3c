"""A queue, a repository and a home of their own, where `aq` works with one real agent program.

Every process here is started with a clean environment: nothing of the person who runs the tests gets in, and the
network ends at a closed port, so that only the model service on loopback answers.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from .model_server import SLEEPERS, ModelServer, Run

Value = TypeVar("Value")
NOWHERE = "http://127.0.0.1:9"


def until(ready: Callable[[], Value], *, seconds: float = 30.0) -> Value:
    """Wait for a condition, and give what it gave."""
    deadline = time.monotonic() + seconds
    while not (value := ready()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.02)
    return value


@dataclass(frozen=True)
class Process:
    """One that runs now. `marker` is its AQ_RUN."""

    pid: int
    command: str
    home: str
    marker: str


def processes() -> Iterator[Process]:
    """All processes that carry a HOME or an AQ_RUN, zombies excepted: those have no environment any more."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
            command = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        values = dict(line.partition(b"=")[::2] for line in environment)
        yield Process(int(name), command, values.get(b"HOME", b"").decode(), values.get(b"AQ_RUN", b"").decode())


@dataclass
class Lab:
    """One test's world. `settings` writes the queue's configuration for the base URL of a run."""

    engine: str
    folder: Path
    bin: Path
    service: ModelServer
    settings: Callable[[str], str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    markers: set[str] = field(default_factory=set)
    """Every AQ_RUN that was seen at work here."""
    files: Callable[[str], dict[str, str]] = lambda _: {}
    """What the program itself reads from its home, by path, for the base URL of a run."""
    under: tuple[str, ...] = ()
    """A command that `aq` is started by, to take something of the machine away from it."""

    def __post_init__(self) -> None:
        self.home, self.root, self.repository = (self.folder / name for name in ("home", "queue", "repository"))
        self.environment = {
            "PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(self.home), "AGENT_QUEUE_ROOT": str(self.root),
            "TMPDIR": str(self.folder / "tmp"), "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_CACHE_HOME": str(self.home / ".cache"), "XDG_DATA_HOME": str(self.home / ".local/share"),
            "HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE, "NO_PROXY": "127.0.0.1", "GIT_CONFIG_NOSYSTEM": "1",
        }  # fmt: skip
        for path in (self.home, self.folder / "tmp", self.repository):
            path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        (self.repository / "README.md").write_text("a repository\n")
        self.commit()
        self.aq("init")

    # The outside world.

    @property
    def name(self) -> str:
        """What the model service calls this test's run."""
        return self.folder.name

    @property
    def run(self) -> Run:
        return self.service.run_of(self.name)

    def serve(self, mode: str) -> None:
        """Have the agent talk to the model service in this mode."""
        url = self.service.url(mode, self.name)
        (self.root / "config.toml").write_text(self.settings(url))
        for name, text in self.files(url).items():
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def git(self, *arguments: str) -> str:
        """What git says about the repository of the person."""
        command = ["git", "-C", str(self.repository), *arguments]
        return subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self) -> None:
        """What a person does."""
        self.git("add", ".")
        self.git("-c", "user.name=a person", "-c", "user.email=person@example.org", "commit", "--quiet", "-m", "a step")

    def refs(self) -> list[str]:
        """Every ref of the person's repository that is not aq's own, with its commit."""
        return [line for line in self.git("for-each-ref").splitlines() if "/aq/" not in line]

    def work(self, job: str) -> dict[str, str]:
        """The files on the job's branch, with what is in them."""
        branch = f"aq/wip/{job}"
        names = self.git("ls-tree", "-r", "--name-only", branch).splitlines()
        return {name: self.git("show", f"{branch}:{name}") for name in names}

    # The queue.

    def aq(self, *arguments: str, code: int = 0, text: str | None = None) -> str:
        """Run `aq` as a person does; its standard output. It has to end with this exit code, in time."""
        command = [*self.under, sys.executable, "-m", "agent_queue", *arguments]
        done = subprocess.run(command, env=self.environment, cwd=self.folder, input=text, capture_output=True,
                              text=True, timeout=90)  # fmt: skip
        assert done.returncode == code, f"aq {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def supervise(self, *options: str) -> "subprocess.Popen[bytes]":
        """Start `aq run --once`, and do not wait for it."""
        with (self.folder / "supervisor.log").open("ab") as log:
            process = subprocess.Popen([sys.executable, "-m", "agent_queue", "run", "--once", *options],
                                       env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log)  # fmt: skip
        self.started.append(process)
        return process

    def add(self, body: str = "Write hello.txt, then copy it.\n", **keys: object) -> str:
        """Add a job with no more than engine, cwd, yolo and these keys; its id."""
        front = {"engine": self.engine, "cwd": str(self.repository), "yolo": True, **keys}
        lines = [f"{key}: {json.dumps(value)}" for key, value in front.items()]
        text = "\n".join(["---", *lines, "---", body])
        added = json.loads(self.aq("add", "--json", "--name", "hello", "-", text=text))
        return str(added["added"][0]["job"])

    def stage(self, job: str) -> str:
        """The folder that the job's file lies in."""
        (path,) = self.root.glob(f"*/{job}.md")
        return path.parent.name

    def history(self, job: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.root / "journal" / f"{job}.jsonl").read_text().splitlines()]

    def state(self, job: str) -> dict[str, Any]:
        """The journal, folded: the last value of a key holds."""
        return {key: value for entry in self.history(job) for key, value in entry.items()}

    def printed(self, job: str) -> list[dict[str, Any]]:
        """The JSON lines that the agent printed in the job's first run."""
        lines = (self.root / "runs" / job / "1" / "agent.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    # What runs.

    def supervisor(self) -> int | None:
        """The process that `aq status` calls the queue's supervisor."""
        found = json.loads(self.aq("status", "--json"))["supervisor"]
        return found and int(found["pid"])

    def lanes(self) -> list[dict[str, Any]]:
        """The lanes that `aq status` calls parked."""
        return list(json.loads(self.aq("status", "--json"))["lanes"])

    def agent(self, job: str) -> int:
        """The agent's process, by its run's record."""
        return int(json.loads((self.root / "runs" / job / "1" / "run.json").read_text())["pid"])

    def processes(self) -> list[Process]:
        """All that runs in this home, or carries the mark of a run that was seen in it."""
        found = [one for one in processes() if one.home == str(self.home) or one.marker in self.markers - {""}]
        self.markers |= {one.marker for one in found}
        return found

    def sleepers(self) -> list[Process]:
        """Those that the tool of mode `tool_sleep` consists of, once all are there."""
        found = [one for one in self.processes() if one.command in SLEEPERS]
        return found if {one.command for one in found} == set(SLEEPERS) else []

    def charged(self) -> dict[str, int]:
        """What the service charged."""
        totals = self.run.truth()["totals"].values()
        return {key: sum(kind[key] for kind in totals) for key in ("tokens_in", "tokens_cached", "tokens_out")}

    def asked(self) -> list[dict[str, Any]]:
        """The main calls so far."""
        return [call for call in self.run.calls if call["kind"] == "main"]

    def close(self) -> None:
        """End what this test started and left behind, which is only ours: it has our home."""
        for process in self.started:
            process.kill()
            process.wait()
        self.service.let_go(self.name)
        for one in self.processes():
            with suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
