"""What may be spent in a day: past it no job starts, until midnight or until a person says so."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

ALL = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily:
    """USD a day, local time: of all jobs together, and by engine and by profile. None for no limit."""

    usd: float | None = None
    engines: Mapping[str, float] = field(default_factory=dict)
    profiles: Mapping[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.usd is not None or bool(self.engines) or bool(self.profiles)


class Cost(NamedTuple):
    """What one run cost."""

    engine: str
    profile: str
    usd: float


class Shut(NamedTuple):
    """What starts no job, with the reason in words: engines, `*` for all of them, and profiles."""

    engines: Mapping[str, str] = {}
    profiles: Mapping[str, str] = {}


def shut(daily: Daily, costs: Iterable[Cost], resumed: Collection[str] = ()) -> Shut:
    """Which limits are used up by what today's runs cost; `resumed` are names that a person lets go on all the same."""
    total, engines, profiles = 0.0, defaultdict[str, float](float), defaultdict[str, float](float)
    for cost in costs:
        total += cost.usd
        engines[cost.engine] += cost.usd
        profiles[cost.profile] += cost.usd
    found = {name: _reason(engines[name], limit) for name, limit in daily.engines.items()
             if engines[name] >= limit and name not in resumed}  # fmt: skip
    if daily.usd is not None and total >= daily.usd and ALL not in resumed:
        found[ALL] = _reason(total, daily.usd)
    return Shut(
        engines=found,
        profiles={name: f"profile {name}: {_reason(profiles[name], limit)}" for name, limit in daily.profiles.items()
                  if profiles[name] >= limit and ALL not in resumed},
    )  # fmt: skip


def _reason(spent: float, limit: float) -> str:
    return f"daily budget of ${limit:g} used up (${spent:.2f})"
