"""What the world outside the queue knows: what was promised to it, and what it saw happen. No crash takes it back."""

from dataclasses import dataclass, field
from typing import NamedTuple

from agent_queue.core.lifecycle import Move


class Offered(NamedTuple):
    """A job was handed over; nothing is promised yet, but half of it must never be seen."""

    job: str
    data: bytes


class Created(NamedTuple):
    """A job was acknowledged."""

    job: str
    data: bytes


class Dropped(NamedTuple):
    """A person wrote a file into the inbox, and flushed nothing: it may be lost or torn."""

    job: str
    data: bytes


class Settled(NamedTuple):
    """A move was acknowledged."""

    move: Move


class Launched(NamedTuple):
    """A process was started; `folder` is its record folder, relative to the root."""

    folder: str


class Moved(NamedTuple):
    """A person moved a file, and flushed nothing."""

    job: str
    stage: str


class Pausing(NamedTuple):
    """A person asks for a pause, or for its end; nothing is promised yet."""

    engine: str


class Paused(NamedTuple):
    """A pause, or its end, was acknowledged."""

    engine: str
    paused: bool


class Cut(NamedTuple):
    """The power failed."""


Mark = Offered | Created | Dropped | Settled | Launched | Moved | Pausing | Paused | Cut


@dataclass(slots=True)
class Chronicle:
    """Marks in their order, each with the number of disk changes made before it."""

    marks: list[tuple[int, Mark]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What was seen to be wrong while it happened."""

    def until(self, at: int) -> "Chronicle":
        """As known when the disk had changed `at` times."""
        return Chronicle([(position, mark) for position, mark in self.marks if position <= at], list(self.wrong))

    def past(self) -> "Chronicle":
        """The same, before all changes of a disk that begins anew."""
        return Chronicle([(0, mark) for _, mark in self.marks], list(self.wrong))

    def all(self) -> list[Mark]:
        return [mark for _, mark in self.marks]
