"""The one place where names meet adapters: settings and a root become the tools that the story is told with."""

import os
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from agent_queue.system import settings_files
from agent_queue.system.files import Disk
from agent_queue.system.layout import Layout
from agent_queue.system.old_layout import refuse_old
from agent_queue.wiring.engines import ENGINES, load

if TYPE_CHECKING:
    from agent_queue.core.manifest import Manifest
    from agent_queue.core.meaning import Meaning
    from agent_queue.core.settings import Settings
    from agent_queue.flow.lanes import Lanes
    from agent_queue.flow.oddities import Around
    from agent_queue.flow.tools import Tools
    from agent_queue.ports import Engine
    from agent_queue.queues.folders import FolderQueue
    from agent_queue.queues.glance import Glance
    from agent_queue.system.notifier import Notifier
    from agent_queue.system.offers import HostOffers
    from agent_queue.system.processes import MachineProcesses
    from agent_queue.system.profiles import Profiles
    from agent_queue.system.worktrees import MachineWorkspaces

ALL = "all"
"""The name under which `lanes/` holds the pause of every engine."""


class Adapters:
    """One queue's, each made when first used: a list needs no YAML, no git, no engine."""

    def __init__(self, root: str | None = None, tell: Callable[[str], None] = lambda _: None) -> None:
        self.environment: Mapping[str, str] = dict(os.environ)
        self.layout = Layout(settings_files.root(root, self.environment))
        refuse_old(self.layout.root)
        self.tell = tell
        self._engines: dict[str, Engine | None] = {}
        self._looked_at = -1.0
        self._strained: str | None = None

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

    @cached_property
    def processes(self) -> "MachineProcesses":
        from agent_queue.system.delegation import Delegation, delegated
        from agent_queue.system.processes import MachineProcesses

        folder = delegated()
        return MachineProcesses(self.disk, Delegation(folder, self.settings.limits.memory) if folder else None)

    @cached_property
    def workspaces(self) -> "MachineWorkspaces":
        from agent_queue.system.worktrees import MachineWorkspaces

        return MachineWorkspaces(self.layout, self.disk, self.settings.workspace)

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
        from agent_queue.system import host, vitals
        from agent_queue.system.clock import MachineClock
        from agent_queue.system.log_cap import cap_log
        from agent_queue.system.prices import ListPrices

        return Tools(
            queue=self.queue, workspaces=self.workspaces, processes=self.processes, clock=MachineClock(),
            settings=self.settings, host=host.host(), environment=self.without_token(), engine=self.engine,
            program=host.find, child_environment=host.child_environment, side_files=host.side_files,
            offers=self.offers.lookup, mutexes=self.mutexes, closed_lanes=self.closed_lanes, lanes=self.lanes,
            prices=ListPrices(self.settings.prices), tell=self.tell,
            notify=self.notifier, strain=self.strain, vitals=vitals.vitals, changed_since=vitals.changed_since,
            cap_log=cap_log,
        )  # fmt: skip

    @cached_property
    def lanes(self) -> "Lanes":
        from agent_queue.flow.lanes import Lanes
        from agent_queue.flow.notices import of_lane
        from agent_queue.queues.lanes import LaneFolder
        from agent_queue.system.clock import MachineClock

        folder = LaneFolder(f"{self.layout.root}/lanes", self.disk)
        told = lambda engine, shut: self.notifier(of_lane(engine, shut))  # noqa: E731
        return Lanes(folder, self.settings, MachineClock(), self.tell, told)

    def strain(self) -> str | None:
        """Why this machine takes no further job now, as of the last second."""
        from agent_queue.core.limits import strain
        from agent_queue.system.vitals import machine

        if (now := time.monotonic()) - self._looked_at >= 1:
            self._looked_at, self._strained = now, strain(self.settings.limits, machine(self.layout.root))
        return self._strained

    @cached_property
    def notifier(self) -> "Notifier":
        from agent_queue.system.notifier import Notifier

        return Notifier(self.settings.notify, {"root": self.layout.root}, self.tell)

    def without_token(self) -> dict[str, str]:
        """Our environment as the story may see it: a tracker's token never reaches an agent, whatever it may see."""
        from agent_queue.core.tracker_settings import TOKEN_ENV

        tokens = (TOKEN_ENV, self.settings.tracker.token_env)
        return {name: value for name, value in self.environment.items() if name not in tokens}

    def engine(self, name: str) -> "Engine | None":
        """An adapter by name, by an installed entry point, or as `module:Class`; None when there is none."""
        if name not in self._engines:
            self._engines[name] = load(name, self.tell)
        return self._engines[name]

    @cached_property
    def around(self) -> "Around":
        """What a job file can name here."""
        from agent_queue.flow.oddities import Around

        return Around(
            engines=ENGINES, is_engine=lambda name: self.engine(name) is not None,
            is_folder=lambda folder: os.path.isdir(os.path.expanduser(folder)),
        )  # fmt: skip

    def mutexes(self, manifest: "Manifest") -> tuple[str, ...]:
        from agent_queue.core.schedule import mutexes

        plan = self.workspaces.plan(manifest)
        place = plan.repository or os.path.realpath(plan.cwd)
        return mutexes(manifest.lock, place=place, in_place=not plan.worktree)

    def closed_lanes(self) -> dict[str, str]:
        """Engines that a person paused."""
        names = sorted(os.listdir(f"{self.layout.root}/lanes"))
        engines = (name.removesuffix(".paused") for name in names if name.endswith(".paused"))
        return {"*" if engine == ALL else engine: "paused" for engine in engines}

    def unmet(self, name: str, soft: bool) -> str | None:
        from agent_queue.flow.dependencies import unmet

        return unmet(self.queue, name, soft)
