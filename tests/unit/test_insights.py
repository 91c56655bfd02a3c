"""Figures folded from journals: per attempt, per job, over many jobs; what nobody knows is never 0."""

from typing import Any

import pytest

from agent_queue.core.insights import Attempt, attempts, figures
from agent_queue.core.rollup import By, Ended, Past, all_of, ended, rolled_up


def run(number: int, move: str = "retry", result: str = "retry", **said: Any) -> list[dict[str, Any]]:
    """A run's entries: claim, start, end, and where it led."""
    return [
        {"event": "move", "move": "begin", "run": number, "attempts": number},
        {"event": "moved", "seq": 1},
        {"event": "started", "run": number, "engine": said.pop("engine", "claude"), "started_at": 1000.0 * number},
        {"event": "ended", "ended_at": 1000.0 * number + 60, "duration_s": 60.0, **said},
        {"event": "move", "move": move, "run": number, "attempts": number, "result": result},
    ]


def known(tokens: int, cost: float | None = None, usage: str = "exact") -> dict[str, Any]:
    return {"tokens_in": tokens, "tokens_out": 1, "usage": usage} | ({"cost_usd": cost} if cost is not None else {})


def test_two_runs_add_up() -> None:
    told = figures([*run(1, **known(100, 0.5)), *run(2, "advance", "review", **known(50, 0.25))])
    assert (told["tokens_in"], told["cost_usd"], told["duration_s"]) == (150, 0.75, 120)
    assert (told["usage"], told["cost_usage"]) == ("exact", "exact")


def test_a_held_run_counts_too() -> None:
    told = figures([*run(1, "hold", "held", **known(100)), *run(1 + 1, "advance", "review", **known(50))])
    assert told["tokens_in"] == 150


@pytest.mark.parametrize(
    ("first", "second", "usage", "cost_usage", "cost"),
    [
        (known(1, 0.5), known(1, 0.5, "estimated"), "estimated", "estimated", 1.0),
        (known(1, 0.5), {}, "unknown", "unknown", 0.5),
        (known(1, 0.5), known(1), "exact", "unknown", 0.5),
        (known(1, 0.5), {**known(1, 0.5), "cost_basis": "computed"}, "exact", "estimated", 1.0),
        (known(1, 0.5), {**known(1, 0.5), "cost_basis": "subscription"}, "exact", "subscription", 1.0),
        ({"cost_usd": 0.5}, {"cost_usd": 0.5}, "unknown", "exact", 1.0),
        ({}, {}, "unknown", "unknown", None),
    ],
)
def test_a_sum_is_as_sure_as_its_least_sure_part(
    first: dict[str, Any], second: dict[str, Any], usage: str, cost_usage: str, cost: float | None
) -> None:
    told = figures([*run(1, **first), *run(2, **second)])
    assert (told["usage"], told["cost_usage"], told["cost_usd"]) == (usage, cost_usage, cost)


def test_lines_are_those_of_the_last_run_which_hold_the_earlier_ones() -> None:
    told = figures([*run(1, lines_added=3, files_changed=1), *run(2, lines_added=5, files_changed=2), *run(3)])
    assert (told["lines_added"], told["files_changed"]) == (5, 2)


def test_a_job_that_never_started_an_agent_used_nothing() -> None:
    refused = [{"event": "move", "move": "fail", "run": 0, "result": "no_engine"}]
    setup = [
        {"event": "move", "move": "begin", "run": 1},
        {"event": "move", "move": "fail", "run": 1, "result": "setup_failed"},
    ]
    assert attempts(refused) == []
    for told in (figures(refused), figures(setup)):
        assert (told["usage"], told["cost_usage"], told["cost_usd"]) == (None, None, None)


def test_a_run_that_a_power_cut_took_with_its_lines_is_unknown() -> None:
    begun = {"event": "move", "move": "begin", "run": 1}
    (lost,) = attempts([begun, {"event": "move", "move": "recover", "run": 1, "result": "recovered"}])
    assert (lost.usage, lost.cost_usage, lost.over) == ("unknown", "unknown", True)


def test_a_run_under_way_says_nothing_yet() -> None:
    first, second = attempts([*run(1, **known(7, 0.1)), *run(2)[:3]])
    assert (first.over, second.over, second.usage) == (True, False, None)
    assert figures([*run(1, **known(7, 0.1)), *run(2)[:3]])["usage"] == "exact"


def test_a_run_judged_twice_counts_once() -> None:
    ended_ = run(1, **known(7))[3]
    assert figures([*run(1, **known(7))[:3], ended_, ended_])["tokens_in"] == 7


def test_foreign_lines_break_nothing() -> None:
    foreign = [{"event": 3}, {"event": "ended", "run": "x", "tokens_in": "many"}, {"event": "move", "run": True}]
    assert figures([*foreign, *run(1, tokens_in=True, exit="no", usage="sure"), *foreign])["tokens_in"] is None


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e300, 10**400, -(10**400)])
def test_a_number_that_cannot_be_one_is_not_known(value: float) -> None:
    keys = ("started_at", "ended_at", "duration_s", "exit", "tokens_in", "cost_usd", "files_changed")
    (found,) = attempts([*run(1, **known(7)), {"event": "ended", "run": 1, **dict.fromkeys(keys, value)}])
    sane = attempts(run(1, **known(7)))[0]
    assert (found.started_at, found.ended_at, found.duration_s, found.exit) == (
        sane.started_at, sane.ended_at, sane.duration_s, sane.exit)  # fmt: skip
    assert (found.tokens_in, found.cost_usd, found.files_changed) == (None, None, sane.files_changed)


# Many jobs.


def past(job: str, *runs: list[dict[str, Any]], **said: Any) -> Past:
    found = attempts([entry for entries in runs for entry in entries])
    keys = {"lies": "", "result": None, "attempts": len(found), "retries": 0, "tracker_item": None,
            "tracker_echoed": None, "ended_at": 0.0}  # fmt: skip
    return Past(job=job, runs=found, **{**keys, **said})


def day(when: float) -> str:
    return f"day {when // 1000:.0f}"


@pytest.mark.parametrize(
    ("stage", "result", "waits", "how"),
    [
        ("testing", "testing", False, Ended.WELL),
        ("shipped", "shipped", False, Ended.WELL),
        ("review", "review", True, Ended.WELL),
        ("review", "review", False, Ended.NOT_YET),
        ("failed", "timeout", False, Ended.BADLY),
        ("failed", "rejected", False, Ended.BADLY),
        ("failed", "cancelled", False, Ended.CANCELLED),
        ("inbox", "retry", False, Ended.NOT_YET),
        ("building", None, False, Ended.NOT_YET),
    ],
)
def test_how_a_job_stands(stage: str, result: str | None, waits: bool, how: Ended) -> None:
    assert ended(stage, result, waits_for_a_person=waits) is how


def test_the_roll_up_marks_what_it_lacks() -> None:
    jobs = [
        (past("a", run(1, **known(100, 1.0))), Ended.WELL, "shipped"),
        (past("b", run(1, **known(50, 0.5, "estimated")), retries=1), Ended.BADLY, "failed"),
        (past("c", run(1), run(2)), Ended.WELL, "testing"),
        (past("d", run(1)), Ended.CANCELLED, "failed"),
    ]
    told = all_of(rolled_up(jobs, By.ENGINE, day)).to_json()
    assert told == all_of(rolled_up(jobs, By.DAY, day)).to_json()
    assert (told["jobs"], told["success_rate"], told["shipped"], told["runs"]) == (4, 0.6667, 1, 5)
    assert (told["tokens_in"], told["cost_usd"], told["cost_per_shipped_usd"]) == (150, 1.5, 1.5)
    assert (told["estimated"], told["unknown_cost_jobs"], told["unknown_tokens_jobs"]) == (True, 2, 2)
    assert not told["subscription"]
    assert (told["retries"], told["avg_duration_s"]) == (1, 75)


def test_nothing_known_is_not_zero() -> None:
    (group,) = rolled_up([(past("a", run(1)), Ended.WELL, "shipped")], By.ENGINE, day)
    told = group.to_json()
    assert (told["cost_usd"], told["tokens_in"], told["cached_share"], told["cost_per_shipped_usd"]) == (None,) * 4


def test_a_run_counts_for_its_engine_and_the_job_for_its_last() -> None:
    job = past("a", run(1, engine="codex", **known(100, 1.0)), run(2, **known(10, 0.1)))
    codex, claude = sorted(rolled_up([(job, Ended.WELL, "testing")], By.ENGINE, day), key=lambda group: group.jobs)
    assert (codex.name, codex.jobs, codex.sums["tokens_in"]) == ("codex", 0, 100)
    assert (claude.name, claude.jobs, claude.sums["tokens_in"]) == ("claude", 1, 10)


def test_groups_by_day_and_by_what_nobody_named() -> None:
    job = past("a", run(1, **known(1)), run(2, **known(2)))
    assert [group.name for group in rolled_up([(job, Ended.WELL, "testing")], By.DAY, day)] == ["day 1", "day 2"]
    assert [group.name for group in rolled_up([(job, Ended.WELL, "testing")], By.PROFILE, day)] == ["none"]
    never = past("b", ended_at=5000.0)
    assert [group.name for group in rolled_up([(never, Ended.BADLY, "failed")], By.DAY, day)] == ["day 5"]


def test_an_attempt_knows_the_journal_s_keys() -> None:
    from agent_queue.core.history import ENTRY_KEYS

    assert set(Attempt._fields) - ENTRY_KEYS == {"over", "cost_usage"}
