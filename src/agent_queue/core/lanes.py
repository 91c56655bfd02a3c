"""When an engine takes jobs: parked by its service, closed by its hours, or broken and tried with one job at a time.

A lane is an engine, with the account that the configuration names for it. Times are epoch seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from agent_queue.core.outcome import Broke, Done, Failure, Held, Outcome, Refused
from agent_queue.core.schedule import HOURS

FAST_S = 60.0
"""An agent that crashes sooner than this has hardly begun. One that lives for longer proves its engine."""
MOST_CRASHED = 100
LATE_S = 300.0
"""What a reset that has passed gives. Else a clock that is ahead, or a service that is late, would start and refuse a
job without end."""


class Cause(StrEnum):
    """Why aq itself parked a lane, in words for people."""

    LIMIT = "usage limit"
    RATE = "asked to slow down"
    OVERLOAD = "overloaded"
    QUOTA = "quota used up"
    BROKEN = "its agents crash at once"
    LOGIN = "its log-in is refused"


PAUSES: dict[Cause, tuple[float, float]] = {
    Cause.RATE: (30.0, 900.0), Cause.OVERLOAD: (30.0, 900.0), Cause.QUOTA: (300.0, 3600.0),
    Cause.BROKEN: (60.0, 3600.0), Cause.LOGIN: (60.0, 3600.0),
}  # fmt: skip
"""The first pause where no reset is known, and the longest: each pause in a row is twice the one before."""

CAUSES = {Failure.RATE_LIMITED: Cause.RATE, Failure.OVERLOADED: Cause.OVERLOAD, Failure.QUOTA: Cause.QUOTA}
"""Failures that hold the job instead: the lane is parked, and no attempt is charged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What is remembered of a lane. One of which nothing is known is open."""

    cause: Cause | None = None
    """Why it is, or was last, parked; None once a job went well."""
    since: float = 0.0
    """When it was parked last."""
    until: float = 0.0
    pauses: int = 0
    """Pauses in a row of which nobody knew the end."""
    crashed: tuple[str, ...] = ()
    """Jobs that crashed fast, one after the other; the latest ones where there are many."""
    tried_at: float = 0.0
    """When one job was let in, after such a pause, to see whether the lane works again."""


OPEN = Lane()


@dataclass(frozen=True, slots=True)
class Closed:
    """Why a lane takes no job now, and when that is looked at again."""

    reason: str
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An agent's end, as its lane sees it. `breaks` says whether a fast crash speaks against the engine at all."""

    job: str
    started_at: float
    now: datetime
    roll: float
    breaks: bool = True


def lane_name(engine: str, account: str | None) -> str:
    """The lane of an engine: its own, or that of the account that it is set to use."""
    return f"{engine}@{account}" if account else engine


def closed(lane: Lane, now: float) -> Closed | None:
    """Why it takes no job now; None when it does."""
    if lane.cause is not None and now < lane.until:
        return Closed(lane.cause.value, lane.until)
    if lane.cause is not None and lane.tried_at >= lane.until and now < lane.tried_at + FAST_S:
        return Closed(f"{lane.cause.value}; one job is trying it", lane.tried_at + FAST_S)
    return None


def begun(lane: Lane, now: float) -> Lane:
    """A job is let in: after a pause without a known end it goes alone, until it has lived for long enough."""
    return lane if lane.cause in (None, Cause.LIMIT) or lane.tried_at >= lane.until else replace(lane, tried_at=now)


def judged(name: str, lane: Lane, outcome: Outcome, ended: Ended, breaker: int) -> tuple[Lane, Outcome]:
    """What an agent's end means for its lane, and, where the lane is at fault, a hold instead of a failure.

    `breaker` jobs in a row that crash fast break the lane; 0 for never. The same end judged twice parks it once.
    """
    match outcome:
        case Done():
            return _well(lane, ended), outcome
        case Refused():
            return lane, outcome
        case Held():
            if not outcome.lane:
                return lane, outcome
            now, reset = ended.now.timestamp(), outcome.until.timestamp()
            until = max(reset if reset > now else now + LATE_S, lane.until if lane.cause is Cause.LIMIT else 0.0)
            parked = Lane(cause=Cause.LIMIT, since=now, until=until)
            return parked, replace(outcome, lane=name, until=datetime.fromtimestamp(until, ended.now.tzinfo))
        case Broke():
            return _broke(name, lane, outcome, ended, breaker)
        case _:
            assert_never(outcome)


def _well(lane: Lane, ended: Ended) -> Lane:
    """A job went well, or at least far. A park that began meanwhile stands: it is newer news than its start."""
    return replace(lane, crashed=()) if lane.since >= ended.started_at else OPEN


def _broke(name: str, lane: Lane, broke: Broke, ended: Ended, breaker: int) -> tuple[Lane, Outcome]:
    match broke.kind:
        case Failure.RATE_LIMITED | Failure.OVERLOADED | Failure.QUOTA:
            parked = _parked(lane, CAUSES[broke.kind], ended)
            return parked, _held(name, parked, broke, ended)
        case Failure.CRASH | Failure.AUTH if _fast(broke, ended):
            return _crashed(name, lane, broke, ended, breaker)
        case Failure.CRASH | Failure.CONTEXT | Failure.NO_PERMISSION | Failure.MAX_TURNS | Failure.BUDGET:
            return _well(lane, ended), broke
        case (
            Failure.AUTH | Failure.TIMEOUT | Failure.STALLED | Failure.VERIFY_FAILED | Failure.SETUP | Failure.SCOPE
            | Failure.MEMORY | Failure.MACHINE
        ):  # fmt: skip
            return lane, broke
        case _:
            assert_never(broke.kind)


def _fast(broke: Broke, ended: Ended) -> bool:
    """A refused log-in speaks against the engine however long the program tried."""
    return ended.breaks and (broke.kind is Failure.AUTH or ended.now.timestamp() - ended.started_at < FAST_S)


def _crashed(name: str, lane: Lane, broke: Broke, ended: Ended, breaker: int) -> tuple[Lane, Outcome]:
    crashed = (*(job for job in lane.crashed if job != ended.job), ended.job)[-MOST_CRASHED:]
    cause = Cause.LOGIN if broke.kind is Failure.AUTH else Cause.BROKEN
    if breaker and len(lane.crashed) >= breaker:  # broken already: no further job is to fail for it
        parked = replace(_parked(lane, cause, ended), crashed=crashed)
        return parked, _held(name, parked, broke, ended)
    if not breaker or len(crashed) < breaker:
        return replace(lane, crashed=crashed), broke
    return replace(_parked(lane, cause, ended), crashed=crashed), broke


def _parked(lane: Lane, cause: Cause, ended: Ended) -> Lane:
    """Pause it; longer each time, but only once for all the jobs that ran into the same trouble together."""
    if lane.since >= ended.started_at and lane.cause is not None:
        return lane
    first, longest = PAUSES[cause]
    pauses = lane.pauses + 1 if lane.cause is cause else 1
    wait = min(first * (1 << min(pauses - 1, 20)), longest) * (1 + ended.roll / 4)
    now = ended.now.timestamp()
    return Lane(cause=cause, since=now, until=now + wait, pauses=pauses)


def _held(name: str, lane: Lane, broke: Broke, ended: Ended) -> Held:
    until = datetime.fromtimestamp(lane.until, ended.now.tzinfo)
    known = lane.cause is Cause.LIMIT
    return Held(reason=broke.reason, lane=name, until=until, known_reset=known, failure=broke.kind)


def passed_over(lane: Lane, now: float, waiting: Iterable[str]) -> frozenset[str]:
    """Jobs of a broken lane that let others try it first: perhaps it is they that are broken, and not the engine."""
    if lane.cause not in (Cause.BROKEN, Cause.LOGIN) or closed(lane, now) is not None:
        return frozenset()
    crashed = frozenset(lane.crashed)
    return crashed if any(job not in crashed for job in waiting) else frozenset()


@dataclass(frozen=True, slots=True)
class Hours:
    """When a lane takes jobs each day, in local time: minutes from midnight; `end` before `start` is the next day."""

    start: int
    end: int

    def __str__(self) -> str:
        return f"{_clock(self.start)}-{_clock(self.end)}"


def hours(text: str) -> Hours | None:
    """Read `22:00-06:00`; None when it is no such thing, or no time at all."""
    start, dash, end = text.replace(" ", "").partition("-")
    first, last = _minutes(start), _minutes(end)
    if not dash or first is None or last is None or first == last or first == 24 * 60:
        return None
    return Hours(first, last)


def out_of_hours(hours: Hours, local: datetime) -> Closed | None:
    """Why a lane takes no job at this local time; None within its hours."""
    now = local.hour * 60 + local.minute
    inside = hours.start <= now < hours.end if hours.start < hours.end else now >= hours.start or now < hours.end
    if inside:
        return None
    at = local.replace(hour=hours.start // 60, minute=hours.start % 60, second=0, microsecond=0)
    at = at if at > local else at + timedelta(days=1)
    return Closed(f"{HOURS} {hours} only", at.timestamp())


def _minutes(text: str) -> int | None:
    hour, colon, minute = text.partition(":")
    if not (colon and hour.isdecimal() and minute.isdecimal() and len(minute) == 2 and len(hour) <= 2):
        return None
    value = int(hour) * 60 + int(minute)
    return value if int(minute) < 60 and value <= 24 * 60 else None


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
