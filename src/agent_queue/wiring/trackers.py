"""Which adapter the tracker's kind means, what it works with, and what tells items with it."""

import difflib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from agent_queue.core.errors import AqError, SettingsError
from agent_queue.core.label_map import Standing
from agent_queue.wiring.engines import found as adapter_class

if TYPE_CHECKING:
    from agent_queue.core.job import JobId
    from agent_queue.flow.echo import Desk
    from agent_queue.flow.echo_beside import EchoingEvents
    from agent_queue.flow.from_tracker import Door
    from agent_queue.ports import Events
    from agent_queue.ports_tracker import Shelf, Tracker, Transport
    from agent_queue.queues.folders import FolderQueue
    from agent_queue.wiring import App

TRACKERS = {
    "items": "agent_queue.trackers.items:Items",
    "github": "agent_queue.trackers.github:GitHub",
    "linear": "agent_queue.trackers.linear:Linear",
    "redmine": "agent_queue.trackers.redmine:Redmine",
    "roundup": "agent_queue.trackers.roundup:Roundup",
    "file": "agent_queue.trackers.file:FolderOfItems",
}
FLUSH_S = 3.0
"""How long a person's command waits for an item to be told, when no supervisor does that."""


def tracker(app: "App", answered: Callable[[], None] = lambda: None) -> "Tracker":
    """The configured one; `answered` is called with each of its answers.

    Raises:
        SettingsError: there is no adapter of that name. TrackerError: it lacks a setting.
    """
    from agent_queue.ports_tracker import Means

    said = app.settings.tracker
    adapter = adapter_class(said.kind, TRACKERS, "agent_queue.trackers")
    if adapter is None:
        near = difflib.get_close_matches(said.kind, TRACKERS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"possible are {', '.join(TRACKERS)} and module:Class"
        raise SettingsError(f"[tracker] kind: no tracker is called {said.kind!r}", hint=hint)
    secret = app.environment.get(said.token_env, "").strip()
    carried = partial(_transport, app, answered)
    made: Tracker = adapter(said, Means(transport=carried, shelf=_shelf, secret=secret))
    return made


def _transport(app: "App", answered: Callable[[], None], base: str) -> "Transport":
    from agent_queue.system.retrying import Retrying

    command = app.settings.tracker.command
    if command:
        from agent_queue.system.command_transport import CommandTransport

        return Retrying(CommandTransport(command), answered=answered)
    from agent_queue.system.http import HttpTransport

    return Retrying(HttpTransport(base), answered=answered)


def _shelf(folder: str) -> "Shelf":
    from agent_queue.system.shelf import FolderShelf

    return FolderShelf(os.path.abspath(os.path.expanduser(folder)))


def own_queue(app: "App") -> "FolderQueue":
    """A view of the queue for another thread than the loop's."""
    from agent_queue.queues.folders import FolderQueue
    from agent_queue.system.clock import MachineClock

    return FolderQueue(app.layout, app.disk, MachineClock(), app.meaning)


def desk(app: "App", answered: Callable[[], None] = lambda: None) -> "Desk":
    """What telling items needs. The tracker is made when it is first asked for."""
    from functools import cache

    from agent_queue.flow.echo import Desk
    from agent_queue.queues.outbox import FolderOutbox
    from agent_queue.system.clock import MachineClock

    statuses = {Standing(name): status for name, status in app.settings.tracker.statuses.items()}
    return Desk(
        queue=own_queue(app), outbox=FolderOutbox(app.layout, app.disk), clock=MachineClock(),
        tracker=cache(lambda: tracker(app, answered)), statuses=statuses, tell=app.tell,
    )  # fmt: skip


def door(app: "App") -> "Door":
    """What taking items in needs."""
    from agent_queue.flow.from_tracker import Door, ids
    from agent_queue.system.clock import MachineClock

    said, queue = app.settings.tracker, own_queue(app)
    cwd = os.path.abspath(os.path.expanduser(said.cwd)) if said.cwd else ""
    legal = {"profile": app.profiles.names(), "engine-class": tuple(app.settings.classes)}
    return Door(
        queue=queue, tracker=tracker(app), settings=replace(said, cwd=cwd), meaning=app.meaning, legal=legal,
        cwd=os.getcwd(), now=MachineClock().local, guard=lambda: _alone(app), met=dict.fromkeys(ids(queue), ""),
    )  # fmt: skip


@contextmanager
def _alone(app: "App") -> "Iterator[None]":
    """Keep other adders out. The loop's own view of the queue is left as it is: this may be another thread."""
    from agent_queue.system import locks

    lock = locks.take([f"{app.layout.own}/intake"], wait=True)
    assert lock is not None
    try:
        yield
    finally:
        lock.close()


def tell_moved(app: "App", jobs: "Sequence[JobId]") -> None:
    """A person moved these: note what their items wait for, and tell them when no supervisor lives to do that."""
    if not app.settings.tracker.auto or not jobs:
        return
    from agent_queue.flow.echo import deliver_all, note
    from agent_queue.system.aside import within

    place = desk(app)
    waiting = [job for job in jobs if note(place, job)]
    if waiting and app.supervisor() is None:
        for come in within(FLUSH_S, partial(deliver_all, place, all_now=True)):
            if isinstance(come, AqError | OSError):
                app.tell(f"tracker: {come}")
            elif isinstance(come, Exception):  # an adapter's defect, perhaps an outsider's: the jobs have moved
                app.tell(f"tracker: unexpected {type(come).__name__}; this is a defect of its adapter")


def echoing(app: "App", events: "Events", pull_minutes: float | None) -> "EchoingEvents":
    """The supervisor's events, with items told and taken in beside its loop.

    Raises:
        SettingsError: items are to be taken in, and no label is set to take them by.
    """
    from agent_queue.flow.echo_beside import EchoingEvents
    from agent_queue.system.clock import Pulse

    said = app.settings.tracker
    label = said.query or said.require_label
    if pull_minutes is not None and not label:
        raise SettingsError("--pull needs a label to take items by", hint='set [tracker] query = "LABEL"')

    def pull() -> None:
        from agent_queue.flow.from_tracker import take_labelled

        for found in take_labelled(door(app), label):
            if isinstance(found, AqError):
                app.tell(f"tracker: {found}")
            elif found.new:
                app.tell(f"{found.item} is job {found.job}")
                for note in found.notes:
                    app.tell(note)

    pulse = Pulse()
    every_s = 60 * pull_minutes if pull_minutes is not None else 0.0
    return EchoingEvents(
        events, desk(app, pulse.beat), auto=said.auto, pull=pull if every_s else None, pull_every_s=every_s,
        answered_at=lambda: pulse.at,
    )  # fmt: skip
