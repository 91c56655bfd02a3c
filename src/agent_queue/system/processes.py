"""Life and death of agents: start a shim, read what it recorded, ask it to stop. Satisfies `ports.Processes`."""

import json
import os
import signal
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

from agent_queue.core.outcome import Exit, StopReason
from agent_queue.ports import Lock, Start
from agent_queue.system import kernel, shim_start
from agent_queue.system.files import Disk
from agent_queue.system.records import alive, read_object

if TYPE_CHECKING:
    from agent_queue.system.delegation import Delegation
    from agent_queue.system.nursery import Nursery

PIDFDS = hasattr(os, "pidfd_open")


class MachineProcesses:
    """Processes of this machine, one shim for each."""

    def __init__(self, disk: Disk, delegation: "Delegation | None" = None) -> None:
        """With a `delegation` every agent has a cgroup of its own."""
        self._disk = disk
        self._delegation = delegation
        self._python = getattr(sys, "_base_executable", "") or sys.executable
        self._shim = _compiled(shim_start)
        self._packages = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        self._nursery: Nursery | None = None
        self._children: dict[str, int] = {}

    @contextmanager
    def warm(self) -> Iterator[None]:
        """Have shims forked from a warm parent while the context is open: that is five times cheaper. Linux only."""
        if self._delegation is not None:
            self._delegation.tidy()
        if not PIDFDS:
            yield
            return
        from agent_queue.system import nursery, warm_parent

        self._nursery = nursery.Nursery(self._python, _compiled(warm_parent), self._packages)
        try:
            yield
        finally:
            self._nursery.close()
            self._nursery = None

    def start(self, start: Start, lock: Lock) -> None:
        """Start a shim; it holds `lock` from now on, beside whoever else does. Call it from the main thread only."""
        options = _options(start, self._delegation.group() if self._delegation is not None else "")
        stdin = os.open(start.stdin or os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        log = os.open(start.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            shim = None
            if self._nursery is not None:
                files = (stdin, log, *lock.filenos())
                shim = self._nursery.fork(start.folder, start.cwd, options, start.argv, start.env, files)
            self._children[start.folder] = self._spawned(start, options, stdin, log, lock) if shim is None else shim
        finally:
            os.close(stdin)
            os.close(log)

    def _spawned(self, start: Start, options: str, stdin: int, log: int, lock: Lock) -> int:
        numbers = lock.filenos()
        options = f"{options};locks={':'.join(map(str, numbers))}"
        argv = [self._python, "-I", "-S", self._shim, self._packages, start.folder, start.cwd, options, *start.argv]
        actions = [(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
        for number in numbers:
            os.set_inheritable(number, True)
        try:
            pid = os.posix_spawn(self._python, argv, dict(start.env), file_actions=actions, setsid=True)
        finally:
            for number in numbers:
                os.set_inheritable(number, False)
        return os.pidfd_open(pid) if PIDFDS else pid

    def watched(self, folder: str) -> int | None:
        """A pidfd of this folder's shim, to be closed by the caller, or its pid on a system that has none.

        None when no shim of this folder lives. One that was just started has no run.json yet: it is known as our child.
        """
        child = self._children.pop(folder, None)
        running = self.running(folder) if child is None else None
        if running is None or not alive(running):
            return child
        if not PIDFDS:
            return int(running["shim"])
        try:
            handle = os.pidfd_open(running["shim"])
        except ProcessLookupError:
            return None
        if not alive(running):  # it names one process for good: look who that is only now that it is open
            os.close(handle)
            return None
        return handle

    def running(self, folder: str) -> Mapping[str, Any] | None:
        """What run.json says, None before it is there."""
        return read_object(f"{folder}/run.json")

    def lives(self, folder: str) -> bool:
        """True while the shim of this record folder does."""
        running = self.running(folder)
        return running is not None and alive(running)

    def exit(self, folder: str) -> Exit | None:
        """What the shim recorded at the end, None before."""
        found = read_object(f"{folder}/exit.json")
        if found is None:
            return None
        return Exit(
            code=found.get("exit"), signal=found.get("signal"), duration_s=float(found.get("duration_s", 0.0)),
            stragglers=int(found.get("stragglers", 0)), error=str(found.get("error", "")),
            oom_kills=int(found.get("oom_kills", 0)),
        )  # fmt: skip

    def stopped(self, folder: str) -> StopReason | None:
        """Why the run was stopped, if anybody asked for that."""
        found = read_object(f"{folder}/stop.json")
        if found is None:
            return None
        why = found.get("why")
        return StopReason(why) if why in _REASONS else StopReason.TERMINATED

    def ask_stop(self, folder: str, why: StopReason) -> None:
        """Write stop.json, the first writer wins, then wake the shim if it lives. It looks there before it waits."""
        text = json.dumps({"why": why.value, "at": round(time.time(), 3)}) + "\n"
        self._disk.folder(folder)
        self._disk.create([(f"{folder}/stop.json", text.encode())])
        running = self.running(folder)
        if running is not None:
            signal_process(running, signal.SIGTERM)

    def sweep(self, marker: str) -> int:
        """Kill all carriers of this marker until a scan finds none; one scan alone misses late forks."""
        killed: set[int] = set()
        pause = 0.002
        while found := list(kernel.carriers(marker)):
            for pid in found:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            time.sleep(pause)
            pause = min(pause * 2, 0.5)
            if pause >= 0.5 and all(_undying(pid) for pid in found):
                break
        return len(killed)


def signal_process(running: Mapping[str, Any], number: signal.Signals) -> bool:
    """Signal the shim of a record, and surely no other process; False when it is gone."""
    pid = running.get("shim")
    if not isinstance(pid, int):
        return False
    try:
        if not hasattr(os, "pidfd_open"):
            if alive(running):
                os.kill(pid, number)
            return alive(running)
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        # The descriptor names one process for good: look at the start time only after it is open.
        if not alive(running):
            return False
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def _undying(pid: int) -> bool:
    """A process we may not kill, of another user, is not ours to wait for."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        return True
    return False


def _options(start: Start, group: str) -> str:
    """What the shim is told besides the locks, as its docstring lists it."""
    stop = start.stop
    options = {
        "boot": kernel.boot_id(),
        "deadline": f"{start.deadline_s:.3f}" if start.deadline_s else "",
        "why": start.deadline_why.value,
        "grace": f"{start.grace_s:.3f}",
        "signal": str(int(getattr(signal, stop.signal))),
        "target": stop.target.value,
        "cgroup": group,
    }
    return ";".join(f"{key}={value}" for key, value in options.items())


def _compiled(program: ModuleType) -> str:
    """A program's cached bytecode saves its compilation at every start; its source serves as well."""
    cached, source = getattr(program, "__cached__", ""), str(program.__file__)
    try:
        with open(cached, "rb") as file:
            head = file.read(16)
        now = os.stat(source)
    except OSError:
        return source
    # Run by its name, bytecode of an older source is not noticed by Python: flags 0, then time and size of the source.
    stamp = struct.pack("<III", 0, int(now.st_mtime) & 0xFFFFFFFF, now.st_size & 0xFFFFFFFF)
    return cached if head[4:] == stamp else source


_REASONS = frozenset(StopReason)
