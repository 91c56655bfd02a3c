"""Cuts an agent's log into lines and JSON events, whatever the chunks, and holds what every reader has to remember."""

import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from agent_queue.core.outcome import Broke, Done, Failure, Outcome
from agent_queue.engines import refusals
from agent_queue.ports import Ending, Event, EventKind

Json = Mapping[str, Any]
Handler = Callable[[Json], Iterable[Event]]

LONGEST_LINE = 8 * 1024 * 1024
_HEAD_OF_A_LONG_LINE = 200
_LONGEST_TEXT = 4000
_LONGEST_TOOL = 160
_EVENT = b'{"type":"'
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_NAME = re.compile(r"[A-Za-z0-9][\w.:/@+\[\]-]{0,199}", re.ASCII)


class Lines:
    """Bytes to lines without their ends. Memory is bounded: of a line that does not end only the head is kept."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give each line that `data` completes. To be used up before the next call."""
        first, *others = data.split(b"\n")
        self._hold(first)
        for part in others:
            yield self._take()
            self._hold(part)

    def rest(self) -> Iterator[bytes]:
        """Give the last line when the log does not end in a line end."""
        if self._length:
            yield self._take()

    def _hold(self, part: bytes) -> None:
        self._length += len(part)
        if self._length <= LONGEST_LINE:
            self._parts.append(part)
        else:
            self._parts = [b"".join([*self._parts, part[:_HEAD_OF_A_LONG_LINE]])[:_HEAD_OF_A_LONG_LINE]]

    def _take(self) -> bytes:
        line = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        if self._length > LONGEST_LINE:
            line += b"... (a line of %d bytes)" % self._length
        self._parts, self._length = [], 0
        return line


def event_in(line: bytes) -> Json | None:
    """Read a line as a JSON object, None when it is none."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def get(value: object, *keys: str) -> Any:
    """Walk into untrusted JSON; None where a step is missing."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def words(value: object, *keys: str) -> str:
    """A text in untrusted JSON, '' where there is none."""
    found = get(value, *keys)
    return found if isinstance(found, str) else ""


def count(value: object, *keys: str) -> int:
    """A whole number from 0 on in untrusted JSON, 0 where there is none."""
    found = get(value, *keys)
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0


def amount(value: object, *keys: str) -> float | None:
    """A finite number from 0 on in untrusted JSON, None where there is none."""
    found = get(value, *keys)
    ok = isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found < 10**12
    return float(found) if ok else None


def items(value: object, *keys: str) -> list[Json]:
    """The objects of a list in untrusted JSON, none where there is no list."""
    found = get(value, *keys)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def identifier(value: object, *keys: str) -> str | None:
    """An id or a model's name: short, and nothing that an argument or a journal could mistake for something else."""
    found = words(value, *keys)
    return found if _NAME.fullmatch(found) else None


def readable(text: str, limit: int = _LONGEST_TEXT) -> str:
    """Text for a terminal: no escapes, no control characters, no half characters, cut at `limit`."""
    cut = text[:limit]
    if not cut.isprintable():
        cut = _SURROGATES.sub("\ufffd", _CONTROLS.sub("", _ESCAPES.sub("", cut)))
    return f"{cut.strip()}... ({len(text)} characters)" if len(text) > limit else cut.strip()


def tool(title: str, detail: object) -> Event:
    """A tool call on one short line. Of several arguments the one that names the work is shown."""
    shown = detail
    if isinstance(detail, Mapping):
        keys = ("command", "cmd", "file_path", "filePath", "path", "pattern", "query", "url", "prompt", "description")
        shown = next((detail[key] for key in keys if isinstance(detail.get(key), str)), "")
    line = " ".join(readable(f"{title}: {shown}" if shown else title).split())
    return Event(EventKind.TOOL, line if len(line) <= _LONGEST_TOOL else line[: _LONGEST_TOOL - 3] + "...")


def said(kind: EventKind, text: str) -> list[Event]:
    """An event of this text, none when there is nothing to read in it."""
    clean = readable(text)
    return [Event(kind, clean)] if clean else []


class JsonReader:
    """What all readers of JSON lines share; a program's own file says which events are its own and what they mean.

    The last line of a log need not end: `ending` reads it, and whoever only shows a finished log feeds b'\\n' last.
    """

    quiet: tuple[bytes, ...] = ()
    """How lines begin that say nothing new; they are not even parsed."""
    gone: tuple[str, ...] = ()
    """What the program prints when the conversation to go on with does not exist."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._lines = Lines()
        self._plain: deque[str] = deque(maxlen=5)
        self._lost_session = False
        self.begun = self.ended = False
        self.denied = self.worked = False
        """A tool was denied; a tool that can change files did its work."""
        self.session: str | None = None
        self.model: str | None = None
        self.turns: int | None = None
        self.calls: set[str] = set()
        self.refused: Broke | None = None
        """What went wrong last; a program that goes on after it clears it."""

    def own(self, event: Json) -> bool:
        """True for an event of this program; other JSON may stand in the log too, and is text."""
        raise NotImplementedError

    def usage(self) -> dict[str, Any]:
        """Token and cost keys, only when they are certain for this run."""
        return {}

    def problem(self, ending: Ending) -> Outcome | None:  # noqa: ARG002
        """A positive sign of failure, which outranks even exit code 0."""
        return self.refused

    def feed(self, data: bytes) -> list[Event]:
        return [event for line in self._lines.feed(data) for event in self._line(line)]

    def sidecar(self, name: str, data: bytes) -> None:
        """Nothing by default: few programs write side files."""

    def facts(self) -> dict[str, Any]:
        """`resume_id` is None when the program said that there is nothing to go on with: the next run starts anew."""
        found: dict[str, Any] = {"resume_id": self.session, "model": self.model, "turns": self.turns}
        known = {key: value for key, value in found.items() if value is not None}
        if self._lost_session:
            known["resume_id"] = None
        return {**known, **({"tool_calls": len(self.calls)} if self.begun else {}), **self.usage()}

    def ending(self, ending: Ending) -> Outcome:
        for line in self._lines.rest():
            self._line(line)
        problem = self.problem(ending)
        if problem is not None:
            return problem
        if not ending.exit.clean:
            return crashed(ending, self._plain)
        if self.denied and (not self.worked if ending.changed is None else not ending.changed):
            return Broke(kind=Failure.NO_PERMISSION, reason="tools were denied and nothing was changed")
        if self._lost_session or (self.begun and not self.ended):
            why = f"; it said: {self._plain[-1]}" if self._plain else ""
            return Broke(kind=Failure.CRASH, reason=refusals.reason(f"it ended in the middle of its work{why}"))
        return Done()

    def _line(self, line: bytes) -> list[Event]:
        if line.startswith(self.quiet):
            return []
        # A text on stderr without a line end may stand before an event on the same line.
        start = 0 if line.startswith(b"{") else line.find(_EVENT)
        event = event_in(line[start:] if start else line) if start >= 0 else None
        if event is None or not self.own(event):
            return self._text(line)
        self.begun = True
        before = self._text(line[:start]) if start else []
        self._plain.clear()  # the program went on: what stood on stderr was not its last word
        handler = self._handlers.get(words(event, "type"))
        return [*before, *(handler(event) if handler else ())]

    def _text(self, line: bytes) -> list[Event]:
        events = said(EventKind.NOTE, text_of(line))
        for event in events:
            self._plain.append(event.text)
            self._lost_session |= any(sign in event.text for sign in self.gone)
        return events


class PlainReader:
    """Reads a program that prints plain text, whose exit code alone tells how it ended."""

    def __init__(self, *, judged_by_words: bool) -> None:
        self._lines = Lines()
        self._last: deque[str] = deque(maxlen=5)
        self._judged_by_words = judged_by_words

    def feed(self, data: bytes) -> list[Event]:
        return [event for line in self._lines.feed(data) for event in self._text(line)]

    def sidecar(self, name: str, data: bytes) -> None:
        """Nothing: it writes none."""

    def facts(self) -> dict[str, Any]:
        return {}

    def ending(self, ending: Ending) -> Outcome:
        for line in self._lines.rest():
            self._text(line)
        if ending.exit.clean:
            return Done()
        return crashed(ending, self._last, judged_by_words=self._judged_by_words)

    def _text(self, line: bytes) -> list[Event]:
        events = said(EventKind.TEXT, text_of(line))
        self._last.extend(event.text for event in events)
        return events


def text_of(line: bytes) -> str:
    """The words of a plain line; of a very long one its beginning."""
    return line[: 4 * _LONGEST_TEXT].decode("utf-8", "replace")


def crashed(ending: Ending, last: Iterable[str], *, judged_by_words: bool = True) -> Broke:
    """Judge an exit code without a sign in the stream: by the last words on stderr, else as a crash."""
    text = refusals.reason("\n".join(last))
    known = refusals.kind(text) if text and judged_by_words and not ending.exit.error else None
    return Broke(
        kind=known or Failure.CRASH, reason=refusals.reason(f"{ending.exit}: {text}" if text else str(ending.exit))
    )
