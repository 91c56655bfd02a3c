"""A tracker's item as a value, read from whatever JSON a tracker gives for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_queue.core.trouble import TrackerError, Trouble

LARGEST = 1 << 20
"""Characters of a title, and of a text."""
SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What an item says. '' and () where it says nothing; `labels` are as written."""

    id: str
    """As `tracker-item` has it."""
    title: str
    text: str = ""
    status: str = ""
    kind: str = ""
    priority: str = ""
    labels: tuple[str, ...] = ()
    author: str = ""
    product: str = ""
    odd: tuple[str, ...] = ()
    """What of it made no sense and was left out, for people."""


class Fields:
    """Reads the values of one item; what has the wrong type is left out and noted in `odd`."""

    def __init__(self, item: str, values: Mapping[str, Any]) -> None:
        self.odd: list[str] = []
        self._item = item
        self._values = values

    def text(self, *names: str) -> str:
        """The first of these that is there. Numbers are taken as text, objects by their name."""
        for name in names:
            value = self._values.get(name)
            if value is None:
                continue
            if (found := plain(value)) is not None:
                return found
            self.odd.append(f"{name} is no text")
        return ""

    def prose(self, name: str) -> str:
        """Title or text: nothing else can stand in for it.

        Raises:
            TrackerError: it is no text.
        """
        value = self._values.get(name)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise TrackerError(
                Trouble.BAD_ANSWER, f"{self._item}: its {name} is no text", hint="mend it in the tracker"
            )
        if len(text := str(value)) > LARGEST:
            most = f"more than {LARGEST} characters"
            raise TrackerError(Trouble.REFUSED, f"{self._item}: its {name} has {most}", hint="shorten it")
        return text

    def labels(self, name: str) -> tuple[str, ...]:
        """A list of texts or of objects with a name."""
        value = self._values.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.odd.append(f"{name} is no list")
            return ()
        found = [plain(label) for label in value]
        self.odd += [
            f"a label is no text: {shown(str(label))}" for label, text in zip(value, found, strict=True) if not text
        ]
        return tuple(text for text in found if text)


def shown(text: str) -> str:
    """A text of a tracker in quotes, short and fit for a terminal."""
    short = "".join(c if c.isprintable() else "?" for c in text[:SHOWN])
    return repr(short + ("..." if len(text) > SHOWN else ""))


def plain(value: Any) -> str | None:
    """A value as one text: itself, a number's digits, or the name that an object goes by; None when it is neither."""
    if isinstance(value, Mapping):
        names = (value.get(key) for key in ("name", "login", "username", "email", "title", "id"))
        value = next((name for name in names if isinstance(name, str) and name), None)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip()


def unwrapped(value: Any, names: Sequence[str], *, until: str = "") -> Any:
    """What lies under one of these names, however often wrapped. An object with the key `until` wraps nothing."""
    for _ in range(3):
        if not isinstance(value, Mapping) or until in value:
            return value
        inside = next((value[name] for name in names if isinstance(value.get(name), dict | list)), None)
        if inside is None:
            return value
        value = inside
    return value
