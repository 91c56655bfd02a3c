"""Figures of runs: what is known, how sure it is, how it adds up."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_queue.core.history import STATE_KEYS
from agent_queue.core.usage import CostBasis, Provenance, Usage, total, usage_of

EXACT = Usage(
    tokens_in=63972, tokens_cached=60060, tokens_out=126, cost_usd=0.0323235, turns=3, tool_calls=2,
    model="claude-sonnet-4-5", usage=Provenance.EXACT, cost_basis=CostBasis.REPORTED,
)  # fmt: skip


def test_what_is_written_can_be_read_back() -> None:
    assert usage_of(EXACT.facts()) == EXACT
    assert set(EXACT.facts()) <= set(STATE_KEYS)


def test_what_is_unknown_is_left_out_and_never_zero() -> None:
    assert Usage().facts() == {"usage": "unknown"}
    assert Usage(turns=0).facts() == {"turns": 0, "usage": "unknown"}
    assert usage_of({}) == Usage()


def test_two_runs_of_one_job_add_up() -> None:
    runs = [Usage(tokens_in=100, usage=Provenance.EXACT), Usage(tokens_in=50, usage=Provenance.EXACT)]
    found = total(runs)
    assert found.figures == {"tokens_in": 150}
    assert (found.usage, found.unknown_cost) == (Provenance.EXACT, 2)


def test_a_sum_tells_what_it_lacks() -> None:
    estimate = Usage(tokens_in=5, tokens_out=1, cost_usd=0.1, usage=Provenance.ESTIMATED, cost_basis=CostBasis.COMPUTED)
    free = Usage(cost_usd=1.0, cost_basis=CostBasis.SUBSCRIPTION)
    found = total([EXACT, estimate])
    assert (found.usage, found.estimated, found.unknown, found.computed) == (Provenance.ESTIMATED, 1, 0, 1)
    found = total([EXACT, estimate, free, Usage()])
    assert (found.usage, found.parts, found.unknown, found.unknown_cost) == (Provenance.UNKNOWN, 4, 2, 1)
    assert found.subscription == 1
    assert found.figures["cost_usd"] == pytest.approx(1.1323235)


def test_a_total_of_nothing_is_exact_and_empty() -> None:
    assert (total([]).figures, total([]).usage) == ({}, Provenance.EXACT)


def test_cents_add_up_without_dust() -> None:
    assert total([Usage(cost_usd=0.1), Usage(cost_usd=0.2)]).figures["cost_usd"] == 0.3


@given(facts=st.dictionaries(st.sampled_from([*STATE_KEYS, "odd"]), st.none() | st.booleans() | st.floats()
                             | st.integers() | st.text(max_size=9)))  # fmt: skip
def test_any_journal_line_can_be_read(facts: dict[str, Any]) -> None:
    found = usage_of(facts)
    assert usage_of(found.facts()) == found
    assert total([found]).parts == 1
