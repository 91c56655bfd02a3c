"""A machine's time, processes and waiting, in memory: small honest stand-ins behind the ports.

What they write is written by the product: records by `system/processes` and the shim's put.
"""

import os
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from agent_queue.core.outcome import StopReason
from agent_queue.ports import FileChange, Lock, Start, Woken
from agent_queue.queues import inbox
from agent_queue.system.files import Disk
from agent_queue.system.processes import MachineProcesses

if TYPE_CHECKING:
    from .machine import Machine

inbox.SETTLED_S = 0.0
"""The file system's times are the real ones, and the clock here is not: a dropped file counts as whole at once."""

BEGAN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PATIENCE = 400
"""A supervisor that waits more often than this without an end is stuck."""


class StuckError(Exception):
    """A supervisor goes round in circles."""


class KilledError(BaseException):
    """The supervisor's process is killed here."""


class VirtualClock:
    """Satisfies `ports.Clock`; time passes only when somebody waits."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self._dice = random.Random(1)

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.passed_s)

    def local(self) -> datetime:
        return self.now()

    def monotonic(self) -> float:
        return self.passed_s

    def roll(self) -> float:
        return self._dice.random()

    def token(self) -> str:
        return f"{self._dice.getrandbits(128):032x}"


@dataclass(slots=True)
class Agent:
    """A process tree under its shim, which holds the job's lock until the end is recorded."""

    folder: str
    code: int
    locks: list[int]
    lock_names: list[str]
    began: int
    """How often the disk had changed when it was launched; `ended`: and when its end was recorded."""
    ended: int | None = None


class VirtualProcesses(MachineProcesses):
    """Reads and writes the records as ever; what it starts lives in the machine."""

    def __init__(self, disk: Disk, machine: "Machine") -> None:
        super().__init__(disk)
        self._machine = machine

    def start(self, start: Start, lock: Lock) -> None:
        self._machine.launch(start, lock)

    def ask_stop(self, folder: str, why: StopReason) -> None:
        super().ask_stop(folder, why)
        self._machine.stop_soon(folder)

    def sweep(self, marker: str) -> int:
        return 0


class VirtualEvents:
    """Satisfies `ports.Events`: when the supervisor waits, the next agent ends, or else time passes."""

    def __init__(self, machine: "Machine", kill_after: int | None, signals: list[str]) -> None:
        self._machine = machine
        self._kill_after = kill_after
        self._signals = signals
        self._deeds: list[tuple[str, Callable[[], Any]]] = []
        self._told: dict[str, int] = {}
        self._waits = 0

    def watch_process(self, folder: str) -> bool:
        return folder in self._machine.agents

    def later(self, key: str, deed: Callable[[], Any]) -> None:
        self._deeds.append((key, deed))

    def expecting(self) -> bool:
        return False

    def wait(self, timeout_s: float | None) -> Woken:
        self._waits += 1
        if self._waits == self._kill_after:
            self._machine.killed_at = len(self._machine.disk.log)
            raise KilledError
        if self._waits > PATIENCE:
            raise StuckError("; ".join(self._machine.told[-6:]))
        finished = [(key, _value(deed)) for key, deed in self._deeds]
        self._deeds.clear()
        files, signals = self._news(), self._signals[:1]
        del self._signals[:1]
        ended = []
        if not (finished or files or signals):
            folder = self._machine.end_one()
            ended = [folder] if folder else []
            if not ended:
                self._machine.clock.passed_s += max(timeout_s or 0.0, 0.001)
        return Woken(ended=ended, finished=finished, signals=signals, files=files)

    def _news(self) -> list[FileChange]:
        """Files of the inbox that were closed after writing, or put there, since the last wait."""
        folder = f"{self._machine.root}/inbox"
        seen = {f"{folder}/{name}": os.stat(f"{folder}/{name}").st_ino for name in os.listdir(folder)}
        fresh = [FileChange(path, whole=True) for path, inode in sorted(seen.items()) if self._told.get(path) != inode]
        self._told = seen
        return fresh


def _value(deed: Callable[[], Any]) -> Any:
    try:
        return deed()
    except Exception as error:  # noqa: BLE001 - carried to the loop, as the real one does
        return error


def exit_code(start: Start) -> int:
    """What the script or the verify commands would end with: `exit N` in their text, else 0."""
    text = " ".join(start.argv)
    if start.argv[-1].endswith("prompt.md"):
        with open(start.argv[-1], encoding="utf-8") as file:
            text = file.read()
    found = re.findall(r"exit (\d+)\s*$", text)
    return int(found[-1]) if found else 0


def open_below(root: str) -> list[int]:
    """Our open files below a folder: what the kernel closes when a process dies."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith(f"{root}/"):
            found.append(int(name))
    return found


def close(numbers: list[int]) -> None:
    while numbers:
        os.close(numbers.pop())
