"""Takes apart what an agent printed: nothing in it can be relied on to be there, of its kind, or fit for a terminal."""

import re
from typing import Any

from agent_queue.core.escapes import ESCAPES
from agent_queue.ports import Event, EventKind

Json = dict[str, Any]

_LONGEST_TEXT = 4000
_LONGEST_TOOL = 160
_LARGEST_NUMBER = 10**15
_ESCAPES = re.compile(ESCAPES)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_NAME = re.compile(r"[A-Za-z0-9][\w.:/@+\[\]-]{0,199}", re.ASCII)
_WILD = re.compile(r"[*?\[]")
"""What a glob would not take as it stands."""
_TELLING = ("command", "cmd", "file_path", "filePath", "path", "pattern", "query", "url", "prompt", "description")


def get(value: object, *keys: str) -> Any:
    """Walk into untrusted JSON; None where a step is missing."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def words(value: object, *keys: str) -> str:
    """A text in untrusted JSON, '' where there is none."""
    found = get(value, *keys)
    return found if isinstance(found, str) else ""


def count(value: object, *keys: str) -> int:
    """A whole number from 0 on in untrusted JSON, 0 where there is none."""
    found = get(value, *keys)
    ok = isinstance(found, int) and not isinstance(found, bool) and 0 < found < _LARGEST_NUMBER
    return found if ok else 0


def amount(value: object, *keys: str) -> float | None:
    """A finite number from 0 on in untrusted JSON, None where there is none."""
    found = get(value, *keys)
    ok = isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found < _LARGEST_NUMBER
    return float(found) if ok else None


def items(value: object, *keys: str) -> list[Json]:
    """The objects of a list in untrusted JSON, none where there is no list."""
    found = get(value, *keys)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def names(value: object, *keys: str) -> list[str]:
    """The identifiers in a list in untrusted JSON, none where there is no list."""
    found = get(value, *keys)
    every = found if isinstance(found, list) else []
    return [name for one in every if (name := identifier({"name": one}, "name")) is not None]


def identifier(value: object, *keys: str) -> str | None:
    """An id or a model's name: short, and nothing that an argument or a journal could mistake for something else."""
    found = words(value, *keys)
    return found if _NAME.fullmatch(found) else None


def plain(path: str) -> str:
    """A path as a glob that matches it alone."""
    return _WILD.sub(r"[\g<0>]", path)


def readable(text: str, limit: int = _LONGEST_TEXT) -> str:
    """Text for a terminal: no escapes, no control characters, no half characters, cut at `limit`."""
    cut = text[:limit]
    if not cut.isprintable():
        cut = _SURROGATES.sub("\ufffd", _CONTROLS.sub("", _ESCAPES.sub("", cut)))
    return f"{cut.strip()}... ({len(text)} characters)" if len(text) > limit else cut.strip()


def tool(title: str, detail: object) -> Event:
    """A tool call on one short line. Of several arguments the one that names the work is shown."""
    shown = detail
    if isinstance(detail, dict):
        shown = next((detail[key] for key in _TELLING if isinstance(detail.get(key), str)), "")
    line = " ".join(readable(f"{title}: {shown}" if shown else title).split()) or "a tool"
    return Event(EventKind.TOOL, line if len(line) <= _LONGEST_TOOL else line[: _LONGEST_TOOL - 3] + "...")


def said(kind: EventKind, text: str) -> list[Event]:
    """An event of this text, none when there is nothing to read in it."""
    clean = readable(text)
    return [Event(kind, clean)] if clean else []


def text_of(line: bytes) -> str:
    """The words of a plain line; of a very long one its beginning."""
    return line[: 4 * _LONGEST_TEXT].decode("utf-8", "replace")
