"""What the tests of a queue have at hand: a queue, a person at its files, and how to look at what became of them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import pytest

from agent_queue.core.board import Changes, FileChange
from agent_queue.core.job import JobId, Stage
from agent_queue.core.lifecycle import Job, Move, begin
from agent_queue.ports import Queue
from agent_queue.system.events import wait_until
from agent_queue.testing.clock import START
from agent_queue.testing.machine import job_file

NOW = START
A, B, C = JobId("20260301-1200__a"), JobId("20260301-1200__b"), JobId("20260301-1200__c")
LIMIT_S = 10.0


class Person(Protocol):
    """Somebody with a shell at the queue's files. Each deed gives what a watcher of the folders would report."""

    def write(self, stage: Stage, name: str, data: bytes) -> FileChange: ...
    def move(self, name: str, source: Stage, target: Stage) -> list[FileChange]: ...
    def remove(self, stage: Stage, name: str) -> FileChange: ...


def text(body: str = "Do it.", **keys: Any) -> bytes:
    return job_file(body, **{"engine": "shell", "cwd": "/", **keys})


def looked(queue: Queue, files: Sequence[FileChange] | None = None) -> Changes:
    """All that a supervisor finds by and by: it looks again as long as the queue asks for that."""
    found = [queue.look(files)]

    def whole() -> bool:
        if found[-1].look_again_s is not None:
            found.append(queue.look([]))
        return found[-1].look_again_s is None

    assert wait_until(whole, seconds=LIMIT_S), "the queue asks to be looked at again and again"
    return Changes(
        waiting=tuple(row for changes in found for row in changes.waiting),
        gone=tuple(job for changes in found for job in changes.gone),
        by_hand=tuple(job for changes in found for job in changes.by_hand),
        vanished=tuple(job for changes in found for job in changes.vanished),
    )


def waiting(changes: Changes) -> list[JobId]:
    return [row.id for row in changes.waiting]


class QueueRules(ABC):
    """What each of the tests stands on: one new, empty queue.

    `make` gives a view of it: a second call gives what another process would see of the same queue. Its defaults are
    empty, and the mutexes of a job are just what its file names under `lock`.
    """

    @abstractmethod
    def make(self) -> Queue:
        """A view of the queue under test."""

    @abstractmethod
    def person(self) -> Person:
        """Somebody at its files."""

    @pytest.fixture
    def queue(self) -> Queue:
        return self.make()

    @pytest.fixture(params=["told which", "told any", "a view of its own"])
    def news(self, request: pytest.FixtureRequest) -> str:
        """How a supervisor comes to know of a change: which file, that there was one, or by seeing all anew."""
        return str(request.param)

    def seen(self, queue: Queue, news: str, *changes: FileChange) -> Changes:
        if news == "told which":
            return looked(queue, changes)
        return looked(queue, [FileChange("")]) if news == "told any" else looked(self.make())

    def put(self, queue: Queue, *jobs: JobId, **keys: Any) -> None:
        assert queue.create([(job, text(**keys)) for job in jobs]) == [True] * len(jobs)

    def found(self, queue: Queue, job: JobId) -> Job:
        found = queue.job(job)
        assert found is not None
        return found

    def carry(self, queue: Queue, *moves: Move) -> None:
        assert queue.settle(moves) == list(moves)

    def built(self, queue: Queue, job: JobId) -> Job:
        """Bring a waiting job into building."""
        self.carry(queue, begin(self.found(queue, job)))
        return self.found(queue, job)
