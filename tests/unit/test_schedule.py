"""Which waiting jobs start now, and why another one does not."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_queue.core.job import JobId
from agent_queue.core.schedule import Room, Waiting, pick, why

from .strategies import waiting

NOW = 100.0
queues = st.lists(waiting, max_size=12, unique_by=lambda job: job.id).map(sorted)
rooms = st.fixed_dictionaries(
    {
        "slots": st.integers(-1, 5),
        "held": st.sets(st.sampled_from("abcd"), max_size=1),
        "closed": st.dictionaries(st.sampled_from(["claude", "codex", "*"]), st.just("parked"), max_size=2),
        "profiles": st.dictionaries(st.just("qa"), st.just("its budget of the day is used up"), max_size=1),
        "met": st.sets(st.sampled_from(["dep-1", "dep-2"])),
        "refused": st.sets(st.integers(0, 40).map(lambda number: f"job-{number}"), max_size=3),
    }
)


def room(**facts: Any) -> Room:
    met = facts.pop("met", ())
    facts = {name: set(value) if name == "held" else value for name, value in facts.items()}
    return Room(**{"slots": 1, **facts}, unmet=lambda name, soft: None if name in met or soft else "inbox")


def job(name: str = "job-1", **more: Any) -> Waiting:
    return Waiting(rank=2, age=0, id=JobId(name), **more)


def blocked(one: Waiting, facts: dict[str, Any]) -> bool:
    """The rule once more, in other words."""
    return bool(
        one.next_eligible > NOW
        or "*" in facts["closed"]
        or (one.engines and {*one.engines, *one.fallback} <= facts["closed"].keys())
        or one.profile in facts["profiles"]
        or (set(one.deps) - facts["met"] and not one.soft)
        or set(one.locks) & facts["held"]
        or one.id in facts["refused"]
    )


@given(queues, rooms)
def test_what_starts_has_room(queue: list[Waiting], facts: dict[str, Any]) -> None:
    started = list(pick(queue, room(**facts), NOW))
    assert len(started) <= max(facts["slots"], 0)
    assert not [one.id for one in started if blocked(one, facts)]
    assert all(set(one.locks).isdisjoint(other.locks) for one, other in combinations(started, 2))
    assert started == [one for one in queue if one in started], "the order of service is kept"


@given(queues, rooms)
def test_nobody_waits_without_a_reason(queue: list[Waiting], facts: dict[str, Any]) -> None:
    free = room(**facts)
    started = list(pick(queue, free, NOW))
    left = [one for one in queue if one not in started]
    assert free.slots <= 0 or all(why(one, free, NOW) for one in left)
    if facts["slots"] > 0 and any(why(one, room(**facts), NOW) is None for one in queue):
        assert started


@given(queues, rooms)
def test_a_job_is_passed_over_only_for_what_was_taken_before_it(queue: list[Waiting], facts: dict[str, Any]) -> None:
    started = list(pick(queue, room(**facts), NOW))
    for place, one in enumerate(queue):
        before = [other for other in queue[:place] if other in started]
        if one in started or len(before) >= facts["slots"]:
            continue
        taken = {lock for other in before for lock in other.locks}
        assert blocked(one, facts | {"held": facts["held"] | taken})


@given(waiting, rooms)
def test_why_is_none_exactly_for_what_could_start_alone(one: Waiting, facts: dict[str, Any]) -> None:
    reason = why(one, room(**facts), NOW)
    assert (reason is None) == bool(list(pick([one], room(**{**facts, "slots": 1}), NOW)))
    assert (reason is not None) == blocked(one, facts)


@given(queues, rooms)
def test_asking_why_takes_nothing(queue: list[Waiting], facts: dict[str, Any]) -> None:
    free = room(**facts)
    for one in queue:
        why(one, free, NOW)
    assert (free.slots, free.held) == (facts["slots"], facts["held"])


def test_two_jobs_of_one_lock_never_start_together() -> None:
    queue = [
        job("one", locks=("a", "b")),
        job("two", locks=("b",)),
        job("three", locks=("c",)),
        job("four", locks=("a",)),
    ]
    assert [one.id for one in pick(queue, room(slots=9), NOW)] == ["one", "three"]


def test_the_order_of_service() -> None:
    critical, old, first, second = (
        Waiting(0, 9, JobId("z")), Waiting(2, 1, JobId("y")), Waiting(2, 3, JobId("a")), Waiting(2, 3, JobId("b")),
    )  # fmt: skip
    assert sorted([second, first, old, critical]) == [critical, old, first, second]


def test_a_long_queue_is_read_no_further_than_the_last_free_slot() -> None:
    queue = iter([job(f"job-{number}") for number in range(10)])
    assert [one.id for one in pick(queue, room(slots=2), NOW)] == ["job-0", "job-1"]
    assert len(list(queue)) >= 7


@pytest.mark.parametrize(
    ("one", "facts", "reason"),
    [
        (job(next_eligible=1_772_366_400.0), {}, "not before 2026-03-01 12:00:00 UTC"),
        (job(next_eligible=253_402_300_799.0), {}, "not before 9999-12-31 23:59:59 UTC"),
        (job(engines=("claude",)), {"closed": {"claude": "usage limit"}}, "claude: usage limit"),
        (job(engines=("claude", "pi")), {"closed": {"claude": "parked", "pi": "paused"}}, "claude and pi: parked"),
        (job(engines=("claude", "pi")), {"closed": {"claude": "parked"}}, None),
        (
            job(engines=("claude",)),
            {"closed": {"claude": "usage limit"}, "until": {"claude": 1_772_366_400.0}},
            "not before 2026-03-01 12:00:00 UTC (claude: usage limit)",
        ),
        (job(engines=("claude",), fallback=("pi",)), {"closed": {"claude": "limit"}}, None),
        (
            job(engines=("claude",), fallback=("pi",)),
            {"closed": {"claude": "limit", "pi": "limit"}, "until": {"claude": 1_772_370_000.0, "pi": 1_772_366_400.0}},
            "not before 2026-03-01 12:00:00 UTC (claude: limit)",
        ),
        (job(fallback=("pi",)), {"closed": {"pi": "limit"}}, None),
        (job(engines=("claude",)), {"closed": {"*": "paused"}}, "claude: paused"),
        (job(), {"closed": {"*": "paused"}}, "engine: paused"),
        (job(profile="qa"), {"profiles": {"qa": "used up"}}, "used up"),
        (job(deps=("a", "b")), {"met": {"a"}}, "waiting for b (inbox)"),
        (job(deps=("a", "b"), soft=True), {}, None),
        (job(locks=("b", "a")), {"held": {"b", "a"}}, "lock a is in use"),
        (job(), {"refused": {"job-1"}}, "another process holds it"),
        (job(), {}, None),
        (job(next_eligible=NOW), {}, None),
        (job(), {"slots": 0}, None),
    ],
)
def test_why(one: Waiting, facts: dict[str, Any], reason: str | None) -> None:
    assert why(one, room(**facts), NOW) == reason
