"""What a job needs of its host, and whether the host offers it. `KEY`, `KEY:VALUE`, `KEY>=VERSION`, `!` before any.

Versions are compared as versions: 20.9 < 20.11. `=` and `!=` look no further than what is written: `node=20` is met by
20.11.1. `os:any` is always true, `has:TOOL` is a program on PATH.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import zip_longest

_TOKEN = re.compile(r"(?P<no>!?)(?P<key>[A-Za-z][\w.-]*)(?:(?P<op>:|!=|<=|>=|=|<|>)(?P<value>\S+))?")
_VERSION = re.compile(r"v?[0-9]")
# Of a longer run of digits its beginning: Python refuses to read thousands of them as one number.
_NUMBERS = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})*")
ANY = "any"

Lookup = Callable[[str, str], tuple[str, ...]]
"""Gives what the host offers under a key; the wanted value is passed along for keys that are looked up one by one."""


@dataclass(frozen=True, slots=True)
class Need:
    """One token, read. `operator` is '' for mere presence, ':' for a value, else a comparison of versions."""

    text: str
    key: str
    operator: str = ""
    value: str = ""
    negated: bool = False


def parse(text: str) -> Need | None:
    """Read one token; None when it is none."""
    found = _TOKEN.fullmatch(text)
    if found is None:
        return None
    operator, value = found["op"] or "", found["value"] or ""
    if operator not in ("", ":") and not _VERSION.match(value):
        return None
    return Need(text, found["key"].lower(), operator, value, bool(found["no"]))


def unmet(tokens: Iterable[str], lookup: Lookup) -> list[str]:
    """The tokens that this host does not meet, as they were written; what cannot be read is not met."""
    needs = ((text, parse(text)) for text in tokens)
    return [text for text, need in needs if need is None or not met(need, lookup)]


def met(need: Need, lookup: Lookup) -> bool:
    """True when the host offers it."""
    return _offered(need, lookup) is not need.negated


def _offered(need: Need, lookup: Lookup) -> bool:
    if need.operator == ":" and need.key == "os" and need.value == ANY:
        return True
    offers = lookup(need.key, need.value)
    match need.operator:
        case "":
            return bool(offers)
        case ":":
            return need.value.lower() in (offer.lower() for offer in offers)
        case _:
            return any(_compares(version(offer), need.operator, version(need.value)) for offer in offers)


def version(text: str) -> tuple[int, ...]:
    """The numbers of a version, `v20.11.1-rc` as (20, 11, 1); () when there is none."""
    found = _NUMBERS.search(text)
    return tuple(int(number) for number in found[0].split(".")) if found else ()


def _compares(offered: tuple[int, ...], operator: str, wanted: tuple[int, ...]) -> bool:
    if not offered:
        return False
    if operator in ("=", "!="):
        return (offered[: len(wanted)] == wanted) is (operator == "=")
    pairs = list(zip_longest(offered, wanted, fillvalue=0))
    left, right = [one for one, _ in pairs], [other for _, other in pairs]
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]
