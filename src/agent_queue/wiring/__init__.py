"""The one place where names meet adapters: settings and a root become the tools that the story is told with."""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from agent_queue.core.errors import AqError
from agent_queue.core.job import Stage
from agent_queue.system import settings_files
from agent_queue.system.files import Disk
from agent_queue.system.layout import Layout
from agent_queue.wiring.engines import ENGINES, load

__all__ = ["ALL", "ENGINES", "App", "opened"]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent_queue.core.manifest import Manifest
    from agent_queue.core.meaning import Meaning
    from agent_queue.core.settings import Settings
    from agent_queue.flow.loop import Report
    from agent_queue.flow.tools import Tools
    from agent_queue.ports import Engine
    from agent_queue.queues.folders import FolderQueue
    from agent_queue.queues.glance import Glance
    from agent_queue.system.offers import HostOffers
    from agent_queue.system.processes import MachineProcesses
    from agent_queue.system.profiles import Profiles
    from agent_queue.system.worktrees import MachineWorkspaces

ALL = "all"
"""The name under which `lanes/` holds the pause of every engine."""


class App:
    """One queue and what is needed to work on it, made when first used: a list needs no YAML, no git, no engine."""

    def __init__(self, root: str | None = None, tell: Callable[[str], None] = lambda _: None) -> None:
        self.environment: Mapping[str, str] = dict(os.environ)
        self.layout = Layout(settings_files.root(root, self.environment))
        self.tell = tell
        self._engines: dict[str, Engine | None] = {}

    @cached_property
    def settings(self) -> "Settings":
        from agent_queue.core.settings import settings

        return settings(settings_files.read(self.layout.settings), self.environment)

    @cached_property
    def disk(self) -> Disk:
        return Disk(self.layout.scratch, durable=self.settings.run.durability == "full")

    @cached_property
    def queue(self) -> "FolderQueue":
        from agent_queue.queues.folders import FolderQueue
        from agent_queue.system.clock import MachineClock

        return FolderQueue(self.layout, self.disk, MachineClock(), self.meaning)

    @cached_property
    def profiles(self) -> "Profiles":
        from agent_queue.system.profiles import Profiles

        return Profiles(settings_files.profile_folders(self.layout.root, self.environment))

    @cached_property
    def meaning(self) -> "Meaning":
        from agent_queue.wiring.meaning import meaning

        return meaning(self.settings, self.profiles, self.mutexes, lambda: self.tools)

    @cached_property
    def glance(self) -> "Glance":
        from agent_queue.queues.glance import Glance
        from agent_queue.queues.glimpse import Answers

        answers = Answers(lambda: self.settings, lambda: self.meaning, lambda: self.queue, self.engine)
        profiles = settings_files.profile_folders(self.layout.root, self.environment)
        stamp = settings_files.fingerprint(self.layout.settings, profiles, self.environment)
        return Glance(self.layout, answers, stamp)

    def status(self) -> dict[str, Any]:
        """The whole queue as doors show it, told without the queue's own tools, which take time to import."""
        from datetime import UTC, datetime

        from agent_queue.flow.views import status

        return status(
            self.glance.board(), root=self.layout.root, supervisor=self.supervisor(), lanes=self.closed_lanes(),
            now=datetime.now(UTC), unmet=self.unmet,
        )  # fmt: skip

    def insights(self, by: str, since: float, most: int | None) -> dict[str, Any]:
        """What jobs took, rolled up; of those that have come to an end the `most` latest are listed."""
        from agent_queue.core.rollup import By
        from agent_queue.flow.views_insights import of_all
        from agent_queue.queues.ledger import Ledger

        ledger = Ledger(self.layout)
        stages, waiting = ledger.stages(), frozenset[str]()
        if Stage.REVIEW in stages.values():
            rows = [row for row in self.glance.board()["rows"] if row["stage"] is Stage.REVIEW]
            waiting = frozenset(row["id"] for row in rows if not row["pending"] and not row["verify"])
        return of_all(ledger.pasts(), stages, waiting, by=By(by), since=since, most=most)

    @cached_property
    def processes(self) -> "MachineProcesses":
        from agent_queue.system.processes import MachineProcesses

        return MachineProcesses(self.disk)

    @cached_property
    def workspaces(self) -> "MachineWorkspaces":
        from agent_queue.system.worktrees import MachineWorkspaces

        return MachineWorkspaces(self.layout.work)

    @cached_property
    def offers(self) -> "HostOffers":
        from agent_queue.system.offers import HostOffers

        return HostOffers(f"{self.layout.own}/host.json", Disk(self.layout.scratch, durable=False), self.installed)

    def installed(self) -> dict[str, str]:
        """The engines of this host with their programs."""
        from agent_queue.flow.choose_engine import find_program

        found = {name: find_program(name, engine, self.tools) for name in ENGINES if (engine := self.engine(name))}
        return {name: program for name, program in found.items() if program is not None}

    @cached_property
    def tools(self) -> "Tools":
        from agent_queue.flow.tools import Tools
        from agent_queue.system import host
        from agent_queue.system.clock import MachineClock

        return Tools(
            queue=self.queue, workspaces=self.workspaces, processes=self.processes, clock=MachineClock(),
            settings=self.settings, host=host.host(), environment=self.environment, engine=self.engine,
            program=host.find, child_environment=host.child_environment, side_files=host.side_files,
            offers=self.offers.lookup, mutexes=self.mutexes, closed_lanes=self.closed_lanes, tell=self.tell,
        )  # fmt: skip

    def engine(self, name: str) -> "Engine | None":
        """An adapter by name, by an installed entry point, or as `module:Class`; None when there is none."""
        if name not in self._engines:
            self._engines[name] = load(name)
        return self._engines[name]

    def mutexes(self, manifest: "Manifest") -> tuple[str, ...]:
        from agent_queue.core.schedule import mutexes

        plan = self.workspaces.plan(manifest)
        return mutexes(manifest.lock, place=plan.repository or plan.cwd, in_place=not plan.worktree)

    def closed_lanes(self) -> dict[str, str]:
        """Engines that a person paused."""
        names = sorted(os.listdir(f"{self.layout.root}/lanes"))
        engines = (name.removesuffix(".paused") for name in names if name.endswith(".paused"))
        return {"*" if engine == ALL else engine: "paused" for engine in engines}

    def pause(self, engine: str | None, *, paused: bool) -> None:
        """Let an engine, or all of them, start no more jobs; or undo that. What runs, runs on."""
        path = self.layout.lane(engine or ALL)
        if paused:
            self.disk.put(path, b"")
        else:
            self.disk.remove(path)
            self.disk.sync_folder(os.path.dirname(path))

    def stop(self, signal_name: str) -> bool:
        """Signal the supervisor; False when none lives."""
        import signal

        from agent_queue.system.supervisor import tell

        return tell(self.layout, signal.Signals[signal_name])

    def unmet(self, name: str, soft: bool) -> str | None:
        from agent_queue.flow.dependencies import unmet

        return unmet(self.queue, name, soft)

    @contextmanager
    def intake(self) -> "Iterator[None]":
        """Keep other adders out: from the look-up of free ids to the creation."""
        from agent_queue.system import locks

        lock = locks.take([f"{self.layout.own}/intake"], wait=True)
        assert lock is not None
        try:
            yield
        finally:
            lock.close()

    def supervisor(self) -> "Mapping[str, Any] | None":
        """The note of the supervisor that lives; None when none does."""
        from agent_queue.system.supervisor import find

        return find(self.layout)

    def supervise(self, slots: int) -> "AbstractContextManager[None]":
        """Be this queue's supervisor while the context is open."""
        from agent_queue.system.supervisor import supervise

        return supervise(self.layout, self.disk, slots=slots, started_at=self.tools.clock.now().timestamp())

    def run(self, slots: int, *, once: bool, wait_s: float, engine: str | None) -> "tuple[Report, bool]":
        """Be this queue's supervisor; what was done, and whether a signal ended it."""
        from agent_queue.flow.loop import Loop, Stopping
        from agent_queue.system.events import MachineEvents

        folders = [*(self.layout.stage(stage) for stage in Stage), f"{self.layout.root}/lanes"]
        with self.supervise(slots), self.processes.warm(), MachineEvents(self.processes, folders) as events:
            loop = Loop(self.tools, events, slots, once=once, wait_s=wait_s, only_engine=engine)
            return loop.run(), loop.stopping is not Stopping.NO

    def patience(self, ready: Callable[[], bool], *, seconds: float, every_s: float = 0.01) -> bool:
        """Wait until something is so; False when the time is over."""
        from agent_queue.system.events import wait_until

        return wait_until(ready, seconds=seconds, every_s=every_s)

    def probe(self, programs: "Iterable[str]") -> dict[str, Any]:
        from agent_queue.system.probe import probe

        return probe(self.layout, programs)

    def initialise(self) -> bool:
        """Make the queue's folders and a configuration to edit; False when the queue is there."""
        from agent_queue.queues.create import create

        return create(self.layout)


def opened(root: str | None, tell: Callable[[str], None] = lambda _: None) -> App:
    """The queue at this root, which must be there.

    Raises:
        AqError: there is no queue.
    """
    app = App(root, tell)
    if not app.layout.holds_jobs():
        raise AqError(f"no queue at {app.layout.root}", hint="`aq init` makes one; --root or AGENT_QUEUE_ROOT names it")
    if not app.layout.exists():
        app.initialise()  # somebody tidied up: what is missing can be made again
    return app
