"""A machine in memory: the real queue, story and shim's put over a model disk, with agents that end when told to.

Processes, time and waiting are small honest stand-ins behind the ports; everything that writes is the product.
"""

import fcntl
import os
import random
import re
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from agent_queue.core.job import JobId, Stage
from agent_queue.core.lifecycle import Move
from agent_queue.core.outcome import StopReason
from agent_queue.flow import intake
from agent_queue.flow.loop import Loop, Report
from agent_queue.flow.recover import recover_all
from agent_queue.ports import FileChange, Lock, Start, Woken
from agent_queue.queues import inbox
from agent_queue.system import shim
from agent_queue.system.files import Disk
from agent_queue.system.processes import MachineProcesses
from agent_queue.wiring import App

from .disk import Image, ModelDisk, ShimCalls
from .invariants import places
from .marks import Chronicle, Created, Dropped, Launched, Moved, Offered, Paused, Pausing, Settled

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    def child(self, folder: str) -> int | None:
        return None

    def ask_stop(self, folder: str, why: StopReason) -> None:
        super().ask_stop(folder, why)
        self._machine.stop_soon(folder)

    def sweep(self, marker: str) -> int:
        return 0


class Machine:
    """One boot of a machine with one queue. `chronicle` is what the world knows of it so far."""

    def __init__(self, disk: ModelDisk, chronicle: Chronicle | None = None, clock: VirtualClock | None = None) -> None:
        self.disk = disk
        self.chronicle = chronicle or Chronicle()
        self.clock = clock or VirtualClock()
        self.agents: dict[str, Agent] = {}
        self.launched: list[Agent] = []
        self.told: list[str] = []
        self.killed_at = 0
        """How often the disk had changed when the supervisor was killed."""
        self.fatal = ""
        """Starting a process whose record folder has this in its path kills the supervisor, and whatever else."""

    @property
    def root(self) -> str:
        return self.disk.root

    def mark(self, mark: Any) -> None:
        self.chronicle.marks.append((len(self.disk.log), mark))

    def app(self) -> App:
        """What a fresh process makes of this queue."""
        app = App(self.root, self.told.append)
        app.__dict__["disk"] = Disk(app.layout.scratch, calls=self.disk.calls())
        app.__dict__["processes"] = VirtualProcesses(app.disk, self)
        app.__dict__["tools"] = replace(app.tools, clock=self.clock)
        self._observe(app)
        return app

    def _observe(self, app: App) -> None:
        """Note every promise that the queue makes."""
        queue: Any = app.queue
        create, settle = queue.create, queue.settle

        def created(files: Sequence[tuple[JobId, bytes]]) -> list[bool]:
            for job, data in files:
                self.mark(Offered(job, data))
            made: list[bool] = create(files)
            for (job, data), done in zip(files, made, strict=True):
                if done:
                    self.mark(Created(job, data))
            return made

        def settled(moves: Sequence[Move]) -> list[Move]:
            done: list[Move] = settle(moves)
            for move in done:
                self.mark(Settled(move))
            return done

        queue.create, queue.settle = created, settled

    # Processes.

    def launch(self, start: Start, lock: Lock) -> None:
        folder = self.disk.short(start.folder)
        job = folder.split("/")[1]
        for other in self.agents.values():
            if other.folder.split("/")[1] == job:
                self.chronicle.wrong.append(f"{folder} was launched while {other.folder} runs")
        self.mark(Launched(folder))
        locks = [os.dup(number) for number in lock.filenos()]
        names = [self.disk.short(os.readlink(f"/proc/self/fd/{number}")) for number in locks]
        agent = Agent(folder, _code(start), locks, names, len(self.disk.log))
        self.agents[start.folder] = agent
        self.launched.append(agent)
        if self.fatal and self.fatal in start.folder:
            self.killed_at = len(self.disk.log)
            raise KilledError
        self._record(start.folder, "run.json", '{"shim":null}\n', durable=False)

    def stop_soon(self, folder: str) -> None:
        """The shim was told to stop its agent, which ends well all the same: stop.json must outrank that."""
        if folder in self.agents:
            self.agents[folder].code = 0

    def end_one(self) -> str | None:
        """The agent that was started first ends: its shim records that, then lets go of the job."""
        for folder, agent in self.agents.items():
            text = f'{{"exit":{agent.code},"signal":null,"duration_s":1.000,"stragglers":0,"error":""}}\n'
            self._record(folder, "exit.json", text, durable=True)
            agent.ended = len(self.disk.log)
            del self.agents[folder]
            close(agent.locks)
            return folder
        return None

    def _record(self, folder: str, name: str, text: str, *, durable: bool) -> None:
        """The real shim's put, over the model."""
        own: Any = shim.posix
        calls: Any = ShimCalls(self.disk)
        shim.posix = calls
        try:
            here = calls.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                shim.put(here, name, text, durable=durable)
            finally:
                calls.close(here)
        finally:
            shim.posix = own

    # What people and supervisors do.

    def add(self, name: str, body: str, *keys: str) -> str:
        """`aq add`; returns the job's id."""
        app = self.app()
        text = "\n".join(("---", "engine: shell", *keys, "---", body, ""))
        added = intake.add(
            app.queue, [intake.Source(name=f"{name}.md", data=text.encode(), stem=name)], keys={},
            defaults=app.settings.defaults, cwd="/", now=self.clock.now(), guard=app.intake,
        )  # fmt: skip
        return str(added[0].job)

    def drop(self, job: str, body: str, *keys: str) -> None:
        """A person writes a file into the inbox, as `cp` does: nothing is flushed."""
        data = "\n".join(("---", "engine: shell", "cwd: /", *keys, "---", body, "")).encode()
        self.mark(Dropped(job, data))
        number = self.disk.open(f"{self.root}/inbox/{job}.md", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self.disk.write(number, data)
        self.disk.close(number)

    def move(self, job: str, stage: Stage) -> bool:
        """A person's `mv` into a stage; False where there is nothing to move."""
        for origin in Stage:
            if origin is not stage and os.path.exists(f"{self.root}/{origin}/{job}.md"):
                self.disk.rename(f"{self.root}/{origin}/{job}.md", f"{self.root}/{stage}/{job}.md")
                self.mark(Moved(job, stage.value))
                return True
        return False

    def run(
        self, *, slots: int = 2, kill_after: int | None = None, signals: Sequence[str] = (), finish: bool = True
    ) -> Report:  # fmt: skip
        """`aq run --once`. Killed at its wait number `kill_after`; agents live on then."""
        app = self.app()
        events = VirtualEvents(self, app, kill_after, list(signals), finish)
        with app.supervise(slots):
            report = Loop(app.tools, events, slots, once=True, wait_s=1e9).run()
        self.process_ends()
        return report

    def pause(self, engine: str, *, paused: bool) -> None:
        """`aq pause` and `aq resume`."""
        self.mark(Pausing(engine))
        self.app().pause(engine, paused=paused)
        self.mark(Paused(engine, paused))

    def recover(self) -> None:
        """`aq recover`: settle what a crash left, start nothing."""
        app = self.app()
        with app.supervise(0):
            recover_all(app.tools)
        self.process_ends()

    def power_off(self) -> None:
        """Every process dies, and the kernel lets go of their files."""
        self.agents.clear()
        close(open_below(self.root))

    def process_ends(self) -> None:
        """The supervisor's or caller's process is gone: the kernel closes what no shim holds as well."""
        kept = {number for agent in self.agents.values() for number in agent.locks}
        close([number for number in open_below(self.root) if number not in kept])

    def killed(self, at: int, root: str, *, keep: bool = False) -> "Machine":
        """The machine, its queue now at `root`, after the process that made its latest changes was killed when there
        were `at` of them. Agents live on and hold their jobs' locks; one that ended later has not ended yet.

        `keep`: this machine stays as it is.
        """
        after = Machine(self.disk.killed(at, root), self.chronicle.until(at), self.clock)
        for agent in self.launched:
            if agent.began <= at and (agent.ended is None or agent.ended > at):
                after.adopt(agent)
        if not keep:
            self.power_off()
            self.disk.remove()
        return after

    def adopt(self, agent: Agent) -> None:
        """Have an agent that was launched earlier, its locks held here."""
        locks: list[int] = []
        for name in agent.lock_names:
            locks.append(os.open(f"{self.root}/{name}", os.O_RDWR | os.O_CREAT, 0o600))
            fcntl.flock(locks[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine = replace(agent, locks=locks, ended=None)
        self.agents[f"{self.root}/{agent.folder}"] = mine
        self.launched.append(mine)


class VirtualEvents:
    """Satisfies `ports.Events`: when the supervisor waits, the next agent ends, or else time passes."""

    def __init__(
        self, machine: Machine, app: App, kill_after: int | None, signals: list[str], finish: bool
    ) -> None:  # fmt: skip
        self._machine = machine
        self._layout = app.layout
        self._kill_after = kill_after
        self._signals = signals
        self._finish = finish
        self._deeds: list[tuple[str, Callable[[], Any]]] = []
        self._told: dict[str, int] = {}
        self._waits = 0

    def watch_process(self, folder: str) -> bool:
        return folder in self._machine.agents

    def later(self, key: str, deed: Callable[[], Any]) -> None:
        self._deeds.append((key, deed))

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
            folder = self._machine.end_one() if self._finish else None
            ended = [folder] if folder else []
            if not ended:
                self._machine.clock.passed_s += max(timeout_s or 0.0, 0.001)
        return Woken(ended=ended, finished=finished, signals=signals, files=files)

    def _news(self) -> list[FileChange]:
        """Files of the inbox that were closed after writing, or put there, since the last wait."""
        folder = self._layout.stage(Stage.INBOX)
        seen = {f"{folder}/{name}": os.stat(f"{folder}/{name}").st_ino for name in os.listdir(folder)}
        fresh = [FileChange(path, whole=True) for path, inode in sorted(seen.items()) if self._told.get(path) != inode]
        self._told = seen
        return fresh


def jobs_in(machine: Machine, stage: Stage) -> list[str]:
    """The jobs that lie in this stage, and in no other."""
    return [job for job, stages in places(machine.root).items() if stages == [stage.value]]


def _value(deed: Callable[[], Any]) -> Any:
    try:
        return deed()
    except Exception as error:  # noqa: BLE001 - carried to the loop, as the real one does
        return error


def _code(start: Start) -> int:
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


@contextmanager
def booted(image: Image, root: str, chronicle: Chronicle, *, atomic_rename: bool = True) -> "Iterator[Machine]":
    """A machine that starts with this on its disk; the folder is removed afterwards."""
    image.write_to(root)
    machine = Machine(ModelDisk(root, image, atomic_rename=atomic_rename), chronicle.past())
    try:
        yield machine
    finally:
        machine.power_off()
        machine.disk.remove()
