"""A day's money: what is used up starts no more jobs."""

from typing import Any

import pytest

from agent_queue.core.allowance import Cost, Daily, shut
from agent_queue.core.errors import SettingsError
from agent_queue.core.settings import settings

COSTS = [Cost("claude", "reviewer", 3.0), Cost("claude", "", 2.0), Cost("codex", "", 1.0)]


@pytest.mark.parametrize(
    ("daily", "engines", "profiles"),
    [
        (Daily(), [], []),
        (Daily(usd=6.01), [], []),
        (Daily(usd=6), ["*"], []),
        (Daily(engines={"claude": 5, "codex": 1.5}), ["claude"], []),
        (Daily(profiles={"reviewer": 3, "writer": 0.01}), [], ["reviewer"]),
        (Daily(engines={"gemini": 0}), ["gemini"], []),
    ],
)
def test_what_is_used_up_is_shut(daily: Daily, engines: list[str], profiles: list[str]) -> None:
    found = shut(daily, COSTS)
    assert (list(found.engines), list(found.profiles)) == (engines, profiles)


def test_the_reason_names_both_amounts() -> None:
    assert shut(Daily(usd=5.5), COSTS).engines == {"*": "daily budget of $5.5 used up ($6.00)"}


def test_a_person_lets_it_go_on() -> None:
    daily = Daily(usd=6, engines={"claude": 5}, profiles={"reviewer": 1})
    assert list(shut(daily, COSTS, {"claude"}).engines) == ["*"]
    assert shut(daily, COSTS, {"*"}) == ({"claude": "daily budget of $5 used up ($5.00)"}, {})
    assert shut(daily, COSTS, {"*", "claude"}) == ({}, {})


def test_it_is_read_from_the_configuration() -> None:
    tables = {"daily_usd": 50, "engines": {"claude": {"daily_usd": 2.5}}, "profiles": {"reviewer": {"daily_usd": 1}}}
    found = settings({"budgets": tables}, {}).budgets
    assert found == Daily(usd=50, engines={"claude": 2.5}, profiles={"reviewer": 1})
    assert not settings({}, {}).budgets


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"daily_usd": "much"}, "budgets.daily_usd must be an amount"),
        ({"daily_usd": True}, "budgets.daily_usd must be an amount"),
        ({"daily_usd": -1}, "budgets.daily_usd must be an amount"),
        ({"daily_us": 1}, "did you mean budgets.daily_usd?"),
        ({"engines": {"claude": 5}}, "budgets.engines.claude must be a table"),
        ({"engines": {"claude": {"usd": 5}}}, "unknown key 'budgets.engines.claude.usd'"),
    ],
)
def test_what_makes_no_sense_is_refused(tables: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=r"config\.toml") as error:
        settings({"budgets": tables}, {})
    assert said in str(error.value)
