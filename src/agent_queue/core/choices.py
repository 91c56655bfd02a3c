"""The words that frontmatter keys choose among."""

from enum import StrEnum


class Priority(StrEnum):
    """How urgent; `rank` orders them, 0 first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        return list(Priority).index(self)


class Workspace(StrEnum):
    WORKTREE = "worktree"
    IN_PLACE = "in-place"


class Dirty(StrEnum):
    ANNOUNCE = "announce"
    INCLUDE = "include"


class Scope(StrEnum):
    WARN = "warn"
    ENFORCE = "enforce"


class DepsMode(StrEnum):
    HARD = "hard"
    SOFT = "soft"


class Ship(StrEnum):
    MANUAL, AUTO = "manual", "auto"
