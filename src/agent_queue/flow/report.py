"""How far a supervisor was told to stop, and what it did until then."""

from dataclasses import dataclass, field
from enum import IntEnum


class Stopping(IntEnum):
    """How far the supervisor has been told to stop."""

    NO = 0
    DRAIN = 1
    NOW = 2
    DETACH = 3


@dataclass(slots=True)
class Report:
    """What a supervisor did, for its exit code."""

    failed: int = 0
    held: int = 0
    left: list[str] = field(default_factory=list)
    """What waits and cannot run now, for people."""
