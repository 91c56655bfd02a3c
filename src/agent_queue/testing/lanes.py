"""What aq remembers of its lanes, in memory. It outlives a supervisor, as the files do."""

from collections.abc import Mapping

from agent_queue.core.lanes import Lane
from agent_queue.testing.machine import Machine


class MemoryLanes:
    """Satisfies `ports.LaneFiles`."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.lanes: dict[str, Lane] = {}

    def read(self) -> Mapping[str, Lane]:
        return dict(self.lanes)

    def put(self, name: str, lane: Lane) -> None:
        self._machine.step()
        self.lanes[name] = lane

    def forget(self, name: str) -> None:
        self._machine.step()
        self.lanes.pop(name, None)
