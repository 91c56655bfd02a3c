"""Whether a run goes on with the agent program's own conversation of the run before it."""

from agent_queue.core.history import History
from agent_queue.core.outcome import Failure

OVER = (Failure.CONTEXT,)
"""What a conversation ends in for good: going on with it would end in it again."""


def conversation(past: History, *, engine: str, failure: Failure | None, resumed: bool) -> str | None:
    """The conversation to go on with, None to begin a new one. The caller has seen that the path is the same.

    `failure` is that of the last run, which went on with a conversation itself when `resumed`: one that crashed then is
    not tried again, for it may be the conversation that crashes the program.
    """
    known, last = past.state.get("resume_id"), past.state.get("engine")
    if past.fresh or not isinstance(known, str) or last != engine or failure in OVER:
        return None
    return None if resumed and failure is Failure.CRASH else known
