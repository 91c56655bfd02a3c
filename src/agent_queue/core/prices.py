"""What a model's tokens cost where a person says so: `[prices."MODEL"]` of the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_queue.core.errors import SettingsError
from agent_queue.core.usage import Call

_MILLION = 1_000_000
_KEYS = ("input", "cached", "written", "output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD per million tokens. `cached` is for cache reads, `written` for cache writes; both are input."""

    input: float
    output: float
    cached: float
    written: float


def cost(price: Price, call: Call) -> float:
    """What one call costs, in USD."""
    fresh = max(call.tokens_in - call.tokens_cached - call.tokens_written, 0)
    parts = (
        (fresh, price.input), (call.tokens_cached, price.cached), (call.tokens_written, price.written),
        (call.tokens_out, price.output),
    )  # fmt: skip
    return sum(tokens * usd for tokens, usd in parts) / _MILLION


def prices(tables: Mapping[str, Any]) -> dict[str, Price]:
    """Type the table `[prices]`: one table for each model; without a price of its own cached input costs as other does.

    Raises:
        SettingsError: something in it is no price.
    """
    return {model: _price(table, f'prices."{model}"') for model, table in tables.items()}


def _price(table: object, name: str) -> Price:
    if not isinstance(table, dict) or not {"input", "output"} <= table.keys():
        hint = f"write [{name}] and under it input = 3.0 and output = 15.0, in USD per million tokens"
        raise SettingsError(f"config.toml: {name} needs a price for input and for output", hint=hint)
    for key, value in table.items():
        if key not in _KEYS:
            raise SettingsError(f"config.toml: unknown key '{name}.{key}'", hint=f"possible are {', '.join(_KEYS)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MILLION:
            raise SettingsError(f"config.toml: {name}.{key} must be USD per million tokens, such as 2.5")
    plain = float(table["input"])
    return Price(
        input=plain, output=float(table["output"]), cached=float(table.get("cached", plain)),
        written=float(table.get("written", plain)),
    )  # fmt: skip
