"""The real `aq`, run as a person runs it: a process of its own, in a home of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

AQ = (sys.executable, "-m", "agent_queue")
LIMIT_S = 60
SESSION = "5a1e0000-0000-4000-8000-000000000001"


@dataclass(frozen=True)
class Ran:
    """A call of `aq` that has ended."""

    code: int
    data: bytes
    err: str

    @property
    def out(self) -> str:
        return self.data.decode()

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.data)
        return value


def wait_for(ready: Callable[[], Any], what: str = "it", seconds: float = LIMIT_S) -> Any:
    """Wait until `ready` gives something true, and give that."""
    end = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < end, f"{what} never came"
        time.sleep(0.02)
    return found


@dataclass
class Aq:
    """Calls `aq`. `env` is added to the environment of every call."""

    cwd: Path
    env: dict[str, str] = field(default_factory=dict)

    def __call__(
        self, *arguments: object, input: str | bytes | None = None,  # noqa: A002 - as subprocess calls it
        check: int | None = 0, cwd: Path | None = None, env: Mapping[str, str] | None = None,
    ) -> Ran:  # fmt: skip
        """Run it to its end. `check` is the exit code that is expected, None for any."""
        data = input.encode() if isinstance(input, str) else input
        done = subprocess.run(
            [*AQ, *map(str, arguments)], input=data or b"", capture_output=True, timeout=LIMIT_S, cwd=cwd or self.cwd,
            env={**os.environ, **self.env, **(env or {})},
        )  # fmt: skip
        ran = Ran(done.returncode, done.stdout, done.stderr.decode())
        said = (
            f"aq {' '.join(map(str, arguments))} ended with {ran.code}\n{done.stdout.decode(errors='replace')}{ran.err}"
        )
        assert check is None or ran.code == check, said
        assert "Traceback" not in ran.err, said
        return ran

    @contextmanager
    def started(self, *arguments: object, env: Mapping[str, str] | None = None) -> Iterator["subprocess.Popen[bytes]"]:
        """Run it beside the test; at the end it is told to stop, and waited for."""
        process = subprocess.Popen(
            [*AQ, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd=self.cwd, env={**os.environ, **self.env, **(env or {})},
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=LIMIT_S)


@pytest.fixture
def aq(repo: Path) -> Aq:
    """Calls `aq` in the repository's folder."""
    return Aq(repo)


@pytest.fixture
def git(home: Path) -> Callable[..., str]:
    """Runs git in a folder, as somebody."""
    settings = ("user.name=somebody", "user.email=somebody@localhost", "init.defaultBranch=main")
    flags = [part for setting in settings for part in ("-c", setting)]

    def run(folder: Path, *arguments: str, input: bytes | None = None) -> str:  # noqa: A002
        argv = ["git", "-C", str(folder), *flags, *arguments]
        done = subprocess.run(argv, check=True, capture_output=True, input=input)
        return done.stdout.decode().removesuffix("\n")

    return run


@pytest.fixture
def repo(home: Path, git: Callable[..., str]) -> Path:
    """A git repository with one commit on `main`."""
    folder = home / "repo"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "README.md").write_text("a repository\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    return folder


@pytest.fixture
def queue(home: Path, aq: Aq) -> Path:
    """The root of a queue that is there."""
    aq("init")
    return home / "queue"


@dataclass
class Jobs:
    """Makes job files, and says what became of them."""

    aq: Aq
    queue: Path
    folder: Path

    def write(self, name: str, body: str, **keys: object) -> Path:
        """A job file outside the queue; its engine is `shell` unless `engine` says otherwise."""
        said = {"engine": "shell", **{key.replace("_", "-"): value for key, value in keys.items()}}
        head = "".join(f"{key}: {value}\n" for key, value in said.items() if value is not None)
        path = self.folder / f"{name}.md"
        path.write_text(f"---\n{head}---\n{body}\n")
        return path

    def add(self, name: str, body: str, **keys: object) -> str:
        """Put a job into the inbox; its id."""
        return self.aq("add", self.write(name, body, **keys)).out.strip()

    def stage(self, job: str) -> str | None:
        """Where a job lies."""
        found = [path.parent.name for path in self.queue.glob(f"*/{job}.md")]
        return found[0] if found else None

    def wait(self, job: str, *stages: str) -> None:
        """Until it lies in one of these stages."""
        wait_for(lambda: self.stage(job) in stages, f"{job} in {stages}")

    def run_folder(self, job: str, run: int = 1) -> Path:
        return self.queue / "runs" / job / str(run)


@pytest.fixture
def jobs(aq: Aq, queue: Path, tmp_path: Path) -> Jobs:
    return Jobs(aq, queue, tmp_path)


@dataclass
class Agent:
    """A stand-in for claude: a script that prints what claude would. Jobs say `engine: claude`."""

    program: Path

    def plays(self, script: str) -> None:
        """From now on it is this shell script; the prompt is on its stdin."""
        self.program.write_text(f"#!/bin/sh\n{script}\n")
        self.program.chmod(0o755)

    def tells(self, *events: Mapping[str, Any], then: str = "") -> None:
        """From now on it prints these events, then does what the shell line `then` says."""
        lines = "\n".join(json.dumps(event, separators=(",", ":")) for event in events)
        self.plays(f"cat <<'END'\n{lines}\nEND\n{then}")


def begun(
    text: str = "I will look at it", *, tools: Sequence[tuple[str, Mapping[str, Any]]] = ()
) -> list[dict[str, Any]]:
    """How claude's output begins: who it is, what it says, the tools it calls."""
    content = [{"type": "text", "text": text}]
    content += [{"type": "tool_use", "id": f"t{number}", "name": name, "input": dict(given)}
                for number, (name, given) in enumerate(tools)]  # fmt: skip
    return [
        {"type": "system", "subtype": "init", "session_id": SESSION, "model": "claude-test-1"},
        {"type": "assistant", "session_id": SESSION, "parent_tool_use_id": None,
         "message": {"id": "m1", "model": "claude-test-1", "content": content}},
    ]  # fmt: skip


def done(
    text: str = "All done", *, tokens_in: int = 1200, tokens_out: int = 340, cost: float | None = 0.25
) -> dict[str, Any]:
    """How claude's output ends well."""
    usage = {"inputTokens": tokens_in, "outputTokens": tokens_out}
    end = {"type": "result", "subtype": "success", "is_error": False, "session_id": SESSION, "result": text,
           "modelUsage": {"claude-test-1": usage}}  # fmt: skip
    return end | ({"total_cost_usd": cost} if cost is not None else {})


@pytest.fixture
def agent(home: Path, aq: Aq) -> Agent:
    """The program that `engine: claude` starts in this test; it does nothing yet, and that well."""
    found = Agent(home / "bin" / "claude")
    found.program.parent.mkdir(exist_ok=True)
    found.tells(*begun(), done())
    aq.env["CLAUDE_BIN"] = str(found.program)
    return found
