"""What a run may use up, and how much of that it has used."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

COUNTED = ("usd", "tokens", "turns")
"""The limits that are told by what an agent says of itself; `wall` is told by the clock."""
WARN_AT = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one run; None means no limit. `wall_s` is awake time in seconds.

    `tokens` counts all input, cached or not, and all output. `strict` takes what nobody knows for too much.
    """

    usd: float | None = None
    tokens: int | None = None
    turns: int | None = None
    wall_s: float | None = None
    strict: bool = False

    @property
    def counted(self) -> dict[str, float]:
        """Those of `COUNTED` that are set."""
        return {name: limit for name in COUNTED if (limit := getattr(self, name)) is not None}


NO_LIMITS = Budget()


@dataclass(frozen=True, slots=True)
class Spent:
    """How much of one limit is used. `used` is None while nobody can tell."""

    name: str
    limit: float
    used: float | None

    @property
    def share(self) -> float:
        """1.0 is all of it."""
        return (self.used or 0.0) / self.limit if self.limit else 1.0

    @property
    def over(self) -> bool:
        """Money and tokens are gone when the last of them is; a last turn may be taken to its end."""
        if self.used is None:
            return False
        return self.used > self.limit if self.name == "turns" else self.used >= self.limit

    def __str__(self) -> str:
        if self.used is None:
            return f"budget.{self.name}: nobody can tell how much is used"
        used, limit = (f"${self.used:.4f}", f"${self.limit:g}") if self.name == "usd" else (
            f"{self.used:.0f}", f"{self.limit:.0f}")  # fmt: skip
        return f"{used} of budget.{self.name} {limit}"


def spent(budget: Budget, facts: Mapping[str, Any]) -> list[Spent]:
    """Each counted limit, with what state keys say of it; the one that is used up most comes first."""
    used = {"usd": facts.get("cost_usd"), "tokens": _tokens(facts), "turns": facts.get("turns")}
    found = [Spent(name, limit, used[name]) for name, limit in budget.counted.items()]
    return sorted(found, key=lambda each: -each.share)


def unknown(budget: Budget, facts: Mapping[str, Any]) -> list[Spent]:
    """Limits that cannot be told although the agent has begun to tell what it uses, e.g. money for a model without a
    known price."""
    begun = _tokens(facts) is not None or facts.get("turns") is not None
    return [each for each in spent(budget, facts) if each.used is None] if begun else []


def unwatched(budget: Budget, told: Collection[str]) -> list[str]:
    """Counted limits of which an engine tells nothing while it runs; `told` are those that it does tell."""
    return [name for name in budget.counted if name not in told]


def _tokens(facts: Mapping[str, Any]) -> int | None:
    known = [facts[key] for key in ("tokens_in", "tokens_out") if facts.get(key) is not None]
    return sum(known) if known else None
