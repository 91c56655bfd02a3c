"""Agents for tests: small programs that are started under the real shim, and swept away when the test is over."""

import os
import select
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from agent_queue.core.outcome import Exit
from agent_queue.core.run import Start
from agent_queue.system import kernel, locks
from agent_queue.system.delegation import Delegation
from agent_queue.system.events import wait_until
from agent_queue.system.files import Disk
from agent_queue.system.processes import MachineProcesses

LIMIT_S = 20.0


def python(code: str) -> tuple[str, ...]:
    """A command that runs this Python code, without the time that site-packages take."""
    return (sys.executable, "-I", "-S", "-c", code)


def shell(code: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", code)


class Agents:
    """Starts agents in run folders below one folder, and knows how each of them stands."""

    def __init__(self, root: Path, delegation: Delegation | None = None) -> None:
        self.root = root
        (root / "tmp").mkdir(parents=True)
        self.processes = MachineProcesses(Disk(str(root / "tmp"), durable=False), delegation)
        self.marker = str(uuid4())
        self._markers = {self.marker}
        self._numbers = 0
        self._shims: list[int] = []

    def folder(self) -> str:
        self._numbers += 1
        path = self.root / "runs" / str(self._numbers)
        path.mkdir(parents=True)
        return str(path)

    def lock(self, name: str = "job") -> locks.FileLocks | None:
        return locks.take([str(self.root / f"{name}.lock")])

    def start(self, argv: Sequence[str], folder: str = "", lock: str = "", *, watch: bool = True, **more: Any) -> str:
        """Start an agent; its run folder. Only its shim holds the lock after that.

        `watch`: nobody else will watch its end, and so it is done here.
        """
        folder = folder or self.folder()
        env = {"PATH": os.environ["PATH"], "AQ_RUN": self.marker, **more.pop("env", {})}
        self._markers.add(env["AQ_RUN"])
        held = self.lock(lock or os.path.basename(folder))
        assert held is not None
        cwd = more.pop("cwd", str(self.root))
        log = more.pop("log", f"{folder}/agent.log")
        try:
            self.processes.start(Start(folder=folder, log=log, cwd=cwd, argv=tuple(argv), env=env, **more), held)
        finally:
            held.close()
        shim = self.processes.watched(folder) if watch else None
        if shim is not None:
            self._shims.append(shim)
        return folder

    def run(self, argv: Sequence[str], **more: Any) -> Exit:
        return self.ended(self.start(argv, **more))

    def ended(self, folder: str) -> Exit:
        """How the agent ended, once it has."""
        assert wait_until(lambda: self.processes.exit(folder) is not None, seconds=LIMIT_S), f"{folder} does not end"
        found = self.processes.exit(folder)
        assert found is not None
        return found

    def log(self, folder: str) -> str:
        return Path(folder, "agent.log").read_text()

    def says(self, folder: str, words: str) -> None:
        """Wait until the agent has printed this."""
        path = Path(folder, "agent.log")
        assert wait_until(lambda: path.exists() and words in path.read_text(), seconds=LIMIT_S), words

    def record(self, folder: str) -> dict[str, Any]:
        """What run.json says, once it names the agent."""
        assert wait_until(lambda: "pid" in (self.processes.running(folder) or {}), seconds=LIMIT_S)
        return dict(self.processes.running(folder) or {})

    def left(self, marker: str = "") -> list[int]:
        """The processes that carry a marker, shims not counted."""
        shims = {self.processes.running(str(path)) and self.record(str(path))["shim"] for path in self._folders()}
        return [pid for pid in kernel.carriers(marker or self.marker) if pid not in shims]

    def close(self) -> None:
        """Kill what these tests started, and nothing else: by marker, and by the pids of our own children."""
        for marker in self._markers:
            self.processes.sweep(marker)
        self.reap()

    def reap(self) -> None:
        """Wait for the shims that have ended or are about to."""
        while self._shims:
            shim = self._shims.pop()
            select.select([shim], [], [], LIMIT_S)
            with suppress(ChildProcessError):  # a shim that a warm parent forked is its child
                os.waitid(os.P_PIDFD, shim, os.WEXITED)
            os.close(shim)

    def _folders(self) -> list[Path]:
        return [path for path in (self.root / "runs").iterdir() if (path / "run.json").exists()]


def is_alive(pid: int) -> bool:
    """True for a process that lives and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except (FileNotFoundError, ProcessLookupError):  # the second: it went between the opening and the reading
        return False
