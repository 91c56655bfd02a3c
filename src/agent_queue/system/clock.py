"""Time and dice of this machine; satisfies `ports.Clock`."""

import random
import time
import uuid
from datetime import UTC, datetime, timedelta, tzinfo


class Here(tzinfo):
    """The time zone of this machine, as its C library knows it.

    Its offset is that of the time in question, not of now: 22:00 of tomorrow is 22:00 also when the clocks change
    tonight.
    """

    def utcoffset(self, when: datetime | None) -> timedelta | None:
        return None if when is None else timedelta(seconds=self._told(when).tm_gmtoff)

    def dst(self, _: datetime | None) -> None:
        """Part of the offset; nobody asks for it alone."""

    def tzname(self, when: datetime | None) -> str | None:
        return None if when is None else self._told(when).tm_zone

    def fromutc(self, when: datetime) -> datetime:
        seconds = when.replace(tzinfo=UTC).timestamp()
        return datetime.fromtimestamp(seconds).replace(tzinfo=self)  # noqa: DTZ006 - the C library's zone is this one

    def _told(self, when: datetime) -> time.struct_time:
        return time.localtime(when.replace(tzinfo=None).timestamp())


HERE = Here()


class MachineClock:
    """The real clock. Decisions take its values as arguments, so that tests can replay them."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def local(self) -> datetime:
        return datetime.now(HERE)

    def monotonic(self) -> float:
        return time.monotonic()

    def roll(self) -> float:
        return random.random()  # noqa: S311 - spreads retries, guards nothing

    def token(self) -> str:
        return str(uuid.uuid4())


class Pulse:
    """When something last gave a sign of life, by the monotonic clock; 0 before the first one."""

    def __init__(self) -> None:
        self.at = 0.0

    def beat(self) -> None:
        self.at = time.monotonic()
