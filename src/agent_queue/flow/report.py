"""How far a supervisor was told to stop, and what it did until then."""

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum

from agent_queue.core.job import Stage


class Stopping(IntEnum):
    """How far the supervisor has been told to stop."""

    NO = 0
    DRAIN = 1
    NOW = 2
    DETACH = 3


DETACH = ("SIGHUP", "SIGUSR1")
"""A terminal that closes, or a service's manager; and `aq stop --detach`, which also reaches one under nohup."""


@dataclass(slots=True)
class Report:
    """What a supervisor did, for its exit code."""

    ended: Counter[str] = field(default_factory=Counter)
    """By stage, how many runs came to rest there."""
    held: int = 0
    left: list[str] = field(default_factory=list)
    """What waits and cannot run now, for people."""

    @property
    def failed(self) -> int:
        return self.ended[Stage.FAILED]
