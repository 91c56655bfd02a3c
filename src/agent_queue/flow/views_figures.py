"""What a job took, summed over all its runs, held ones too; and how sure that is."""

from collections.abc import Iterable, Mapping
from typing import Any

SUMMED = ("duration_s", "tokens_in", "tokens_cached", "tokens_out", "cost_usd", "turns", "tool_calls")
"""Each run counts from nothing."""
LATEST = ("files_changed", "lines_added", "lines_deleted")
"""Counted against the job's base, so the last run's figure holds the earlier ones."""
CERTAINTY = ("exact", "estimated", "unknown")
"""A sum is as certain as the least certain of its parts."""


def figures(entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Add up the runs that a journal tells of. None where no run said anything."""
    runs: dict[int, dict[str, Any]] = {}
    latest: dict[str, Any] = dict.fromkeys(LATEST)
    run = 0
    for entry in entries:
        run = entry.get("run", run)
        # A run that a new supervisor judged once more is told twice: the last word counts.
        said = {key: entry[key] for key in (*SUMMED, "usage") if key in entry}
        if said:
            runs.setdefault(run, {}).update(said)
        latest.update({key: entry[key] for key in LATEST if key in entry})
    usages = [said.get("usage") for said in runs.values()]
    return {
        **{key: _sum(said.get(key) for said in runs.values()) for key in SUMMED},
        **latest,
        "usage": _least_certain(usages) if any(usages) else None,
    }


def _sum(values: Iterable[Any]) -> float | int | None:
    known = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return round(sum(known), 6) if known else None


def _least_certain(usages: Iterable[Any]) -> str:
    """A run that says nothing where others do is unknown: what it took is not 0."""
    return max((usage if usage in CERTAINTY else CERTAINTY[-1] for usage in usages), key=CERTAINTY.index)
