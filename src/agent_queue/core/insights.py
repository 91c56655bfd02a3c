"""What runs took, folded from a job's journal: each attempt, and all of them together. What nobody knows is no 0."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

CERTAINTY = ("exact", "estimated", "unknown")
"""How sure a figure is. A sum is as sure as the least sure of its parts."""
UNKNOWN = CERTAINTY[-1]


class Attempt(NamedTuple):
    """One run. Times are epoch seconds, durations seconds; None where nobody knows."""

    run: int
    engine: str | None = None
    model: str | None = None
    profile: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    duration_s: float | None = None
    first_output_s: float | None = None
    exit: int | None = None
    stop: str | None = None
    result: str | None = None
    verify_exit: int | None = None
    files_changed: int | None = None
    lines_added: int | None = None
    lines_deleted: int | None = None
    tokens_in: int | None = None
    tokens_cached: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    turns: int | None = None
    tool_calls: int | None = None
    usage: str | None = None
    """How sure its tokens are; None when no agent was started, so that nothing was used."""
    cost_usage: str | None = None
    """The same of its cost."""
    over: bool = False
    """It has ended, or will never be told to have."""


TEXTS = ("engine", "model", "profile", "stop", "result", "usage", "cost_usage")
NUMBERS = tuple(key for key in Attempt._fields[4:-3] if key not in TEXTS)
SUMMED = ("duration_s", "tokens_in", "tokens_cached", "tokens_out", "cost_usd", "turns", "tool_calls")
"""Each run counts from nothing."""
LATEST = ("files_changed", "lines_added", "lines_deleted")
"""Counted against the job's base, so the last run's figure holds the earlier ones."""


def attempts(entries: Iterable[Mapping[str, Any]]) -> list[Attempt]:
    """Every run that a journal tells of, the earliest first."""
    runs: dict[int, dict[str, Any]] = {}
    run, last = 0, ""
    for entry in entries:
        event, number = entry.get("event"), entry.get("run", run)
        run = number if isinstance(number, int) and not isinstance(number, bool) else run
        if event in ("move", "moved_by_hand"):
            last = str(entry.get("move", ""))
        if run < 1:
            continue
        # A run that a new supervisor judged once more is told twice: the last word counts.
        said = runs.setdefault(run, {"run": run})
        said.update({key: entry[key] for key in NUMBERS if _is_number(entry.get(key))})
        said.update({key: entry[key] for key in TEXTS if isinstance(entry.get(key), str)})
        # A machine that dies just after a start may take the line about it along.
        said["ran"] = said.get("ran") or event in ("started", "ended") or last == "recover"
        said["over"] = said.get("over") or event == "ended"
    under_way = run if last == "begin" else 0
    return [_attempt(said, under_way=number == under_way) for number, said in sorted(runs.items())]


def _attempt(said: dict[str, Any], *, under_way: bool) -> Attempt:
    ran, over = said.pop("ran"), said.pop("over") or not under_way
    usage, cost_usage = said.pop("usage", None), said.pop("cost_usage", None)
    if ran and over:
        tokens = "tokens_in" in said or "tokens_out" in said
        usage = usage if tokens and usage in CERTAINTY else UNKNOWN
        told = cost_usage if cost_usage in CERTAINTY else usage
        cost_usage = told if "cost_usd" in said else UNKNOWN
    else:
        usage = cost_usage = None
    return Attempt(**said, over=over, usage=usage, cost_usage=cost_usage)


def figures(entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What a job took so far, over all its runs, held ones too."""
    return summed(attempts(entries))


def summed(runs: Sequence[Attempt]) -> dict[str, Any]:
    """Add runs of one job up. None where no run said anything; `usage` and `cost_usage` say how sure the sums are."""
    return {
        **{key: total([getattr(run, key) for run in runs]) for key in SUMMED},
        **{key: _latest([getattr(run, key) for run in runs]) for key in LATEST},
        "usage": least_sure(run.usage for run in runs),
        "cost_usage": least_sure(run.cost_usage for run in runs),
    }


def total(values: Iterable[float | None]) -> float | int | None:
    """The sum of what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return round(sum(known), 6) if known else None


def least_sure(told: Iterable[str | None]) -> str | None:
    """None when nothing was used."""
    return max((each for each in told if each is not None), key=CERTAINTY.index, default=None)


def _latest(values: Sequence[int | None]) -> int | None:
    return next((value for value in reversed(values) if value is not None), None)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
