"""When an engine takes jobs, and what an agent's end means for that."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_queue.core.lanes import (
    FAST_S,
    OPEN,
    PAUSES,
    Cause,
    Closed,
    Ended,
    Hours,
    Lane,
    begun,
    closed,
    hours,
    judged,
    lane_name,
    out_of_hours,
    passed_over,
)
from agent_queue.core.outcome import FAILURES, Broke, Done, Failure, Fault, Held, Outcome, Refused

from .strategies import NOW, outcomes, rolls

AT = NOW.timestamp()
RATE = Broke(kind=Failure.RATE_LIMITED, reason="429")
CRASH = Broke(kind=Failure.CRASH, reason="exit code 1")
LANE_FAILURES = (Failure.RATE_LIMITED, Failure.OVERLOADED, Failure.QUOTA)


def ended(job: str = "a", *, took_s: float = 5.0, at: float = 0.0, roll: float = 0.0, breaks: bool = True) -> Ended:
    now = NOW + timedelta(seconds=at)
    return Ended(job=job, started_at=now.timestamp() - took_s, now=now, roll=roll, breaks=breaks)


def limit(hours: float, lane: str = "claude") -> Held:
    return Held(reason="usage limit", lane=lane, until=NOW + timedelta(hours=hours))


def test_a_usage_limit_parks_the_lane_until_its_reset() -> None:
    lane, outcome = judged("claude@work", OPEN, limit(5), ended(), 3)
    assert closed(lane, AT) == Closed("usage limit", AT + 5 * 3600)
    assert closed(lane, AT + 5 * 3600 - 0.001) is not None
    assert closed(lane, AT + 5 * 3600) is None
    assert outcome == replace(limit(5), lane="claude@work")


def test_the_later_of_two_resets_holds() -> None:
    lane, _ = judged("claude", OPEN, limit(5), ended(), 3)
    lane, outcome = judged("claude", lane, limit(1), ended("b"), 3)
    assert (lane.until, isinstance(outcome, Held) and outcome.until) == (AT + 5 * 3600, limit(5).until)


def test_a_reset_that_has_passed_is_no_start_at_once() -> None:
    lane, outcome = judged("claude", OPEN, limit(-72), ended(), 3)
    assert isinstance(outcome, Held)
    assert NOW < outcome.until < NOW + timedelta(hours=1)
    assert lane.until == outcome.until.timestamp()


def test_a_hold_that_is_no_lanes_parks_nothing() -> None:
    assert judged("claude", OPEN, limit(5, lane=""), ended(), 3) == (OPEN, limit(5, lane=""))


@pytest.mark.parametrize("kind", LANE_FAILURES)
def test_what_is_the_lanes_fault_holds_the_job_for_a_time_that_grows(kind: Failure) -> None:
    first, longest = PAUSES[{"rate_limited": Cause.RATE, "overloaded": Cause.OVERLOAD, "quota": Cause.QUOTA}[kind]]
    lane, waits, at = OPEN, [], 0.0
    for _ in range(12):
        lane, outcome = judged("claude", lane, Broke(kind=kind, reason="no"), ended(at=at, took_s=1), 3)
        assert isinstance(outcome, Held)
        assert (outcome.lane, outcome.known_reset, outcome.until.timestamp()) == ("claude", False, lane.until)
        assert outcome.failure is kind
        waits.append(lane.until - AT - at)
        at = lane.until - AT + 2
    assert waits == pytest.approx([min(first * 2**number, longest) for number in range(12)])


def test_several_jobs_that_run_into_the_same_trouble_are_one_pause() -> None:
    lane, _ = judged("claude", OPEN, RATE, ended("a", took_s=100), 3)
    for job in "bcd":
        lane, outcome = judged("claude", lane, RATE, ended(job, took_s=100, at=3), 3)
        assert isinstance(outcome, Held)
    assert (lane.pauses, lane.until) == (1, AT + 30)


@pytest.mark.parametrize("outcome", [Done(), Broke(kind=Failure.MAX_TURNS, reason=""), CRASH])
def test_a_job_that_came_far_forgets_the_trouble(outcome: Outcome) -> None:
    lane, _ = judged("claude", OPEN, RATE, ended(), 3)
    lane, same = judged("claude", lane, outcome, ended("b", at=300, took_s=200), 3)
    assert (lane, same) == (OPEN, outcome)


def test_a_park_that_began_while_a_good_job_ran_stands() -> None:
    parked, _ = judged("claude", OPEN, limit(5), ended(), 3)
    assert judged("claude", parked, Done(), ended("b", at=60, took_s=600), 3) == (parked, Done())


def test_after_a_pause_one_job_goes_alone_until_it_has_lived_for_long_enough() -> None:
    lane, _ = judged("claude", OPEN, RATE, ended(), 3)
    opens = lane.until
    assert closed(lane, opens) is None
    tried = begun(lane, opens + 7)
    assert closed(tried, opens + 8) == Closed("asked to slow down; one job is trying it", opens + 7 + FAST_S)
    assert closed(tried, opens + 7 + FAST_S) is None
    assert begun(tried, opens + 9999) == tried


@pytest.mark.parametrize("lane", [OPEN, Lane(cause=Cause.LIMIT, until=AT)])
def test_after_a_known_reset_all_go_at_once(lane: Lane) -> None:
    assert begun(lane, AT + 1) == lane


def crashes(lane: Lane, *jobs: str, breaker: int = 3) -> Iterator[tuple[Lane, Outcome]]:
    at = 0.0
    for job in jobs:
        lane, outcome = judged("claude", lane, CRASH, ended(job, at=at, took_s=1), breaker)
        at = max(at + 2, lane.until - AT + 2)
        yield lane, outcome


def test_a_broken_engine_fails_three_jobs_and_no_more() -> None:
    found = list(crashes(OPEN, *"abcdefgh"))
    assert [isinstance(outcome, Broke) for _, outcome in found] == [True] * 3 + [False] * 5
    assert [closed(lane, lane.since) is not None for lane, _ in found] == [False, False, *[True] * 6]
    waits = [lane.until - lane.since for lane, _ in found[2:]]
    assert waits == [60, 120, 240, 480, 960, 1920]


def test_jobs_that_end_together_are_held_once_the_breaker_is_open() -> None:
    lane = OPEN
    held = []
    for job in "abcdef":
        lane, outcome = judged("claude", lane, CRASH, ended(job, took_s=10), 3)
        held.append(isinstance(outcome, Held))
    assert held == [False] * 3 + [True] * 3
    assert (lane.pauses, lane.until) == (1, AT + 60)


def test_one_job_that_crashes_again_and_again_breaks_no_engine() -> None:
    assert all(lane.cause is None and isinstance(outcome, Broke) for lane, outcome in crashes(OPEN, *"aaaaaaaa"))


def test_a_job_that_lives_closes_the_breaker() -> None:
    *_, (lane, _) = crashes(OPEN, *"abcd")
    assert judged("claude", lane, Done(), ended("e", at=9999), 3)[0] == OPEN


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (CRASH, {"breaks": False}),
        (Broke(kind=Failure.VERIFY_FAILED, reason=""), {}),
        (Broke(kind=Failure.TIMEOUT, reason=""), {}),
        (Broke(kind=Failure.SETUP, reason=""), {}),
        (Broke(kind=Failure.MACHINE, reason=""), {}),
    ],
)
def test_what_is_not_the_engines_doing_does_not_count(outcome: Outcome, told: dict[str, bool]) -> None:
    lane = OPEN
    for job in "abcdef":
        lane, same = judged("claude", lane, outcome, ended(job, **told), 3)
        assert same == outcome
    assert closed(lane, AT) is None


def test_a_refused_log_in_counts_however_long_it_took() -> None:
    lane = OPEN
    for job in "abc":
        lane, _ = judged("claude", lane, Broke(kind=Failure.AUTH, reason="401"), ended(job, took_s=300), 3)
    shut = closed(lane, AT)
    assert shut is not None
    assert shut.reason == "its log-in is refused"


def test_the_breaker_can_be_off() -> None:
    assert all(closed(lane, AT + 1) is None for lane, _ in crashes(OPEN, *"abcdef", breaker=0))


def test_a_job_that_tried_a_broken_lane_lets_others_try_it_next() -> None:
    *_, (lane, _) = crashes(OPEN, *"abc")
    assert passed_over(lane, lane.until - 1, ["c", "d"]) == frozenset(), "nobody starts now anyway"
    assert passed_over(lane, lane.until, ["c", "d"]) >= {"c"}
    assert passed_over(lane, lane.until, ["c", "a"]) == frozenset(), "all of them tried it: the turn is anybody's"


@given(outcomes, rolls, st.sampled_from([0.0, 1e-3, 30.0, 90.0]), st.lists(outcomes, max_size=6))
def test_judging_the_same_end_twice_parks_once(
    last: Outcome, roll: float, took_s: float, before: list[Outcome]
) -> None:
    lane = OPEN
    for number, outcome in enumerate(before):
        lane, _ = judged("claude", lane, outcome, ended(f"job-{number}", took_s=took_s, roll=roll), 3)
    end = ended("last", at=400, took_s=took_s, roll=roll)
    once, _ = judged("claude", lane, last, end, 3)
    again, _ = judged("claude", once, last, end, 3)
    assert (again.until, again.pauses) == (once.until, once.pauses)


@given(outcomes)
def test_only_the_lanes_fault_changes_what_becomes_of_a_job(outcome: Outcome) -> None:
    _, found = judged("claude", OPEN, outcome, ended(), 3)
    match outcome:
        case Broke(kind=kind) if kind in LANE_FAILURES:
            assert isinstance(found, Held)
            assert FAILURES[kind].fault is Fault.LANE
        case Held(lane="claude"):
            assert isinstance(found, Held)
        case Done() | Refused() | Broke() | Held():
            assert found == outcome


def test_an_account_has_a_lane_of_its_own() -> None:
    assert (lane_name("claude", None), lane_name("claude", "work")) == ("claude", "claude@work")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("22:00-06:00", Hours(1320, 360)), ("9:30 - 17:00", Hours(570, 1020)), ("00:00-24:00", Hours(0, 1440)),
        ("22-06", None), ("", None), ("22:00", None), ("25:00-06:00", None), ("22:60-06:00", None),
        ("22:00-22:00", None), ("22:0-6:00", None), ("-1:00-6:00", None), ("24:00-06:00", None),
    ],
)  # fmt: skip
def test_hours_are_two_times_of_the_day(text: str, found: Hours | None) -> None:
    assert hours(text) == found


@pytest.mark.parametrize(
    ("clock", "opens_in_h"),
    [("21:59", 1 / 60), ("22:00", None), ("23:59", None), ("00:00", None), ("05:59", None), ("06:00", 16.0)],
)
def test_a_lane_is_open_within_its_hours(clock: str, opens_in_h: float | None) -> None:
    hour, minute = map(int, clock.split(":"))
    local = datetime(2026, 3, 1, hour, minute, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    shut = out_of_hours(Hours(1320, 360), local)
    assert (shut is None) == (opens_in_h is None)
    if shut is not None and opens_in_h is not None:
        assert shut.until - local.timestamp() == pytest.approx(opens_in_h * 3600)
        assert shut.reason == "takes jobs 22:00-06:00 only"
