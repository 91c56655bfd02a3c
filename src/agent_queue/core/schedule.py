"""Which waiting jobs start now, and why another one does not."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from agent_queue.core.job import JobId


class Waiting(NamedTuple):
    """A job in the inbox, as far as choosing needs it. The order of the fields is the order of service."""

    rank: int
    """Priority, 0 for critical."""
    age: int
    """When its file was last written, ns since the epoch: the older goes first, then the smaller id."""
    id: JobId
    engines: tuple[str, ...] = ()
    """The engines that may run it: one that it names, or the installed ones of its class; () when none is known."""
    locks: tuple[str, ...] = ()
    deps: tuple[str, ...] = ()
    soft: bool = False
    """Its dependencies are met in testing already."""
    next_eligible: float = 0.0
    """Epoch seconds."""


def mutexes(lock: tuple[str, ...], *, place: str, in_place: bool) -> tuple[str, ...]:
    """The mutex names of a job. `place` is the repository it works in, or its cwd outside of one.

    A job in a worktree of its own needs none; one that works in-place locks the place. `cwd` names the place.
    """
    names = {place if name == "cwd" else name for name in lock} or ({place} if in_place else set())
    return tuple(sorted(names))


@dataclass(slots=True, kw_only=True)
class Room:
    """What is free right now. `pick` fills it up as it chooses."""

    slots: int
    held: set[str] = field(default_factory=set)
    """Lock names in use."""
    closed: Mapping[str, str] = field(default_factory=dict)
    """Engine name to the reason why its lane takes no job; `*` closes all of them."""
    unmet: Callable[[str, bool], str | None] = lambda _name, _soft: None
    """Say why a dependency is not met yet, or None when it is. True: a soft one."""
    refused: Collection[JobId] = frozenset()
    """Jobs whose locks another process holds, or whose file vanished since: passed over in this round."""


def pick(waiting: Iterable[Waiting], room: Room, now: float) -> Iterator[Waiting]:
    """Yield the jobs to start, in order of service, until the slots are full. `now` is in epoch seconds."""
    for job in waiting:
        if room.slots <= 0:
            return
        if why(job, room, now) is None:
            room.slots -= 1
            room.held.update(job.locks)
            yield job


def unmet(job: Waiting, room: Room) -> tuple[str, str] | None:
    """The first dependency that is not met, and why; None when all are."""
    reasons = ((name, room.unmet(name, job.soft)) for name in job.deps)
    return next(((name, reason) for name, reason in reasons if reason is not None), None)


def _closed(job: Waiting, room: Room) -> str | None:
    """Why no engine that may run it takes a job now; None when one does."""
    if "*" in room.closed:
        return room.closed["*"]
    reasons = [room.closed.get(engine) for engine in job.engines]
    return None if None in reasons else next(iter(reasons), None)


def why(job: Waiting, room: Room, now: float) -> str | None:
    """Say why a job cannot start now, or None when nothing but a free slot is missing."""
    if job.next_eligible > now:
        return f"not before {datetime.fromtimestamp(job.next_eligible, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if (closed := _closed(job, room)) is not None:
        return f"{' and '.join(job.engines) or 'engine'}: {closed}"
    if (waited := unmet(job, room)) is not None:
        return f"waiting for {waited[0]} ({waited[1]})"
    if not room.held.isdisjoint(job.locks):
        return f"lock {min(room.held.intersection(job.locks))} is in use"
    if job.id in room.refused:
        return "another process holds it"
    return None
