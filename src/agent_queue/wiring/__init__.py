"""What doors hold in their hands: one queue, with everything that can be asked of it or done to it."""

import gc
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from agent_queue.core.errors import AqError
from agent_queue.core.job import Stage
from agent_queue.system import settings_files
from agent_queue.wiring import budgets, lanes
from agent_queue.wiring.adapters import Adapters
from agent_queue.wiring.engines import ENGINES

__all__ = ["ENGINES", "App", "opened"]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agent_queue.core.owed import Owed
    from agent_queue.core.redaction import Redaction
    from agent_queue.flow.report import Report
    from agent_queue.system.service import Service


class App(Adapters):
    """One queue and what doors do with it."""

    def status(self) -> dict[str, Any]:
        """The whole queue as doors show it, told without the queue's own tools, which take time to import."""
        from datetime import UTC, datetime

        from agent_queue.flow.views import status

        shut, strain = lanes.parked(self), {"*": reason} if (reason := lanes.strained(self)) else {}
        spent = budgets.shown(self)
        return status(
            self.glance.board(), root=self.layout.root, supervisor=self.supervisor(), now=datetime.now(UTC),
            lanes={**{engine: one.reason for engine, one in shut.items()}, **strain, **self.closed_lanes()},
            unmet=self.unmet, until={engine: one.until for engine, one in shut.items()}, outbox=self.outbox(),
            profiles=spent[0].profiles if spent is not None else {},
        )  # fmt: skip

    def outbox(self) -> "Sequence[Owed]":
        """The jobs whose tracker items wait for news."""
        if not any(name.endswith(".json") for name in os.listdir(self.layout.outbox)):
            return ()
        from agent_queue.queues.outbox import read

        return read(self.layout.outbox)

    def insights(self, by: str, since: float, most: int | None) -> dict[str, Any]:
        """What jobs took, rolled up; of those that have come to an end the `most` latest are listed."""
        from agent_queue.core.rollup import By
        from agent_queue.flow.views_insights import of_all
        from agent_queue.queues.ledger import Ledger

        gc.disable()  # thousands of small objects are made and none is dropped: collecting meanwhile only takes time
        try:
            ledger = Ledger(self.layout)
            stages, waiting = ledger.stages(), frozenset[str]()
            if Stage.REVIEW in stages.values():
                rows = [row for row in self.glance.board()["rows"] if row["stage"] is Stage.REVIEW]
                waiting = frozenset(row["id"] for row in rows if not row["pending"] and not row["verify"])
            return of_all(ledger.pasts(), stages, waiting, by=By(by), since=since, most=most)
        finally:
            gc.enable()

    @cached_property
    def redaction(self) -> "Redaction":
        """What takes secrets out of a text that is shown."""
        from agent_queue.flow.secrets import redaction

        return redaction(self.environment, self.settings)

    def written_at(self, path: str) -> float | None:
        """When a file was last written, epoch seconds; None for what is no file."""
        return os.path.getmtime(path) if os.path.isfile(path) else None

    def pause(self, engine: str | None, *, paused: bool) -> None:
        """Let an engine, or all of them, start no more jobs; or undo that. What runs, runs on."""
        lanes.pause(self, engine, paused=paused)

    def stop(self, signal_name: str) -> bool:
        """Signal the supervisor; False when none lives."""
        import signal

        from agent_queue.system.supervisor import tell

        return tell(self.layout, signal.Signals[signal_name])

    @contextmanager
    def intake(self) -> "Iterator[None]":
        """Keep other adders out: from the look-up of free ids to the creation."""
        from agent_queue.system import locks

        lock = locks.take([f"{self.layout.own}/intake"], wait=True)
        assert lock is not None
        self.queue.ask_names_anew()
        try:
            yield
        finally:
            lock.close()

    def supervisor(self) -> "Mapping[str, Any] | None":
        """The note of the supervisor that lives; None when none does."""
        from agent_queue.system.supervisor import find

        return find(self.layout)

    def supervise(self, slots: int) -> "AbstractContextManager[Callable[[], None]]":
        """Be this queue's supervisor while the context is open; its value lets others know."""
        from agent_queue.system.supervisor import supervise

        return supervise(self.layout, self.disk, slots=slots, started_at=self.tools.clock.now().timestamp())

    def run(
        self, slots: int, *, once: bool, wait_s: float, engine: str | None, pull_minutes: float | None = None
    ) -> "tuple[Report, bool]":
        """Be this queue's supervisor; what was done, and whether a signal ended it."""
        from agent_queue.wiring.enduring import enduring

        work = partial(self._run, slots, once=once, wait_s=wait_s, engine=engine, pull_minutes=pull_minutes)
        return work() if once else enduring(self, work)

    def _run(
        self, slots: int, *, once: bool, wait_s: float, engine: str | None, pull_minutes: float | None
    ) -> "tuple[Report, bool]":
        from agent_queue.flow.loop import Loop
        from agent_queue.flow.report import Stopping
        from agent_queue.system.events import MachineEvents
        from agent_queue.system.service_manager import ServiceManager
        from agent_queue.wiring.trackers import echoing

        manager = ServiceManager(self.environment)
        folders = [*(self.layout.stage(stage) for stage in Stage), f"{self.layout.root}/lanes", self.layout.outbox]
        with (
            self.supervise(slots) as announce, self.processes.warm(), closing(self.notifier),
            MachineEvents(self.processes, folders, manager.alive) as events,
        ):  # fmt: skip
            announce()  # not before signals are caught: `aq stop` goes by this
            beside = echoing(self, events, pull_minutes)
            self.lanes.allowance = budgets.allowance(self)
            loop = Loop(self.tools, beside, slots, once=once, wait_s=wait_s, only_engine=engine)
            manager.ready()
            if not once:
                self.tell(f"supervising {self.layout.root}, {slots} at a time; Ctrl-C ends it, `aq status` shows it")
            report = loop.run()
            manager.stopping()
            stopped = loop.stopping is not Stopping.NO
            beside.flush(hurried=stopped)
            return report, stopped

    @property
    def service(self) -> "Service":
        """This queue as a service of the user's systemd."""
        from agent_queue.system.service import Service

        usual = settings_files.root(None, {**self.environment, "AGENT_QUEUE_ROOT": ""})
        return Service(self.layout.root, self.layout.root == usual, self.environment)

    def patience(self, ready: Callable[[], bool], *, seconds: float, every_s: float = 0.01) -> bool:
        """Wait until something is so; False when the time is over."""
        from agent_queue.system.events import wait_until

        return wait_until(ready, seconds=seconds, every_s=every_s)

    def probe(self, programs: "Iterable[str]") -> dict[str, Any]:
        from agent_queue.system.probe import probe

        return probe(self.layout, programs)

    def disk_use(self) -> dict[str, Any]:
        """What worktrees, runs and the archive take, in bytes."""
        from agent_queue.system.leftovers import disk

        return disk(self.layout)

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
    if not (app.layout.holds_jobs() or app.layout.made_by_hand()):
        raise AqError(f"no queue at {app.layout.root}", hint="`aq init` makes one; --root or AGENT_QUEUE_ROOT names it")
    if not app.layout.exists():
        app.initialise()  # somebody tidied up, or began with mkdir: what is missing can be made
    return app
