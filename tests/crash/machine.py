"""A machine in memory: the real queue, story and shim's put over a model disk, with agents that end when told to."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from agent_queue.core.job import JobId, Stage
from agent_queue.core.lifecycle import Move
from agent_queue.flow import intake
from agent_queue.flow.loop import Loop
from agent_queue.flow.recover import recover_all
from agent_queue.flow.report import Report
from agent_queue.ports import Lock, Start
from agent_queue.system import shim
from agent_queue.system.files import Disk
from agent_queue.wiring import App

from .disk import ModelDisk, ShimCalls
from .invariants import places
from .marks import Chronicle, Created, Dropped, Launched, Moved, Offered, Paused, Pausing, Settled
from .remains import Image
from .virtual import Agent, KilledError, VirtualClock, VirtualEvents, VirtualProcesses, close, exit_code, open_below


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
        agent = Agent(folder, exit_code(start), locks, names, len(self.disk.log))
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
            meaning=app.meaning, cwd="/", now=self.clock.now(), guard=app.intake,
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

    def run(self, *, slots: int = 2, kill_after: int | None = None, signals: Sequence[str] = ()) -> Report:
        """`aq run --once`. Killed at its wait number `kill_after`; agents live on then."""
        app = self.app()
        events = VirtualEvents(self, kill_after, list(signals))
        with app.supervise(slots) as announce:
            announce()
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
        with app.supervise(0) as announce:
            announce()
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


def jobs_in(machine: Machine, stage: Stage) -> list[str]:
    """The jobs that lie in this stage, and in no other."""
    return [job for job, stages in places(machine.root).items() if stages == [stage.value]]


@contextmanager
def booted(image: Image, root: str, chronicle: Chronicle, *, atomic_rename: bool = True) -> Iterator[Machine]:
    """A machine that starts with this on its disk; the folder is removed afterwards."""
    image.write_to(root)
    machine = Machine(ModelDisk(root, image, atomic_rename=atomic_rename), chronicle.past())
    try:
        yield machine
    finally:
        machine.power_off()
        machine.disk.remove()
