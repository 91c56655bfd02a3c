"""Many jobs added up: how often they ended well, what they cost, and how much of that nobody knows."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from agent_queue.core.insights import LATEST, SUBSCRIPTION, Attempt
from agent_queue.core.job import Result, Stage
from agent_queue.core.usage import Provenance

Day = Callable[[float], str]
"""Epoch seconds to the day they lie in, as a person here calls it."""
SUMMED = ("duration_s", "tokens_in", "tokens_cached", "tokens_out", "cost_usd", "turns", "tool_calls")
"""Each run counts from nothing."""
# By their places in the tuple: thousands of runs are added up while a person waits.
_SUMMED_AT = tuple((key, Attempt._fields.index(key)) for key in SUMMED)
_LATEST_AT = tuple(map(Attempt._fields.index, LATEST))
EXACT, ESTIMATED, UNKNOWN = Provenance.EXACT.value, Provenance.ESTIMATED.value, Provenance.UNKNOWN.value
NONE = "none"
"""What a group is called of jobs that name nothing, or never came to it."""


class By(StrEnum):
    """What figures are told apart by."""

    ENGINE = "engine"
    MODEL = "model"
    PROFILE = "profile"
    DAY = "day"


class Ended(StrEnum):
    """How a job stands, for the success rate. A cancelled job says nothing about its agent."""

    WELL = "well"
    BADLY = "badly"
    CANCELLED = "cancelled"
    NOT_YET = "not yet"


class Past(NamedTuple):
    """What is known of one job: its runs, and how its journal ends."""

    job: str
    lies: str
    """The stage that its last move led to; '' for a job never moved."""
    result: str | None
    attempts: int
    retries: int
    tracker_item: str | None
    tracker_echoed: Any
    ended_at: float
    """When its last run ended, epoch seconds; of a job that never ran, when it was last heard of."""
    runs: Sequence[Attempt]


def ended(stage: str, result: str | None, *, waits_for_a_person: bool) -> Ended:
    """How a job stands that lies in `stage`. `waits_for_a_person`: in review, with no verify to come."""
    if stage == Stage.FAILED:
        return Ended.CANCELLED if result == Result.CANCELLED else Ended.BADLY
    well = stage in (Stage.TESTING, Stage.SHIPPED) or (stage == Stage.REVIEW and waits_for_a_person)
    return Ended.WELL if well else Ended.NOT_YET


@dataclass(slots=True)
class Group:
    """Figures of jobs that have something in common."""

    name: str
    jobs: int = 0
    well: int = 0
    badly: int = 0
    shipped: int = 0
    runs: int = 0
    retries: int = 0
    estimated: bool = False
    subscription: bool = False
    sums: defaultdict[str, float] = field(default_factory=lambda: defaultdict(int))
    lines: list[int] = field(default_factory=lambda: [0, 0, 0])
    tokens_unknown: set[str] = field(default_factory=set)
    cost_unknown: set[str] = field(default_factory=set)

    def add_job(self, past: Past, how: Ended, stage: str) -> None:
        """Count a job where its last run belongs. A line is counted against the job's base: once, at its last count."""
        self.jobs += 1
        self.well += how is Ended.WELL
        self.badly += how is Ended.BADLY
        self.shipped += stage == Stage.SHIPPED
        self.retries += past.retries
        lines = self.lines
        for index, at in enumerate(_LATEST_AT):
            for run in reversed(past.runs):
                count: Any = run[at]
                if count is not None:
                    lines[index] += count
                    break

    def add_run(self, job: str, run: Attempt) -> None:
        self.runs += 1
        sums = self.sums
        for key, at in _SUMMED_AT:
            value: Any = run[at]
            if value is not None:
                sums[key] += value
        usage, cost_usage = run.usage, run.cost_usage
        if usage == cost_usage == EXACT:
            return
        if usage == UNKNOWN:
            self.tokens_unknown.add(job)
        if cost_usage == UNKNOWN:
            self.cost_unknown.add(job)
        self.estimated |= ESTIMATED in (usage, cost_usage)
        self.subscription |= run.cost_basis == SUBSCRIPTION

    def add_group(self, other: "Group") -> None:
        """Take in another group that counts other jobs and runs; the runs of one job may be in both."""
        for count in ("jobs", "well", "badly", "shipped", "runs", "retries"):
            setattr(self, count, getattr(self, count) + getattr(other, count))
        for key, value in other.sums.items():
            self.sums[key] += value
        self.lines = [mine + theirs for mine, theirs in zip(self.lines, other.lines, strict=True)]
        self.tokens_unknown |= other.tokens_unknown
        self.cost_unknown |= other.cost_unknown
        self.estimated |= other.estimated
        self.subscription |= other.subscription

    def to_json(self) -> dict[str, Any]:
        """`cost_per_shipped_usd` is what all these jobs cost, for each that shipped."""
        judged = self.well + self.badly
        sums: dict[str, Any] = {key: self._sum(key) for key in SUMMED}
        cost, tokens, duration = sums["cost_usd"], sums["tokens_in"], sums.pop("duration_s")
        return {
            "jobs": self.jobs, "ended_well": self.well, "ended_badly": self.badly,
            "success_rate": round(self.well / judged, 4) if judged else None, "shipped": self.shipped, **sums,
            "cached_share": round((sums["tokens_cached"] or 0) / tokens, 4) if tokens else None,
            "estimated": self.estimated, "subscription": self.subscription, "unknown_cost_jobs": len(self.cost_unknown),
            "unknown_tokens_jobs": len(self.tokens_unknown),
            "cost_per_shipped_usd": round(cost / self.shipped, 6) if cost is not None and self.shipped else None,
            "files_changed": self.lines[0], "lines_added": self.lines[1], "lines_deleted": self.lines[2],
            "runs": self.runs, "retries": self.retries, "duration_s": duration,
            "avg_duration_s": round(duration / self.jobs, 3) if duration is not None and self.jobs else None,
        }  # fmt: skip

    def _sum(self, key: str) -> float | int | None:
        value = self.sums.get(key)
        return round(value, 6) if value is not None else None


def rolled_up(jobs: Iterable[tuple[Past, Ended, str]], by: By, day: Day) -> list[Group]:
    """Groups by name. Each job comes with how it stands and where it lies.

    A run counts where it belongs, e.g. to the engine that ran it; its job where its last run does.
    """
    groups: dict[str, Group] = {}

    def group(past: Past, run: Attempt | None) -> Group:
        name = _name(past, run, by, day)
        found = groups.get(name)
        if found is None:
            found = groups[name] = Group(name)
        return found

    for past, how, stage in jobs:
        for run in past.runs:
            if run.over:
                group(past, run).add_run(past.job, run)
        group(past, past.runs[-1] if past.runs else None).add_job(past, how, stage)
    return [groups[name] for name in sorted(groups)]


def all_of(groups: Iterable[Group]) -> Group:
    """What groups of one roll-up come to together."""
    found = Group("all")
    for group in groups:
        found.add_group(group)
    return found


def _name(past: Past, run: Attempt | None, by: By, day: Day) -> str:
    match by:
        case By.ENGINE:
            return (run.engine if run else None) or NONE
        case By.MODEL:
            return (run.model if run else None) or NONE
        case By.PROFILE:
            return (run.profile if run else None) or NONE
        case By.DAY:
            return day((run.ended_at or run.started_at if run else None) or past.ended_at)
