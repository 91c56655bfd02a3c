"""What a person sets under `[limits]`: sizes such as `512MB`, a load, or `off`."""

import re
from collections.abc import Mapping
from typing import Any

from agent_queue.core.errors import SettingsError
from agent_queue.core.limits import MIB, Limits
from agent_queue.core.tables import known

_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([KMGT]?)i?B?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def limits(table: Mapping[str, Any]) -> Limits:
    """Read `[limits]`."""
    known(table, ("memory", "free_memory", "free_disk", "load", "log"), "limits.")
    found: dict[str, Any] = {
        key: _load(value) if key == "load" else _size(value, f"limits.{key}") for key, value in table.items()
    }
    if (found.get("log") or MIB) < MIB:
        raise SettingsError("config.toml: limits.log must be at least 1MB, or off")
    return Limits(**found)


def _size(value: object, name: str) -> int | None:
    if value is False or value == "off":
        return None
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    number = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if not 0 < number < 1 << 60:
        raise SettingsError(f'config.toml: {name} must be a size such as "512MB" or "2GB", or "off"')
    return number


def _load(value: object) -> float | None:
    if value is False or value == "off":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 10_000:
        raise SettingsError('config.toml: limits.load must be a number above 0, for each processor, or "off"')
    return float(value)
