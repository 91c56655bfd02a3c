"""The queue in folders, on a real disk: the contract, and what only folders have."""

import os
from pathlib import Path

import pytest

from agent_queue.core.board import FileChange
from agent_queue.core.job import Stage
from agent_queue.core.manifest import EMPTY
from agent_queue.ports import Queue
from agent_queue.queues.create import create
from agent_queue.queues.folders import FolderQueue
from agent_queue.system.clock import MachineClock
from agent_queue.system.files import Disk
from agent_queue.system.layout import Layout
from agent_queue.testing.queue_contract import Person, QueueContract


class FolderPerson:
    """A person with a shell."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, stage: Stage, name: str, data: bytes) -> FileChange:
        path = self._root / stage / name
        path.write_bytes(data)
        return FileChange(str(path), whole=True)

    def move(self, name: str, source: Stage, target: Stage) -> list[FileChange]:
        old, new = self._root / source / name, self._root / target / name
        os.rename(old, new)
        return [FileChange(str(old), whole=True), FileChange(str(new), whole=True)]

    def remove(self, stage: Stage, name: str) -> FileChange:
        path = self._root / stage / name
        path.unlink()
        return FileChange(str(path), whole=True)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(str(tmp_path / "queue"))
    assert create(layout)
    return layout


def view(layout: Layout) -> FolderQueue:
    """What one process sees of the queue. Nothing here depends on the flushes, which cost time."""
    disk = Disk(layout.scratch, durable=False)
    return FolderQueue(layout, disk, MachineClock(), EMPTY, lambda manifest: manifest.lock)


class TestFolderQueue(QueueContract):
    @pytest.fixture(autouse=True)
    def place(self, layout: Layout) -> None:
        self._layout = layout

    def make(self) -> Queue:
        return view(self._layout)

    def person(self) -> Person:
        return FolderPerson(Path(self._layout.root))
