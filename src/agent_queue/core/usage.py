"""What a run used, how sure that is, and how such figures add up. A figure that nobody told is None, never 0."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Provenance(StrEnum):
    """How sure the token counts of a run are. In order: a sum is as sure as the least sure of its parts."""

    EXACT = "exact"
    ESTIMATED = "estimated"
    UNKNOWN = "unknown"


class CostBasis(StrEnum):
    """What a cost is: the program's own figure, list prices times tokens, or what a subscription's use would have cost.

    Nobody pays the last one by the token.
    """

    REPORTED = "reported"
    COMPUTED = "computed"
    SUBSCRIPTION = "subscription"


TOKENS = ("tokens_in", "tokens_cached", "tokens_out")
COUNTS = (*TOKENS, "turns", "tool_calls")
"""Whole numbers from 0 on."""
LARGEST = 10**15
"""No figure of a run comes near: a foreign line may name one that cannot even be added up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One run's figures under the journal's names.

    `tokens_in` is all input, cache reads and writes included; `tokens_cached` is cache reads; `tokens_out` includes
    reasoning.
    """

    tokens_in: int | None = None
    tokens_cached: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    turns: int | None = None
    tool_calls: int | None = None
    model: str | None = None
    usage: Provenance = Provenance.UNKNOWN
    cost_basis: CostBasis | None = None

    def facts(self) -> dict[str, Any]:
        """As state keys of the journal: what is not known is left out."""
        found = {name: getattr(self, name) for name in (*COUNTS, "cost_usd", "model")}
        basis = {"cost_basis": self.cost_basis.value} if self.cost_basis is not None else {}
        return {**{key: value for key, value in found.items() if value is not None}, **basis, "usage": self.usage.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One answer of a model, to be priced by itself: its prices may depend on how large the request was.

    `times` is more than 1 where a program tells only the sum over so many answers: the tokens are then the sum's.
    """

    model: str
    tokens_in: int
    """All input, what was read from a cache and written to one included."""
    tokens_cached: int = 0
    tokens_written: int = 0
    """Cache writes, those that are kept for an hour included."""
    tokens_written_1h: int = 0
    tokens_out: int = 0
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """A sum over runs or jobs. A figure is None when no part told it."""

    figures: Mapping[str, float | int] = field(default_factory=dict)
    """Of `COUNTS` and `cost_usd`, those that at least one part told."""
    parts: int = 0
    estimated: int = 0
    """Parts whose tokens are an estimate: a total that holds one is marked `*`."""
    unknown: int = 0
    """Parts whose tokens nobody knows: a total that lacks one is marked `?`."""
    unknown_cost: int = 0
    computed: int = 0
    """Parts whose cost was worked out from list prices."""
    subscription: int = 0
    """Parts whose cost was not billed by the token."""

    @property
    def usage(self) -> Provenance:
        if self.unknown:
            return Provenance.UNKNOWN
        return Provenance.ESTIMATED if self.estimated else Provenance.EXACT


def usage_of(facts: Mapping[str, Any]) -> Usage:
    """Read state keys back. What is no sound figure is unknown; figures without a word on how sure they are, too."""
    found = {name: _whole(facts.get(name)) for name in COUNTS}
    model, basis = facts.get("model"), facts.get("cost_basis")
    known = found["tokens_in"] is not None or found["tokens_out"] is not None
    said = facts.get("usage")
    return Usage(
        **found,
        cost_usd=_money(facts.get("cost_usd")),
        model=model if isinstance(model, str) else None,
        usage=Provenance(said) if known and said in _PROVENANCES else Provenance.UNKNOWN,
        cost_basis=CostBasis(basis) if basis in _BASES else None,
    )


def total(parts: Iterable[Usage]) -> Total:
    """Add up runs, or jobs, and count what the sum lacks."""
    listed = list(parts)
    names = (*COUNTS, "cost_usd")
    told = {name: [value for part in listed if (value := getattr(part, name)) is not None] for name in names}
    return Total(
        figures={name: round(sum(values), 9) for name, values in told.items() if values},
        parts=len(listed),
        estimated=sum(part.usage is Provenance.ESTIMATED for part in listed),
        unknown=sum(part.usage is Provenance.UNKNOWN for part in listed),
        unknown_cost=sum(part.cost_usd is None for part in listed),
        computed=sum(part.cost_basis is CostBasis.COMPUTED for part in listed),
        subscription=sum(part.cost_basis is CostBasis.SUBSCRIPTION for part in listed),
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST else None


def _money(value: object) -> float | None:
    ok = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LARGEST
    return float(value) if ok else None  # type: ignore[arg-type]  # `ok` says that it is a number


_PROVENANCES = frozenset(Provenance)
_BASES = frozenset(CostBasis)
