"""Prices: a person's own, and the list's."""

import subprocess
import sys
from typing import Any

import pytest

from agent_queue.core.errors import SettingsError
from agent_queue.core.prices import Price, cost, prices
from agent_queue.core.settings import settings
from agent_queue.core.usage import Call
from agent_queue.system.prices import ListPrices

OURS = Price(input=2.0, output=10.0, cached=0.5, written=3.0)


def test_each_kind_of_token_has_its_price() -> None:
    call = Call(model="m", tokens_in=1_000_000, tokens_cached=400_000, tokens_written=100_000, tokens_out=200_000)
    assert cost(OURS, call) == pytest.approx(0.5 * 2.0 + 0.4 * 0.5 + 0.1 * 3.0 + 0.2 * 10.0)


def test_prices_are_settings() -> None:
    found = settings({"prices": {"my/model": {"input": 2, "output": 10.0}}}, {}).prices
    assert found == {"my/model": Price(input=2.0, output=10.0, cached=2.0, written=2.0)}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"m": 3}, 'prices."m" needs a price for input and for output'),
        ({"m": {"input": 3}}, "needs a price for input and for output"),
        ({"m": {"input": "3", "output": 1}}, 'prices."m".input must be USD per million tokens'),
        ({"m": {"input": -1, "output": 1}}, "must be USD per million tokens"),
        ({"m": {"input": float("nan"), "output": 1}}, "must be USD per million tokens"),
        ({"m": {"input": 1, "output": True}}, "must be USD per million tokens"),
        ({"m": {"input": 1, "output": 1, "cache": 1}}, "unknown key 'prices.\"m\".cache'"),
    ],
)
def test_what_is_no_price_is_refused(table: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        prices(table)


CALL = Call(model="claude-sonnet-4-5", tokens_in=63_972, tokens_cached=60_060, tokens_written=906, tokens_out=126)


def test_the_list_knows_models_with_and_without_their_provider() -> None:
    for model in ("claude-sonnet-4-5", "anthropic/claude-sonnet-4-5", "openrouter/anthropic/claude-sonnet-4.5"):
        usd = ListPrices({})([Call(model=model, tokens_in=1_000_000, tokens_out=0)])
        assert usd is not None, model
        assert usd > 0


def test_the_list_knows_what_claude_knows() -> None:
    assert ListPrices({})([CALL]) == pytest.approx(0.0323235)


def test_an_unknown_model_has_no_price_and_its_run_no_part_of_one() -> None:
    assert ListPrices({})([Call(model="nobody-knows-it", tokens_in=5)]) is None
    assert ListPrices({})([CALL, Call(model="", tokens_in=5)]) is None
    assert ListPrices({"mine": OURS})([Call(model="some/mine", tokens_in=1_000_000)]) == 2.0


def test_nothing_costs_nothing() -> None:
    assert ListPrices({})([]) == 0


def test_a_sum_of_calls_is_split_before_it_is_priced() -> None:
    """30 calls of 21,000 tokens: as one request of 630,000 they would be charged by a dearer tier."""
    one = ListPrices({})([Call(model="gemini-2.5-pro", tokens_in=21_000, tokens_out=40)])
    many = ListPrices({})([Call(model="gemini-2.5-pro", tokens_in=630_001, tokens_out=1200, times=30)])
    assert one is not None
    assert many == pytest.approx(30 * one, rel=1e-5)


def test_figures_that_do_not_fit_are_priced_all_the_same() -> None:
    assert ListPrices({})([Call(model="claude-sonnet-4-5", tokens_in=5, tokens_cached=10, tokens_out=1)]) is not None


def test_the_tables_are_not_loaded_before_a_price_is_asked_for() -> None:
    script = "import sys; from agent_queue.system.prices import ListPrices; print('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "False\n"
