"""The ports of the tracker round trip: what a tracker is, what it works with, where news wait. Read `ports` first."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent_queue.core.calls import Answer, Request
from agent_queue.core.item import Item
from agent_queue.core.job import JobId
from agent_queue.core.label_map import Standing
from agent_queue.core.owed import Owed
from agent_queue.core.trouble import TrackerError
from agent_queue.ports import Lock

__all__ = [
    "Answer", "Item", "Means", "Outbox", "Owed", "Request", "Shelf", "Standing", "Tracker", "Transport",
]  # fmt: skip


class Transport(Protocol):
    """Carries requests to one address, and tries again what is safe to try again."""

    def send(self, request: Request) -> Answer:
        """Raises TrackerError when no answer came; an answer of any status is an answer."""


class Shelf(Protocol):
    """A folder of small files. Every write replaces a file as a whole; TrackerError where it cannot be used."""

    def names(self) -> list[str]: ...
    def read(self, name: str) -> bytes | None: ...
    def change(self, name: str, change: Callable[[bytes], bytes]) -> None:
        """Replace a file by what `change` makes of it; nobody else changes it meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a tracker works with. `secret` is its token, '' when there is none."""

    transport: Callable[[str], Transport]
    """By base address."""
    shelf: Callable[[str], Shelf]
    """By folder."""
    secret: str = field(default="", repr=False)


class Tracker(Protocol):
    """One tracker, made with `TrackerSettings` and `Means`. Every call may raise TrackerError."""

    name: str
    secret_env: str
    """The variable that holds the token; '' when it needs none."""
    statuses: Mapping[Standing, str]
    """What it calls each standing where settings say nothing else."""
    visible_mark: bool
    """True where comments are not Markdown: a mark hidden in them would be seen."""

    def key(self, item: str) -> str:
        """The one way of writing an item's id, as `tracker-item` has it. Asks nobody."""

    def get(self, item: str) -> Item: ...
    def find(self, label: str) -> Iterable[Item | TrackerError]:
        """Every open item that carries a label; one that makes no sense comes as what is wrong with it."""

    def status(self, item: str) -> str | None:
        """The status as it stands, read back after a write; None when a write's answer is to be trusted."""

    def set_status(self, item: str, status: str) -> None: ...
    def comments(self, item: str) -> Sequence[str] | None:
        """Every comment; None when the tracker has no list to give."""

    def add_comment(self, item: str, text: str) -> None: ...
    def check(self) -> Iterable[str]:
        """Read, change nothing, and say what was found, line by line."""


class Outbox(Protocol):
    """Jobs whose items wait for news, kept over restarts."""

    def put(self, owed: Owed) -> None: ...
    def drop(self, job: JobId) -> None: ...
    def get(self, job: JobId) -> Owed | None: ...
    def owed(self) -> list[Owed]:
        """All that wait, the longest waiting first."""

    def lock(self, job: JobId) -> Lock | None:
        """So that one process alone tells an item; None when another does."""

    def since(self) -> float | None:
        """Up to when every journal was looked at, epoch seconds; None when that was never noted."""

    def note_since(self, until: float | None) -> None: ...
    def journaled(self, since: float) -> list[JobId]:
        """The jobs whose journals grew since then."""
