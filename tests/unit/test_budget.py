"""How much of a budget is used, and what nobody can tell."""

from typing import Any

import pytest

from agent_queue.core.budget import Budget, spent, unknown, unwatched


@pytest.mark.parametrize(
    ("budget", "facts", "over"),
    [
        (Budget(usd=0.02), {"cost_usd": 0.0199}, False),
        (Budget(usd=0.02), {"cost_usd": 0.02}, True),
        (Budget(tokens=100), {"tokens_in": 99}, False),
        (Budget(tokens=100), {"tokens_in": 99, "tokens_out": 1}, True),
        (Budget(turns=3), {"turns": 3}, False),
        (Budget(turns=3), {"turns": 4}, True),
        (Budget(usd=1), {}, False),
        (Budget(wall_s=1), {"cost_usd": 5.0}, False),
    ],
)
def test_a_limit_is_over_when_it_is_used_up(budget: Budget, facts: dict[str, Any], over: bool) -> None:
    assert any(each.over for each in spent(budget, facts)) is over


def test_the_limit_that_is_used_up_most_comes_first() -> None:
    found = spent(Budget(usd=1.0, tokens=1000, turns=10), {"cost_usd": 0.1, "tokens_in": 900, "turns": 5})
    assert [(each.name, each.share) for each in found] == [("tokens", 0.9), ("turns", 0.5), ("usd", 0.1)]
    assert [str(each) for each in found] == [
        "900 of budget.tokens 1000", "5 of budget.turns 10", "$0.1000 of budget.usd $1"
    ]  # fmt: skip


def test_money_is_unknown_once_tokens_are_told_without_a_price() -> None:
    assert [each.name for each in unknown(Budget(usd=1.0), {"tokens_in": 5})] == ["usd"]
    assert unknown(Budget(usd=1.0), {}) == [], "it has only begun"
    assert unknown(Budget(usd=1.0), {"tokens_in": 5, "cost_usd": 0.1}) == []


def test_what_an_engine_does_not_tell_cannot_be_kept() -> None:
    assert unwatched(Budget(usd=1.0, turns=3), ("turns", "tokens")) == ["usd"]
    assert unwatched(Budget(wall_s=1.0), ()) == []
