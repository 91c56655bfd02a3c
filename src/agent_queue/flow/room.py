"""What is free right now, for choosing what starts: slots, locks, lanes."""

from collections.abc import Collection
from functools import partial

from agent_queue.core.job import JobId
from agent_queue.core.lanes import Closed
from agent_queue.core.schedule import Room
from agent_queue.flow.dependencies import unmet
from agent_queue.flow.lanes import opens, reasons
from agent_queue.flow.tools import Tools
from agent_queue.flow.waiting import WaitingList

AGAIN_S = 5.0
"""How soon a machine that has too little left for a job is looked at again."""


def room(slots: int, tools: Tools, waiting: WaitingList, busy: Collection[JobId], locks: set[str]) -> Room:
    """`busy` jobs are another process's just now; `locks` are the mutexes in use."""
    shut, until = tools.lanes.look(), {}
    paused = tools.closed_lanes()
    strained = tools.strain() if len(waiting) and "*" not in paused else None
    if strained is not None:
        shut, until = {**shut, "*": Closed(strained, 0.0)}, {"*": tools.clock.now().timestamp() + AGAIN_S}
    return Room(
        slots=slots, held=locks, closed={**reasons(shut), **paused}, until={**opens(shut), **until},
        profiles=tools.lanes.profiles(),
        unmet=partial(unmet, tools.queue), refused=frozenset(busy) | tools.lanes.passed_over(waiting),
    )  # fmt: skip
