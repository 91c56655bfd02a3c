"""What is left to do for a job that is found in work, given only what is on disk and alive."""

from enum import StrEnum

from agent_queue.core.history import History
from agent_queue.core.job import Stage
from agent_queue.core.lifecycle import Kind


class Repair(StrEnum):
    """The next step for a job in building, or in review with its verify pending."""

    FINISH_MOVE = "finish_move"
    """The journal says it moves on from here: carry that rename out."""
    ADOPT = "adopt"
    """Its lock is held: somebody keeps it alive. Wait for that."""
    GO_ON = "go_on"
    """Its process ended and left a record: judge that."""
    CHARGE = "charge"
    """It lies in building, and no claim brought it there: charge an attempt first, then it is an orphan."""
    ORPHAN = "orphan"
    """Its process died without a record: sweep, keep its work, and call it a crash of the machine."""


def repair(past: History, stage: Stage, *, alive: bool, recorded: bool) -> Repair:
    """Choose the repair. `alive`: the job's lock is held. `recorded`: the current run left its exit record.

    The same facts always give the same answer, so recovery twice is recovery once.
    """
    if past.unfinished and past.origin is stage and past.stage is not stage:
        return Repair.ADOPT if alive else Repair.FINISH_MOVE
    if alive:
        return Repair.ADOPT
    if stage is Stage.BUILDING and not (past.stage is Stage.BUILDING and past.kind == Kind.BEGIN):
        return Repair.CHARGE
    if recorded:
        return Repair.GO_ON
    return Repair.ORPHAN
