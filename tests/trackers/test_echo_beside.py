"""What tells items beside the supervisor's loop: no move of a job is forgotten, whatever fails meanwhile."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_queue.core.board import FileChange
from agent_queue.core.errors import AqError
from agent_queue.core.job import JobId, Stage
from agent_queue.core.lifecycle import begin
from agent_queue.core.meaning import Meaning
from agent_queue.flow.echo import Desk
from agent_queue.flow.echo_beside import OVERLAP_S, EchoingEvents
from agent_queue.ports import Woken
from agent_queue.ports_tracker import Tracker
from agent_queue.queues.create import create
from agent_queue.queues.folders import FolderQueue
from agent_queue.queues.outbox import FolderOutbox
from agent_queue.system.files import Disk
from agent_queue.system.layout import Layout
from agent_queue.testing.clock import FakeClock

JOB = JobId("a")


class Inner:
    """Satisfies `ports.Events`: a deed is done when it is waited for, and only what is told to happen does."""

    def __init__(self) -> None:
        self.files: list[FileChange] = []
        self._deeds: list[tuple[str, Callable[[], Any]]] = []

    def watch_process(self, folder: str) -> bool:
        raise AssertionError(folder)

    def later(self, key: str, deed: Callable[[], Any]) -> None:
        self._deeds.append((key, deed))

    def beside(self, key: str, deed: Callable[[], Any]) -> None:
        """The tracker is slow: no call of it ever ends."""

    def wait(self, timeout_s: float | None) -> Woken:
        deeds, self._deeds = self._deeds, []
        files, self.files = self.files, []
        return Woken(finished=[(key, _done(deed)) for key, deed in deeds], files=files)


def _done(deed: Callable[[], Any]) -> Any:
    try:
        return deed()
    except (AqError, OSError) as error:
        return error


def no_tracker() -> Tracker:
    raise AssertionError("nobody is told yet")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(str(tmp_path / "queue"))
    assert create(layout)
    return layout


def test_a_move_that_could_not_be_noted_is_noted_later(layout: Layout) -> None:
    disk, clock, said, inner = Disk(layout.scratch, durable=False), FakeClock(), list[str](), Inner()
    queue, outbox = FolderQueue(layout, disk, clock, Meaning()), FolderOutbox(layout, disk)
    desk = Desk(queue=queue, outbox=outbox, clock=clock, tracker=no_tracker, statuses={}, tell=said.append)
    events = EchoingEvents(inner, desk, auto=True)
    events.wait(0)
    queue.create([(JOB, b"---\nengine: shell\ncwd: /\ntracker-item: T-1\n---\ntrue\n")])
    found = queue.job(JOB)
    assert found is not None
    queue.settle([begin(found)])
    os.rename(layout.outbox, f"{layout.outbox}.away")
    inner.files = [FileChange(layout.job(Stage.BUILDING, JOB), whole=True)]
    events.wait(0)
    events.wait(0)
    assert [text for text in said if "cannot note" in text] == said != []
    os.rename(f"{layout.outbox}.away", layout.outbox)
    clock.advance(OVERLAP_S)
    events.wait(0)
    owed = outbox.get(JOB)
    assert owed is not None
    assert owed.item == "T-1"
