"""One input of a fuzz, and what came of it."""

import traceback
from collections.abc import Callable
from typing import NamedTuple


class Tried(NamedTuple):
    """`taken`: it was read as something, not refused."""

    data: bytes
    taken: bool
    found: list[str]


def tried(data: bytes, read: Callable[[bytes], tuple[bool, list[str]]]) -> Tried:
    """Have it read. Whatever escapes is what a fuzz looks for."""
    try:
        return Tried(data, *read(data))
    except Exception:  # noqa: BLE001
        return Tried(data, False, [traceback.format_exc(limit=-4)])
