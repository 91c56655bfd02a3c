"""Reading the tables of config.toml: values of the kind that is wanted, or an error with the dotted name."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from agent_queue.core.errors import SettingsError
from agent_queue.core.fields import seconds
from agent_queue.core.frontmatter import Node

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?")


def known(table: Mapping[str, Any], allowed: Iterable[str], prefix: str) -> None:
    """Refuse a key that means nothing.

    Raises:
        SettingsError: with the nearest that does.
    """
    allowed = tuple(allowed)
    for key in table:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1, cutoff=0.6)
            raise SettingsError(
                f"config.toml: unknown key '{prefix}{key}'{f' (did you mean {prefix}{near[0]}?)' if near else ''}",
                hint=f"possible are {', '.join(allowed)}",
            )


def table(above: Mapping[str, Any], key: str, name: str) -> Mapping[str, Any]:
    value = above.get(key, {})
    if not isinstance(value, dict):
        raise SettingsError(f"config.toml: {name} must be a table")
    return value


def text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise SettingsError(f"config.toml: {name} must be text")
    return value


def texts(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise SettingsError(f"config.toml: {name} must be a list of texts")
    return tuple(text(item, name) for item in value)


def flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"config.toml: {name} must be true or false")
    return value


def count(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10_000:
        raise SettingsError(f"config.toml: {name} must be a whole number from 0 to 10000")
    return value


def duration(value: object, name: str) -> float:
    """Seconds."""
    found = seconds(value) if isinstance(value, str) else None
    if found is None:
        raise SettingsError(f"config.toml: {name} must be a duration such as 90s, 10m or 2h")
    return found


def off_or_duration(value: object, name: str) -> float | None:
    """Seconds; None for `off`."""
    return None if value is False or value == "off" else duration(value, name)


def variable(name: str, where: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise SettingsError(f"config.toml: {where} names {name!r}, which is no variable", hint="give names, not values")
    return name


def node(value: object) -> Node:
    """A TOML value as the positioned value that manifest keys are read from."""
    match value:
        case bool():
            return Node(value, 1, 1, str(value).lower())
        case dict():
            return Node({key: (Node(key, 1, 1, key), node(item)) for key, item in value.items()}, 1, 1)
        case list():
            return Node([node(item) for item in value], 1, 1)
        case int() | float() | str():
            return Node(value, 1, 1, str(value))
        case _:
            return Node(str(value), 1, 1, str(value))
