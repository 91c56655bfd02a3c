"""What a row reports, and small arithmetic."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table. `met` is None where nothing was measured; `cause` then says why, as for a miss."""

    figure: str
    measured: str
    target: str
    met: bool | None
    beside: str = ""
    cause: str = ""


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], hundredths: int) -> float:
    """The smallest value that so many hundredths of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(-(-len(ordered) * hundredths // 100) - 1, 0)]


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"
