"""What a person sets about a day's money: `[budgets]`."""

from collections.abc import Mapping
from typing import Any

from agent_queue.core.allowance import Daily
from agent_queue.core.errors import SettingsError
from agent_queue.core.tables import known, table

KEY = "daily_usd"
PARTS = ("engines", "profiles")


def daily(tables: Mapping[str, Any]) -> Daily:
    """Read `[budgets]`, and `[budgets.engines.NAME]` and `[budgets.profiles.NAME]` under it.

    Raises:
        SettingsError: a key that means nothing, or an amount that is none.
    """
    known(tables, (KEY, *PARTS), "budgets.")
    engines, profiles = (_limits(table(tables, part, f"budgets.{part}"), f"budgets.{part}") for part in PARTS)
    return Daily(usd=_amount(tables, "budgets"), engines=engines, profiles=profiles)


def _limits(tables: Mapping[str, Any], where: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in tables:
        one = table(tables, name, f"{where}.{name}")
        known(one, (KEY,), f"{where}.{name}.")
        amount = _amount(one, f"{where}.{name}")
        if amount is not None:
            found[name] = amount
    return found


def _amount(one: Mapping[str, Any], where: str) -> float | None:
    value = one.get(KEY)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1_000_000:
        raise SettingsError(f"config.toml: {where}.{KEY} must be an amount of US dollars, such as 20 or 2.5")
    return float(value)
