"""Whether a broken job runs again, and how long it waits first."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_queue.core.outcome import FAILURES, Failure
from agent_queue.core.retry import FIRST_WAIT_S, LONGEST_WAIT_S, NEVER, Retry, may_retry, wait_before

from .strategies import failures, retries, rolls

EXPONENTIAL = Retry(max_retries=100, backoff_s=None, on=(Failure.CRASH,))


@given(failures, retries)
def test_only_what_the_manifest_names_and_the_table_allows_is_retried(kind: Failure, retry: Retry) -> None:
    assert may_retry(kind, retry) == (kind in retry.on and FAILURES[kind].retriable and retry.max_retries > 0)
    assert not may_retry(kind, replace(retry, max_retries=0))
    assert not may_retry(kind, replace(retry, on=()))


@pytest.mark.parametrize("kind", [Failure.AUTH, Failure.NO_PERMISSION, Failure.MACHINE])
def test_what_would_fail_again_is_never_retried(kind: Failure) -> None:
    assert not may_retry(kind, Retry(max_retries=9, on=tuple(Failure)))


@given(st.integers(0, 2_000), retries, rolls)
def test_max_counts_runs_after_the_first(attempt: int, retry: Retry, roll: float) -> None:
    wait = wait_before(attempt, retry, roll)
    assert (wait is None) == (attempt > retry.max_retries)
    if wait is not None:
        assert wait >= 0
        assert retry.backoff_s is None or wait == retry.backoff_s


def test_no_retry_is_asked_for_by_default() -> None:
    assert wait_before(1, NEVER, 0.0) is None
    assert not may_retry(Failure.CRASH, NEVER)


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 30), (1, 30), (2, 60), (3, 120), (7, 1920), (8, 3600), (9, 3600)])
def test_backoff_doubles_from_half_a_minute_to_an_hour(attempt: int, seconds: float) -> None:
    assert wait_before(attempt, EXPONENTIAL, 0.0) == seconds


@given(st.integers(0, 100), rolls)
def test_chance_adds_up_to_a_quarter_and_an_hour_is_the_longest(attempt: int, roll: float) -> None:
    wait, least = wait_before(attempt, EXPONENTIAL, roll), wait_before(attempt, EXPONENTIAL, 0.0)
    later = wait_before(min(attempt + 1, 100), EXPONENTIAL, roll)
    assert wait is not None
    assert least is not None
    assert later is not None
    assert FIRST_WAIT_S <= least <= wait <= min(least * 1.25, LONGEST_WAIT_S)
    assert wait <= later
