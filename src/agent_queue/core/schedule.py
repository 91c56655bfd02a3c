"""Which waiting jobs start now, and why another one does not."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from agent_queue.core.job import JobId

HOURS = "takes jobs"
"""How the reason begins of a lane that is closed by its hours: configuration, which no `aq resume` undoes."""


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
    """Epoch seconds; 0 for a job that waits for its lane to open, whenever that is."""
    fallback: tuple[str, ...] = ()
    """Installed engines that go on with it while the lanes of all the others are closed."""
    profile: str = ""


def mutexes(lock: tuple[str, ...], *, place: str, in_place: bool) -> tuple[str, ...]:
    """The mutex names of a job. `place` is the repository it works in, or its cwd outside of one.

    A job in a worktree of its own needs none; one that works in-place always locks the place, whatever it names: two
    jobs never work in one folder at once. `cwd` names the place.
    """
    names = {place if name == "cwd" else name for name in lock}
    return tuple(sorted(names | {place} if in_place else names))


@dataclass(slots=True, kw_only=True)
class Room:
    """What is free right now. `pick` fills it up as it chooses."""

    slots: int
    held: set[str] = field(default_factory=set)
    """Lock names in use."""
    closed: Mapping[str, str] = field(default_factory=dict)
    """Engine name to the reason why its lane takes no job; `*` closes all of them."""
    until: Mapping[str, float] = field(default_factory=dict)
    """When a lane opens that is parked for a time, epoch seconds, by engine."""
    profiles: Mapping[str, str] = field(default_factory=dict)
    """Profile to the reason why its jobs do not start."""
    unmet: Callable[[str, bool], str | None] = lambda _name, _soft: None
    """Say why a dependency is not met yet, or None when it is. True: a soft one."""
    verdicts: dict[tuple[tuple[str, ...], tuple[str, ...]], str | None] = field(default_factory=dict)
    """What was found out about lanes so far, by engines and fallbacks: a hundred thousand jobs may wait for one."""
    refused: Collection[JobId] = frozenset()
    """Jobs whose locks another process holds, or whose file vanished since: passed over in this round."""


def pick(waiting: Iterable[Waiting], room: Room, now: float) -> Iterator[Waiting]:
    """Yield the jobs to start, in order of service, until the slots are full. `now` is in epoch seconds."""
    for job in waiting:
        if room.slots <= 0:
            return
        # The common obstacles first, without a word: among 100,000 jobs, telling each its reason took 260 ms a round.
        if (
            room.held.isdisjoint(job.locks)
            and not (room.closed and _shut_out(job, room))
            and why(job, room, now) is None
        ):
            room.slots -= 1
            room.held.update(job.locks)
            yield job


def unmet(job: Waiting, room: Room) -> tuple[str, str] | None:
    """The first dependency that is not met, and why; None when all are."""
    reasons = ((name, room.unmet(name, job.soft)) for name in job.deps)
    return next(((name, reason) for name, reason in reasons if reason is not None), None)


def opens_at(job: Waiting, room: Room) -> float | None:
    """When the first of the lanes opens that a job waits for, epoch seconds; None when it waits for none of them."""
    names = ("*",) if "*" in room.until else _shut(job, room)
    return min((room.until[name] for name in names if name in room.until), default=None)


def _shut(job: Waiting, room: Room) -> tuple[str, ...]:
    """The engines that could run it, when the lanes of all of them are closed; else none."""
    names = (*job.engines, *job.fallback) if job.engines else ()
    return names if all(name in room.closed for name in names) else ()


def _shut_out(job: Waiting, room: Room) -> bool:
    """True when no engine that may run it takes a job now."""
    return "*" in room.closed or bool(_shut(job, room))


def _closed(job: Waiting, room: Room) -> str | None:
    """Why no engine that may run it takes a job now; None when one does. Found out once for the same engines."""
    key = (job.engines, job.fallback)
    if key not in room.verdicts:
        room.verdicts[key] = _verdict(job, room)
    return room.verdicts[key]


def _verdict(job: Waiting, room: Room) -> str | None:
    names = " and ".join(job.engines) or "engine"
    if "*" in room.closed:
        return f"{names}: {room.closed['*']}"
    if not _shut(job, room):
        return None
    told, opens = f"{names}: {room.closed[job.engines[0]]}", opens_at(job, room)
    return told if opens is None else f"{_not_before(opens)} ({told})"


def _not_before(seconds: float) -> str:
    return f"not before {datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def why(job: Waiting, room: Room, now: float) -> str | None:
    """Say why a job cannot start now, or None when nothing but a free slot is missing."""
    if job.next_eligible > now:
        return _not_before(job.next_eligible)
    if (closed := _closed(job, room)) is not None:
        return closed
    if job.profile in room.profiles:
        return room.profiles[job.profile]
    if (waited := unmet(job, room)) is not None:
        return f"waiting for {waited[0]} ({waited[1]})"
    if not room.held.isdisjoint(job.locks):
        return f"lock {min(room.held.intersection(job.locks))} is in use"
    if job.id in room.refused:
        return "another process holds it"
    return None
