"""A deed in another thread, for which nobody waits longer than they said."""

from collections.abc import Callable
from threading import Thread
from typing import Any


def come_of(deed: Callable[[], Any]) -> Any:
    """What a deed gives, or the error that it raises: a thread has nobody to raise it to."""
    try:
        return deed()
    except Exception as error:  # noqa: BLE001 - carried to whoever waits, and judged or raised there
        return error


def within(seconds: float, deed: Callable[[], Any]) -> list[Any]:
    """What comes of a deed that may hang, alone in a list; [] when it did not end in time, and is left to itself."""
    found: list[Any] = []
    thread = Thread(target=lambda: found.append(come_of(deed)), daemon=True)
    thread.start()
    thread.join(seconds)
    return found[:1]
