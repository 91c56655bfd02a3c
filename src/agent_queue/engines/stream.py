"""Cuts an agent's log into lines and JSON events, whatever the chunks, and holds what every reader has to remember."""

import json
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from agent_queue.core.escapes import CONTROL_SEQUENCE
from agent_queue.core.outcome import Broke, Done, Failure, Outcome
from agent_queue.core.usage import Call, Provenance
from agent_queue.core.usage_line import MARK
from agent_queue.engines import refusals
from agent_queue.engines.untrusted import Json, said, text_of, words
from agent_queue.ports import Ending, Event, EventKind

Handler = Callable[[Json], Iterable[Event]]

LONGEST_LINE = 8 * 1024 * 1024
_HEAD_OF_A_LONG_LINE = 200
_LAST_WORDS = 20
_COLOURS = re.compile(rf"^(?:{CONTROL_SEQUENCE})+|(?:{CONTROL_SEQUENCE}|\s)+\Z".encode())
_COLOURED = 16
"""A wrapper that paints its output puts its escapes so near to the ends of a line."""
_INDENTED = 16
_USAGE_LINE = MARK.decode()
"""What a wrapper tells for the books is not the last word of a program that fails."""


class Lines:
    """Bytes to lines without their ends. Memory is bounded: of a line that does not end only the head is kept."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give each line that `data` completes. To be used up before the next call."""
        first, *others = data.replace(b"\0", b"").split(b"\n")  # zeros are a hole in a log that grew too large
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


class JsonReader(ABC):
    """What all readers of JSON lines share; a program's own file says which events are its own and what they mean.

    The last line of a log need not end: `ending` reads it, and whoever only shows a finished log feeds b'\\n' last.
    """

    quiet: tuple[bytes, ...] = ()
    """How lines begin that say nothing new; they are not even parsed."""
    kind = "type"
    """The key under which an event names its kind."""
    opening = b'{"type":"'
    """How an event begins, to find it behind what a wrapper, or a text without a line end, puts before it."""
    gone: tuple[str, ...] = ()
    """What the program prints when the conversation to go on with does not exist."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._lines = Lines()
        self._plain: deque[str] = deque(maxlen=_LAST_WORDS)
        self._lost_session = self._streamed = self._torn = False
        self.begun = self.ended = self.foreign = False
        """Its stream was begun, and ended; it is another program's stream."""
        self.denied = self.worked = False
        """A tool was denied; a tool that can change files did its work."""
        self.session: str | None = None
        self.model: str | None = None
        self.turns: int | None = None
        self.tools: set[str] = set()
        self.running: set[str] = set()
        """The tools that were called, and those of them that have not told their result."""
        self.refused: Broke | None = None
        """What went wrong last; a program that goes on after it clears it."""

    @abstractmethod
    def own(self, event: Json) -> bool:
        """True for an event of this program; other JSON may stand in the log too, and is text."""

    def usage(self) -> dict[str, Any]:
        """Token and cost keys of this run alone, with `usage`: how sure they are. Nothing where nothing is known."""
        return {}

    def calls(self) -> Sequence[Call]:
        """The answers that those figures are the sum of; none where the program tells no more than a sum."""
        return ()

    @property
    def asking(self) -> bool:
        """True when an answer of the model may have been under way at the end: its tokens are not told then."""
        return not self.ended and (self._torn or not self.running)

    def sure(self, *, whole: bool = True) -> str:
        """How sure a sum over the answers told so far is; `whole` is False where it is known to lack some."""
        return (Provenance.EXACT if whole and not self.asking else Provenance.ESTIMATED).value

    def problem(self, ending: Ending) -> Outcome | None:  # noqa: ARG002
        """A positive sign of failure, which outranks even exit code 0."""
        return self.refused

    def feed(self, data: bytes) -> list[Event]:
        return [event for line in self._lines.feed(data) for event in self._line(line)]

    def sidecar(self, name: str, data: bytes) -> None:  # noqa: B027 - a reader need not have one
        """Nothing by default: few programs write side files."""

    def sessions(self) -> Sequence[str]:
        """The conversation's own name; a program that has helpers adds theirs."""
        return [self.session] if self.session else []

    def facts(self) -> dict[str, Any]:
        """`resume_id` is None when the program said that there is nothing to go on with: the next run starts anew."""
        found: dict[str, Any] = {"resume_id": self.session, "model": self.model, "turns": self.turns}
        known = {key: value for key, value in found.items() if value is not None}
        if self._lost_session:
            known["resume_id"] = None
        return {**known, **({"tool_calls": len(self.tools)} if self._streamed else {}), **self.usage()}

    def ending(self, ending: Ending) -> Outcome:
        for line in self._lines.rest():
            if line.startswith(b"{") and event_in(line) is None:
                self._torn = True  # a text of ours is better than the half of an event
                self._plain.append("its output breaks off in the middle of a line")
            else:
                self._line(line)
        problem = self.problem(ending)
        if problem is not None:
            return problem
        if not ending.exit.clean:
            return crashed(ending, self._plain)
        if self.denied and (not self.worked if ending.changed is None else not ending.changed):
            return Broke(kind=Failure.NO_PERMISSION, reason="tools were denied and nothing was changed")
        if self._lost_session or (self.begun and not self.ended):
            why = ["a permission was refused"] if self.denied else list(self._plain)[-1:]
            text = ": ".join(["it ended in the middle of its work", *why])
            return Broke(kind=Failure.CRASH, reason=refusals.reason(text))
        return Done()

    def _line(self, line: bytes) -> list[Event]:
        if line.startswith(self.quiet):
            return []
        if b"\x1b" in line[:_COLOURED] or b"\x1b" in line[-_COLOURED:]:
            line = _COLOURS.sub(b"", line)
        # A text on stderr without a line end may stand before an event on the same line.
        start = 0 if line[:_INDENTED].lstrip().startswith(b"{") else line.find(self.opening)
        event = event_in(line[start:] if start else line) if start >= 0 else None
        if event is None or not self.own(event):
            return self._text(line)
        self.begun = True
        before = self._text(line[:start]) if start else []
        self._plain.clear()  # the program went on: what stood on stderr was not its last word
        self._streamed |= words(event, self.kind) != "result"  # an end alone does not tell what went before it
        handler = self._handlers.get(words(event, self.kind))
        return [*before, *(handler(event) if handler else ())]

    def _text(self, line: bytes) -> list[Event]:
        events = said(EventKind.NOTE, text_of(line))
        for event in events:
            if not event.text.startswith(_USAGE_LINE):
                self._plain.append(event.text)
            self._lost_session |= not self._streamed and any(sign in event.text for sign in self.gone)
        return events


class PlainReader:
    """Reads a program that prints plain text, whose exit code alone tells how it ended."""

    def __init__(self, *, judged_by_words: bool) -> None:
        self._lines = Lines()
        self._last: deque[str] = deque(maxlen=_LAST_WORDS)
        self._judged_by_words = judged_by_words

    def feed(self, data: bytes) -> list[Event]:
        return [event for line in self._lines.feed(data) for event in self._text(line)]

    def sidecar(self, name: str, data: bytes) -> None:
        """Nothing: it writes none."""

    def sessions(self) -> Sequence[str]:
        return ()

    def facts(self) -> dict[str, Any]:
        return {}

    def calls(self) -> Sequence[Call]:
        return ()

    def ending(self, ending: Ending) -> Outcome:
        for line in self._lines.rest():
            self._text(line)
        if ending.exit.clean:
            return Done()
        return crashed(ending, self._last, judged_by_words=self._judged_by_words)

    def _text(self, line: bytes) -> list[Event]:
        events = said(EventKind.TEXT, text_of(line))
        self._last.extend(event.text for event in events if not event.text.startswith(_USAGE_LINE))
        return events


def crashed(ending: Ending, last: Iterable[str], *, judged_by_words: bool = True) -> Broke:
    """Judge an exit code without a sign in the stream: by the last words on stderr, else as a crash."""
    lines = list(last)
    judged = lines if judged_by_words and not ending.exit.error else []
    for line in judged:
        known = refusals.kind(line)
        if known is not None:
            return Broke(kind=known, reason=refusals.reason(f"{ending.exit}: {line}"))
    telling = [line for line in lines if "error" in line.lower()] or lines[-1:]
    return Broke(kind=Failure.CRASH, reason=refusals.reason(": ".join([str(ending.exit), *telling[:1]])))
