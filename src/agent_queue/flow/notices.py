"""What people are told while nobody looks: on the log, and by the command that they set for it."""

from collections.abc import Mapping
from typing import Any

from agent_queue.core.job import Stage
from agent_queue.core.lanes import Closed
from agent_queue.core.lifecycle import Move
from agent_queue.core.outcome import Failure
from agent_queue.flow.tools import Tools

NEEDY = (Stage.REVIEW, Stage.TESTING, Stage.FAILED)

Notice = dict[str, Any]


def of_move(move: Move, *, goes_on: bool) -> list[Notice]:
    """What is to be said of a move: never why, in words, for that may quote an agent, and may end up on a phone."""
    told: Notice = {"job": move.job, "stage": move.target.value, "run": move.run,
                    "result": move.result.value if move.result else None,
                    "failure": move.failure.value if move.failure else None}  # fmt: skip
    spent = move.failure is Failure.BUDGET
    needed = move.target in NEEDY and not goes_on
    return [{"event": name, **told} for name, so in (("budget_hit", spent), ("needs_person", needed)) if so]


def of_lane(engine: str, shut: Closed | None) -> Notice:
    """A lane was parked, or opened."""
    if shut is None:
        return {"event": "lane_open", "engine": engine}
    return {"event": "lane_parked", "engine": engine, "reason": shut.reason, "until": shut.until}


class Notices:
    """Those of one supervisor."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._worked = False

    def moved(self, move: Move, *, goes_on: bool) -> None:
        """A job was moved. `goes_on`: aq itself has more work to do on it where it lies now."""
        what = f" ({move.result})" if move.result is not None and move.result.value != move.target.value else ""
        why = f": {move.reason}" if move.reason else ""
        self._tools.tell(f"{move.job}: {move.origin} -> {move.target}{what}{why}")
        self._worked = True
        for notice in of_move(move, goes_on=goes_on):
            self._say(notice)

    def rested(self, *, working: bool) -> None:
        """Say once that all is done, after something was. `working`: something runs, waits or is still looked at."""
        if self._worked and not working:
            self._worked = False
            self._say({"event": "drained"})

    def _say(self, notice: Mapping[str, Any]) -> None:
        self._tools.notify(notice)
