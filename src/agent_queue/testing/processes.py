"""Processes that follow a script: when they end, how, what they print, and what a stop does to them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_queue.core.outcome import Exit, StopReason
from agent_queue.core.run import Start
from agent_queue.ports import Lock
from agent_queue.testing.machine import Machine

SIGTERM, SIGKILL = 15, 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What one process does. Times are seconds; where one is None, it never does that by itself."""

    after_s: float | None = 1.0
    """When it ends."""
    code: int = 0
    signal: int | None = None
    """The signal that it dies by, instead of ending with `code`."""
    output: bytes = b""
    every_s: float | None = None
    """How often the output is printed again, after the first time."""
    stop_s: float | None = 0.5
    """How long it takes to obey a stop; None, or longer than the grace, is ended by SIGKILL."""
    stop_code: int | None = None
    """The exit code that it has after a stop; None dies by SIGTERM."""
    error: str = ""
    """Why the program cannot be started, as its shim records it."""
    refused: OSError | None = None
    """Why the system cannot even start a shim."""
    recorded: bool = True
    """False: its shim dies at the end, without a record, and leaves the process itself running."""
    stragglers: int = 0
    oom_kills: int = 0
    does: Callable[[Start], object] | None = None
    """What it does just before it ends."""


@dataclass(slots=True, eq=False)
class Live:
    """A process that runs, with its shim."""

    start: Start
    script: Script
    began: float
    locks: tuple[int, ...]
    stopping: bool = False


@dataclass(slots=True)
class FakeProcesses:
    """Satisfies `ports.Processes`, with the records of the real one. It refuses to run a job twice at once."""

    machine: Machine
    script: Callable[[Start], Script] = lambda _: Script()
    """Chooses the script of a process that is about to start."""
    started: list[Start] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    """Run folders in the order in which their processes ended."""
    left: list[Start] = field(default_factory=list)
    """Processes that outlived their shims and wait for a sweep."""
    asked: list[tuple[str, StopReason]] = field(default_factory=list)
    """Every stop that somebody asked for: the run folder, and why."""
    most: int = 0
    """How many ran at once, at the most."""
    _live: dict[str, Live] = field(default_factory=dict)

    def start(self, start: Start, lock: Lock) -> None:
        job = start.env.get("AQ_JOB_ID", "")
        others = [*self.left, *(live.start for live in self._live.values())]
        assert not job or job not in [other.env.get("AQ_JOB_ID") for other in others], f"{job} is started twice"
        self.machine.step()
        clock, script = self.machine.clock, self.script(start)
        if script.refused is not None:
            raise script.refused
        live = Live(start, script, clock.monotonic(), self.machine.inherit(lock.filenos()))
        self._live[start.folder] = live
        self.started.append(start)
        self.most = max(self.most, len(self._live))
        pid = len(self.started)
        self._record(start.folder, "run.json", {"shim": pid, "shim_start": "1", "boot_id": "fake", "pid": pid})
        self._print(live)
        if script.error:
            clock.at(0, lambda: self._end(live, Exit(code=127, signal=None, duration_s=0.0, error=script.error)))
        elif script.after_s is not None:
            clock.at(script.after_s, lambda: self._ended_by_itself(live))
        if start.deadline_s is not None:
            clock.at(start.deadline_s, lambda: self._overdue(live))
        if self.stopped(start.folder) is not None:
            self._stop(live)

    def alive(self, folder: str) -> bool:
        """True while the shim of this run folder lives."""
        return folder in self._live

    def running(self, folder: str) -> Mapping[str, Any] | None:
        return self._read(folder, "run.json")

    def exit(self, folder: str) -> Exit | None:
        found = self._read(folder, "exit.json")
        return Exit(**found) if found is not None else None

    def stopped(self, folder: str) -> StopReason | None:
        found = self._read(folder, "stop.json")
        return StopReason(found["why"]) if found is not None else None

    def ask_stop(self, folder: str, why: StopReason) -> None:
        self.asked.append((folder, why))
        if self.stopped(folder) is None:
            self.machine.put(f"{folder}/stop.json", _stop_record(why))
        if folder in self._live:
            self._stop(self._live[folder])

    def sweep(self, marker: str) -> int:
        kept = [start for start in self.left if start.env.get("AQ_RUN") != marker]
        count = len(self.left) - len(kept)
        self.left[:] = kept
        return count

    def reboot(self) -> None:
        """The machine goes down and comes up again: nothing lives, nothing more was recorded."""
        for live in list(self._live.values()):
            self._gone(live)
        self.left.clear()

    def _ended_by_itself(self, live: Live) -> None:
        if not self._is_live(live) or live.stopping:
            return
        if live.script.does is not None:
            live.script.does(live.start)
        if live.script.recorded:
            code = None if live.script.signal is not None else live.script.code
            self._end(live, self._exit(live, code, live.script.signal))
        else:
            self.left.append(live.start)
            self._gone(live)

    def _overdue(self, live: Live) -> None:
        folder = live.start.folder
        if self._is_live(live):
            if self.stopped(folder) is None:
                self.machine.store(f"{folder}/stop.json", _stop_record(live.start.deadline_why))
            self._stop(live)

    def _stop(self, live: Live) -> None:
        if live.stopping:
            return
        live.stopping = True
        takes, grace = live.script.stop_s, live.start.grace_s
        if takes is None or takes > grace:
            self.machine.clock.at(grace, lambda: self._end(live, self._exit(live, None, SIGKILL)))
            return
        code = live.script.stop_code
        signal = SIGTERM if code is None else None
        self.machine.clock.at(takes, lambda: self._end(live, self._exit(live, code, signal)))

    def _end(self, live: Live, exit_: Exit) -> None:
        if self._is_live(live):
            record = {"code": exit_.code, "signal": exit_.signal, "duration_s": exit_.duration_s,
                      "stragglers": exit_.stragglers, "error": exit_.error, "oom_kills": exit_.oom_kills}  # fmt: skip
            self._record(live.start.folder, "exit.json", record)
            self._gone(live)

    def _gone(self, live: Live) -> None:
        del self._live[live.start.folder]
        self.machine.close(live.locks)
        self.ended.append(live.start.folder)

    def _is_live(self, live: Live) -> bool:
        return self._live.get(live.start.folder) is live

    def _exit(self, live: Live, code: int | None, signal: int | None) -> Exit:
        took = self.machine.clock.monotonic() - live.began
        script = live.script
        return Exit(code=code, signal=signal, duration_s=took, stragglers=script.stragglers, oom_kills=script.oom_kills)

    def _print(self, live: Live) -> None:
        if not self._is_live(live):
            return
        log = live.start.log
        self.machine.store(log, (self.machine.read(log) or b"") + live.script.output)
        if live.script.every_s is not None:
            self.machine.clock.at(live.script.every_s, lambda: self._print(live))

    def _read(self, folder: str, name: str) -> dict[str, Any] | None:
        data = self.machine.read(f"{folder}/{name}")
        return json.loads(data) if data is not None else None

    def _record(self, folder: str, name: str, value: Mapping[str, Any]) -> None:
        self.machine.store(f"{folder}/{name}", json.dumps(value).encode())


def _stop_record(why: StopReason) -> bytes:
    return json.dumps({"why": why.value}).encode()
