"""What runs took, folded from a job's journal: each attempt, and all of them together. What nobody knows is no 0."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from agent_queue.core.history import is_time
from agent_queue.core.usage import LARGEST, CostBasis, Provenance, Usage, total, usage_of

SUBSCRIPTION = CostBasis.SUBSCRIPTION.value
CERTAINTY = (Provenance.EXACT.value, Provenance.ESTIMATED.value, SUBSCRIPTION, Provenance.UNKNOWN.value)
"""How sure a cost is, the surest first. A sum is as sure as the least sure of its parts."""


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
    """How sure its cost is, of `CERTAINTY`; None as above."""
    cost_basis: str | None = None
    over: bool = False
    """It has ended, or will never be told to have."""


TEXTS = ("engine", "profile", "stop", "result")
TIMES = ("started_at", "ended_at")
NUMBERS = (
    "duration_s", "first_output_s", "exit", "verify_exit", "files_changed", "lines_added",
    "lines_deleted",
)  # fmt: skip
USED = ("tokens_in", "tokens_cached", "tokens_out", "cost_usd", "turns", "tool_calls", "model", "usage", "cost_basis")
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
        said = runs.setdefault(run, {"run": run, "ran": False, "over": False})
        said.update({key: entry[key] for key in TIMES if is_time(entry.get(key))})
        said.update({key: entry[key] for key in NUMBERS if _is_number(entry.get(key))})
        said.update({key: entry[key] for key in TEXTS if isinstance(entry.get(key), str)})
        said.update({key: entry[key] for key in USED if key in entry})
        # A machine that dies just after a start may take the line about it along.
        said["ran"] |= event in ("started", "ended", "imported") or last == "recover"
        said["over"] |= event in ("ended", "imported")
    under_way = run if last == "begin" else 0
    return [_attempt(said, under_way=number == under_way) for number, said in sorted(runs.items())]


def _attempt(said: dict[str, Any], *, under_way: bool) -> Attempt:
    over = said["over"] or not under_way
    known = {key: said[key] for key in ("run", *TIMES, *NUMBERS, *TEXTS) if key in said}
    used = usage_of(said)
    if not (said["ran"] and over):
        return Attempt(**known, model=used.model, over=over)
    return Attempt(
        **known, model=used.model, tokens_in=used.tokens_in, tokens_cached=used.tokens_cached,
        tokens_out=used.tokens_out, cost_usd=used.cost_usd, turns=used.turns, tool_calls=used.tool_calls,
        usage=used.usage.value, cost_usage=_cost_usage(used),
        cost_basis=used.cost_basis.value if used.cost_basis else None, over=over,
    )  # fmt: skip


def _cost_usage(used: Usage) -> str:
    if used.cost_usd is None:
        return Provenance.UNKNOWN.value
    match used.cost_basis:
        case CostBasis.SUBSCRIPTION:
            return SUBSCRIPTION
        case CostBasis.COMPUTED:
            return Provenance.ESTIMATED.value
        case CostBasis.REPORTED | None:
            # A program that tells a cost and no tokens knows what it tells.
            return used.usage.value if used.usage is not Provenance.UNKNOWN else Provenance.EXACT.value


def figures(entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What a job took so far, over all its runs, held ones too."""
    return summed([run for run in attempts(entries) if run.over])


def summed(runs: Sequence[Attempt]) -> dict[str, Any]:
    """Add runs of one job up. None where no run said anything; `usage` and `cost_usage` say how sure the sums are."""
    ran = [run for run in runs if run.usage is not None]
    used = total(usage_of(run._asdict()) for run in ran)
    durations = [run.duration_s for run in runs if run.duration_s is not None]
    names = ("tokens_in", "tokens_cached", "tokens_out", "cost_usd", "turns", "tool_calls")
    return {
        "duration_s": round(sum(durations), 6) if durations else None,
        **{key: used.figures.get(key) for key in names},
        **{key: _latest([getattr(run, key) for run in runs]) for key in LATEST},
        "usage": used.usage.value if ran else None,
        "cost_usage": max((run.cost_usage for run in ran if run.cost_usage), key=CERTAINTY.index, default=None),
    }


def with_live(told: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """A job's sums with those of the run that is under way, which tells them in state keys."""
    used = usage_of(live)
    if used.usage is Provenance.UNKNOWN and used.cost_usd is None:
        return {}  # it has only begun
    names = ("tokens_in", "tokens_cached", "tokens_out", "cost_usd")
    both = {
        key: told.get(key) if (more := getattr(used, key)) is None else round((told.get(key) or 0) + more, 9)
        for key in names
    }
    sure = {"usage": used.usage.value, "cost_usage": _cost_usage(used)}
    return {**both, **{key: max(filter(None, (told.get(key), now)), key=CERTAINTY.index) for key, now in sure.items()}}


def _latest(values: Sequence[int | None]) -> int | None:
    return next((value for value in reversed(values) if value is not None), None)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST
