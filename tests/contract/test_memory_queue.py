"""The queue that tests use in place of folders is a queue."""

import pytest

from agent_queue.ports import Queue
from agent_queue.testing.clock import FakeClock
from agent_queue.testing.machine import Machine
from agent_queue.testing.queue import MemoryQueue
from agent_queue.testing.queue_contract import Person, QueueContract


class TestMemoryQueue(QueueContract):
    @pytest.fixture(autouse=True)
    def machine(self) -> None:
        self._machine = Machine(FakeClock())

    def make(self) -> Queue:
        return MemoryQueue(self._machine)

    def person(self) -> Person:
        return self._machine
