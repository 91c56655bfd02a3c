"""What a person sets about lanes: `[lanes.ENGINE]`, and `account` of an engine."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_queue.core.errors import SettingsError
from agent_queue.core.lanes import Hours, hours
from agent_queue.core.tables import known, text

_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneSettings:
    """When an engine takes jobs; None for always."""

    hours: Hours | None = None


def lane_settings(table: Mapping[str, Any], where: str) -> LaneSettings:
    """Read one `[lanes.ENGINE]`."""
    known(table, ("hours",), f"{where}.")
    if "hours" not in table:
        return LaneSettings()
    found = hours(text(table["hours"], f"{where}.hours"))
    if found is None:
        raise SettingsError(f'config.toml: {where}.hours must be two times of the day such as "22:00-06:00"')
    return LaneSettings(hours=found)


def account(value: object, name: str) -> str:
    """Read the name of an account: it becomes part of a file's name."""
    found = text(value, name)
    if not _ACCOUNT.fullmatch(found):
        raise SettingsError(f"config.toml: {name} must be a short name of letters, digits, '.', '_' and '-'")
    return found
