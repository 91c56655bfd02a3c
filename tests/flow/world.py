"""A world in memory for the story: a queue, scripted agents and a clock, and supervisors that can be killed in it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Semaphore, Thread
from typing import Any

from agent_queue.core.board import Changes, FileChange
from agent_queue.core.engine_class import candidates
from agent_queue.core.history import Entry, History
from agent_queue.core.job import JobId, Stage
from agent_queue.core.lifecycle import Job
from agent_queue.core.limits import Vitals
from agent_queue.core.manifest import Manifest
from agent_queue.core.meaning import Meaning
from agent_queue.core.run import Host, Start
from agent_queue.core.schedule import mutexes
from agent_queue.core.settings import RunSettings, Settings
from agent_queue.flow.lanes import Lanes
from agent_queue.flow.loop import Loop
from agent_queue.flow.report import Report
from agent_queue.flow.tools import Tools
from agent_queue.testing.clock import FakeClock
from agent_queue.testing.engine import ScriptedEngine
from agent_queue.testing.events import FakeEvents
from agent_queue.testing.lanes import MemoryLanes
from agent_queue.testing.machine import Killed, Machine, job_file
from agent_queue.testing.processes import FakeProcesses, Script
from agent_queue.testing.queue import MemoryLock, MemoryQueue
from agent_queue.testing.workspaces import FakeWorkspaces

VERIFY = "verify"


class World:
    """One machine with a queue. Every supervisor and every caller is a process of its own, with its own view."""

    def __init__(self, **run: Any) -> None:
        self.clock = FakeClock()
        self.machine = Machine(self.clock)
        self.processes = FakeProcesses(self.machine, self._script)
        self.workspaces = FakeWorkspaces(self.machine, {"/repo": {"README": b"hello"}}, {"/plain"})
        self.settings = Settings(run=RunSettings(**run))
        self.engines = {"scripted": ScriptedEngine(), "other": ScriptedEngine("other")}
        self.installed = {"scripted", "other"}
        self.environment: dict[str, str] = {"PATH": "/bin", "SECRET": "s", "SCRIPTED_KEY": "k"}
        self.lanes: dict[str, str] = {}
        self.parked = MemoryLanes(self.machine)
        self.strain: str | None = None
        self.vitals: Callable[[str], Vitals | None] = lambda _: None
        """What the processes of a run folder take."""
        self.edits: list[float] = []
        """When somebody changed a file of a workspace, epoch seconds."""
        self.capped: list[tuple[str, int]] = []
        self.offered = {"os", "git"}
        self.told: list[str] = []
        self.side_files: Callable[[str], list[tuple[str, bytes]]] = lambda _: []
        self.tell: Callable[[str], None] = self.told.append
        self.looked_at: list[FileChange] = []
        self.at_lock: dict[JobId, Callable[[], object]] = {}
        """What happens right before somebody next tries to lock a job."""
        self.queue = self.view()
        self.loop: Loop | None = None
        self._scripts: dict[str, list[Script]] = {}
        self._events: FakeEvents | None = None

    # What a test sets up.

    def add(self, name: str = "a", body: str = "Do it.", **keys: Any) -> JobId:
        """A new job in the inbox."""
        job = JobId(name)
        assert self.queue.create([(job, job_file(body, **{"engine": "scripted", "cwd": "/repo", **keys}))]) == [True]
        return job

    def will(self, job: str, *scripts: Script, verify: bool = False) -> None:
        """What the next agents (or verifies) of a job do, in their order; after that, and else, all go well."""
        self._scripts.setdefault(f"{job} {VERIFY}" if verify else job, []).extend(scripts)

    def at(self, seconds: float, deed: Callable[[], object]) -> None:
        """Have something happen so many seconds from now."""
        self.clock.at(seconds, deed)

    def signal(self, seconds: float, *names: str) -> None:
        """Send the supervisor signals so many seconds from now."""
        for name in names:
            self.at(seconds, lambda name=name: self._events and self._events.signal(name))

    @property
    def events(self) -> FakeEvents:
        """Those of the supervisor that runs."""
        assert self._events is not None
        return self._events

    def die(self, seconds: float) -> None:
        """Kill the supervisor so many seconds from now."""

        def kill() -> None:
            raise Killed

        self.at(seconds, kill)

    # Processes of aq.

    def view(self) -> MemoryQueue:
        return _Recorded(self)

    def tools(self, queue: MemoryQueue) -> Tools:
        return Tools(
            queue=queue, workspaces=self.workspaces, processes=self.processes, clock=self.clock,
            settings=self.settings, host=Host(), environment=self.environment, engine=self.engines.get,
            program=lambda name: f"/bin/{name}" if name in self.installed else None,
            child_environment=_child_environment, side_files=self.side_files, prices=lambda _: None,
            mutexes=self.mutexes,
            offers=lambda key, value: (value or "1",) if key in self.offered else (),
            strain=lambda: self.strain, vitals=lambda folder, _: self.vitals(folder),
            changed_since=lambda _, since: any(time >= since for time in self.edits),
            cap_log=lambda path, most: self.capped.append((path, most)),
            lanes=Lanes(self.parked, self.settings, self.clock, self.tell), closed_lanes=lambda: self.lanes,
            tell=self.tell,
        )  # fmt: skip

    def supervise(self, *, slots: int = 3, once: bool = True, **options: Any) -> Report | None:
        """Run a supervisor to its end; None when it was killed."""
        queue = self.view()
        self._events = FakeEvents(self.machine, self.processes)
        self.loop = Loop(self.tools(queue), self._events, slots, once=once, **options)
        try:
            return self.loop.run()
        except Killed:
            return None
        finally:
            self._events = None
            self.machine.writes_left = None
            queue.dies()  # the end of a process, whichever it was

    @contextmanager
    def caller(self) -> Iterator[Tools]:
        """Another process of aq, e.g. one that a person calls."""
        queue = self.view()
        try:
            yield self.tools(queue)
        finally:
            queue.dies()

    def patience(self, ready: Callable[[], bool], *, seconds: float) -> bool:
        """Wait while no supervisor runs: time goes on at once."""
        for _ in range(round(seconds * 10)):
            if ready():
                return True
            self.clock.advance(0.1)
        return ready()

    # What a test asks.

    def job(self, name: str = "a") -> Job:
        found = self.queue.job(JobId(name))
        assert found is not None
        return found

    def stage(self, name: str = "a") -> Stage:
        return self.job(name).stage

    def past(self, name: str = "a") -> History:
        return self.queue.past(JobId(name))

    def result(self, name: str = "a") -> Any:
        return self.past(name).state.get("result")

    def entries(self, name: str = "a", *events: str) -> list[Entry]:
        """The journal, or its entries of these kinds."""
        return [entry for entry in self.queue.history(JobId(name)) if not events or entry["event"] in events]

    def way(self, name: str = "a") -> list[str]:
        """The moves that a job made."""
        return [str(entry["move"]) for entry in self.entries(name, "move", "moved_by_hand")]

    def starts(self, name: str = "a", *, verify: bool = False) -> list[Start]:
        """The agents (or verifies) that were started for a job."""
        return [
            start
            for start in self.processes.started
            if start.env["AQ_JOB_ID"] == name and (f"/{VERIFY}/" in start.folder) == verify
        ]

    def file(self, path: str) -> str:
        data = self.machine.read(path)
        assert data is not None, f"{path} is not there"
        return data.decode()

    def lies_free(self, *names: str) -> bool:
        """True when nobody holds any of these jobs."""
        locks = [self.queue.lock(JobId(name)) for name in names]
        for lock in locks:
            if lock is not None:
                lock.close()
        return None not in locks

    def _script(self, start: Start) -> Script:
        key = start.env["AQ_JOB_ID"] + (f" {VERIFY}" if f"/{VERIFY}/" in start.folder else "")
        scripts = self._scripts.get(key)
        return scripts.pop(0) if scripts else Script()

    def mutexes(self, manifest: Manifest) -> tuple[str, ...]:
        plan = self.workspaces.plan(manifest)
        return mutexes(manifest.lock, place=plan.repository or plan.cwd, in_place=not plan.worktree)

    def candidates(self, manifest: Manifest) -> tuple[str, ...]:
        names = candidates(manifest, self.settings.classes)
        return names if manifest.engine else tuple(name for name in names if name in self.installed)

    def fallback(self, manifest: Manifest) -> tuple[str, ...]:
        return tuple(name for name in manifest.fallback if name in self.installed)


def _child_environment(environment: Mapping[str, str], patterns: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    seen = {name: value for name, value in environment.items() if name == "PATH" or f"{name[:8]}_*" in patterns}
    return seen, sorted(environment.keys() - seen.keys())


class _Recorded(MemoryQueue):
    """Notes which changed files the supervisor passed on, and lets a test in just before a lock is taken."""

    def __init__(self, world: World) -> None:
        super().__init__(
            world.machine, Meaning(mutexes=world.mutexes, engines=world.candidates, fallback=world.fallback)
        )
        self._changes = world.looked_at
        self._at_lock = world.at_lock

    def lock(self, job: JobId, names: Iterable[str] = ()) -> MemoryLock | None:
        self._at_lock.pop(job, lambda: None)()
        return super().lock(job, names)

    def look(self, files: Sequence[FileChange] | None = None) -> Changes:
        self._changes.extend(files or ())
        return super().look(files)


class Beside:
    """A caller that waits for the supervisor while the supervisor works: the two take turns, one at a time."""

    def __init__(self, world: World, deed: Callable[[Tools, Any], Any], *, after_s: float) -> None:
        self.value: Any = None
        self.error: BaseException | None = None
        self._world = world
        self._deed = deed
        self._mine, self._theirs = Semaphore(0), Semaphore(0)
        self._thread = Thread(target=self._run, daemon=True)
        world.at(after_s, self._begin)

    def end(self) -> None:
        """Let time pass until the caller has done, also after the supervisor has."""
        for _ in range(10_000):
            if self.value is not None or self.error is not None:
                return
            self._world.clock.advance(0.1)
        raise AssertionError("the caller waits for ever")

    def _begin(self) -> None:
        self._thread.start()
        self._theirs.acquire()

    def _run(self) -> None:
        try:
            with self._world.caller() as tools:
                self.value = self._deed(tools, self._wait)
        except BaseException as error:  # noqa: BLE001 - shown to the test
            self.error = error
        self._theirs.release()

    def _wait(self, ready: Callable[[], bool], *, seconds: float) -> bool:
        for _ in range(round(seconds * 10)):
            if ready():
                return True
            self._world.at(0.1, self._turn)
            self._theirs.release()
            self._mine.acquire()
        return ready()

    def _turn(self) -> None:
        self._mine.release()
        self._theirs.acquire()
