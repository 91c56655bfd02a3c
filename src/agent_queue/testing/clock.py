"""Time that passes only when a test lets it. What is to happen at some time is told beforehand, as an alarm."""

import heapq
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class FakeClock:
    """Satisfies `ports.Clock`. Every token is a UUID of its own, and the same in every run of a test."""

    def __init__(self, start: datetime = START, *, roll: float = 0.5, zone: tzinfo = UTC) -> None:
        self.dice = roll
        self._start = start
        self._zone = zone
        self._passed = 0.0
        self._tokens = 0
        self._alarms: list[tuple[float, int, Callable[[], object]]] = []
        self._serial = 0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed)

    def local(self) -> datetime:
        return self.now().astimezone(self._zone)

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._passed

    def roll(self) -> float:
        return self.dice

    def token(self) -> str:
        self._tokens += 1
        return str(uuid.UUID(int=self._tokens))

    def at(self, seconds: float, deed: Callable[[], object]) -> None:
        """Have something happen so many seconds from now. What is due at one time happens in the order of telling."""
        self._serial += 1
        heapq.heappush(self._alarms, (self._passed + max(seconds, 0.0), self._serial, deed))

    def next_alarm(self) -> float | None:
        """Seconds from now to what happens next; None when nothing is told."""
        return max(self._alarms[0][0] - self._passed, 0.0) if self._alarms else None

    def advance(self, seconds: float) -> None:
        """Let time pass. What is due happens on the way, and what it tells for a time on the way as well."""
        end = self._passed + seconds
        while self._alarms and self._alarms[0][0] <= end:
            at, _, deed = heapq.heappop(self._alarms)
            self._passed = max(at, self._passed)
            deed()
        self._passed = end
