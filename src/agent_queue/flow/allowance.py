"""The day's money: what today's runs cost, and what starts no more because of it."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from agent_queue.core.allowance import Cost, Daily, Shut, shut
from agent_queue.core.lanes import Closed
from agent_queue.ports import Clock

Run = tuple[str, int]
"""A job and one of its runs."""


@dataclass(slots=True)
class Allowance:
    """Counts along while a supervisor works; a new one reads the journals of today.

    What nobody knows the cost of is not counted.
    """

    daily: Daily
    clock: Clock
    spent: Callable[[float], Iterable[tuple[Run, Cost]]]
    """The runs that ended since a time, epoch seconds, with what they cost."""
    resumed: Callable[[str], Collection[str]]
    """The engines that a person lets go on all the same on a day such as 2026-11-21, `*` for all."""
    show: Callable[[Shut, str, float], None]
    """Leave word of what is shut on a day, which ends at a time in epoch seconds."""
    _day: date | None = None
    _costs: dict[Run, Cost] = field(default_factory=dict)
    _shown: Shut | None = None

    def note(self, job: str, run: int, cost: Cost) -> None:
        """A run cost so much so far, or in all."""
        if self.daily:
            self._costs[job, run] = cost

    def closed(self) -> dict[str, Closed]:
        """The engines that start no job for today; `*` stands for all of them."""
        until = self._midnight().timestamp() if self.daily else 0.0
        return {name: Closed(reason, until) for name, reason in self._look().engines.items()}

    def profiles(self) -> Mapping[str, str]:
        """The profiles whose jobs do not start, with the reason."""
        return self._look().profiles

    def _look(self) -> Shut:
        if not self.daily:
            return Shut()
        today = self.clock.local().date()
        if today != self._day:
            since = self._midnight() - timedelta(days=1)
            self._day, self._costs = today, dict(self.spent(since.timestamp()))
        found = shut(self.daily, self._costs.values())
        if any(found):
            found = shut(self.daily, self._costs.values(), self.resumed(today.isoformat()))
        if found != self._shown:
            self._shown = found
            self.show(found, today.isoformat(), self._midnight().timestamp())
        return found

    def _midnight(self) -> datetime:
        """When this day ends."""
        local = self.clock.local()
        return datetime.combine(local.date() + timedelta(days=1), time.min, local.tzinfo)
