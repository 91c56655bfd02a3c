"""What is free right now, for choosing what starts: slots, locks, lanes."""

from collections.abc import Collection
from functools import partial

from agent_queue.core.job import JobId
from agent_queue.core.schedule import Room
from agent_queue.flow.dependencies import unmet
from agent_queue.flow.lanes import opens, reasons
from agent_queue.flow.tools import Tools
from agent_queue.flow.waiting import WaitingList


def room(slots: int, tools: Tools, waiting: WaitingList, busy: Collection[JobId], locks: set[str]) -> Room:
    """`busy` jobs are another process's just now; `locks` are the mutexes in use."""
    shut = tools.lanes.look()
    return Room(
        slots=slots, held=locks, closed={**reasons(shut), **tools.closed_lanes()}, until=opens(shut),
        profiles=tools.lanes.profiles(),
        unmet=partial(unmet, tools.queue), refused=frozenset(busy) | tools.lanes.passed_over(waiting),
    )  # fmt: skip
