"""Takes out of a text what a person who reads it in a tracker does not see, and an agent would.

HTML comments are kept in code only, where they are shown: in fenced blocks and in spans of backticks. What is code is
told carefully: wherever another reading of the markdown would hide a comment, it counts as hidden and goes.
"""

import re
from dataclasses import dataclass

_INVISIBLE = re.compile(
    "["
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff"
    "\ufff9-\ufffb\uffa0\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff"
    "]"
)
_PILED = re.compile("(?<=[\ufe00-\ufe0f])[\ufe00-\ufe0f]")
"""One variation selector chooses how a character looks; more of them look like nothing, and can spell a text."""
_COMMENT_END = re.compile(r"--!?>")
_FENCE = re.compile(r"(`{3,})[^`\n]*|(~{3,})[^\n]*")
_BACKTICKS = re.compile(r"`+")
_RAW_BLOCK = re.compile(r" {0,3}<(?:script|pre|style|textarea|\?|![A-Z\[])", re.IGNORECASE)
"""Raw HTML that goes on over empty lines: what looks like a fence in it is none."""


PASSES = 50
"""Taking a comment out can join what stood around it to another; more layers than these are a game, not a text."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A text without what is hidden in it, and how much that was."""

    text: str
    comments: int = 0
    characters: int = 0


def clean(text: str) -> Cleaned:
    """Take out HTML comments, and zero-width, bidirectional, tag and control characters."""
    text, characters = _INVISIBLE.subn("", text)
    comments = 0
    for _ in range(PASSES):
        scan = _Scan(text)
        text = scan.kept()
        comments += scan.comments
        if not scan.comments:
            break
    text, piled = _PILED.subn("", text)
    return Cleaned(text, comments, characters + piled)


class _Scan:
    """One pass over a text, line by line."""

    def __init__(self, text: str) -> None:
        self.comments = 0
        self._text = text
        self._kept: list[str] = []
        self._plain = True
        """Since the last empty line nothing was seen that could give backticks or a fence another meaning."""
        self._raw = False
        self._endless = len(text)
        """From here on no comment ends: that need not be looked for again and again."""

    def kept(self) -> str:
        """What stays of the text."""
        if "<!--" not in self._text:
            return self._text
        place = 0
        while place < len(self._text):
            place = self._line(place)
        return "".join(self._kept)

    def _line(self, start: int) -> int:
        """Take in what begins at a line's start; returns where the next line, or the rest of this one, begins."""
        end = self._text.find("\n", start) + 1 or len(self._text)
        line = self._text[start:end]
        if not line.strip():
            self._plain = not self._raw
        elif self._plain and (fence := _FENCE.fullmatch(line.rstrip("\r\n"))):
            end = self._fence_end(end, fence[1] or fence[2])
        else:
            self._raw = self._raw or bool(_RAW_BLOCK.match(line))
            return self._inline(start, end)
        self._kept.append(self._text[start:end])
        return end

    def _fence_end(self, place: int, mark: str) -> int:
        """Where the block that `mark` opened ends; the end of the text when nothing closes it."""
        closing = re.compile(rf"^ {{0,3}}{re.escape(mark[0])}{{{len(mark)},}}[ \t]*\r?$\n?", re.MULTILINE)
        found = closing.search(self._text, place)
        return found.end() if found else len(self._text)

    def _inline(self, start: int, end: int) -> int:
        """Take in a line up to its end, or up to behind a comment that begins in it."""
        place = start
        while (opening := self._text.find("<", place, end)) >= 0:
            span = self._span_over(place, opening, end)
            if span:
                place = span
                continue
            self._plain = False
            if not self._text.startswith("<!--", opening):
                place = opening + 1
                continue
            closing = self._comment_end(opening)
            if closing is None and self._text[start:opening].strip(" "):
                place = opening + 1  # within a line, a comment that never ends is shown as text
                continue
            self.comments += 1
            self._kept.append(self._text[start:opening])
            return len(self._text) if closing is None else closing
        if self._plain and not self._paired(place, end):
            self._plain = False
        self._kept.append(self._text[start:end])
        return end

    def _comment_end(self, opening: int) -> int | None:
        for short in ("<!-->", "<!--->"):
            if self._text.startswith(short, opening):
                return opening + len(short)
        if opening >= self._endless:
            return None
        found = _COMMENT_END.search(self._text, opening + 4)
        if found is None:
            self._endless = opening
        return found.end() if found else None

    def _span_over(self, place: int, opening: int, end: int) -> int:
        """Where a span of backticks that surely holds `opening` ends; 0 when there is none."""
        while self._plain and (ticks := _BACKTICKS.search(self._text, place, end)) and ticks.start() < opening:
            closing = self._closing(ticks, end)
            if closing is None or self._escaped(ticks.start()) or "|" in self._text[ticks.end() : closing]:
                return 0
            if closing > opening:
                return closing + len(ticks[0])
            place = closing + len(ticks[0])
        return 0

    def _closing(self, ticks: re.Match[str], end: int) -> int | None:
        """Where the run of as many backticks begins that closes a span on the same line."""
        runs = _BACKTICKS.finditer(self._text, ticks.end(), end)
        return next((run.start() for run in runs if len(run[0]) == len(ticks[0])), None)

    def _escaped(self, place: int) -> bool:
        return self._text[place - 1 : place] == "\\"

    def _paired(self, place: int, end: int) -> bool:
        """True when every run of backticks up to the end of the line belongs to a span of that line."""
        while ticks := _BACKTICKS.search(self._text, place, end):
            closing = self._closing(ticks, end)
            if closing is None or self._escaped(ticks.start()):
                return False
            place = closing + len(ticks[0])
        return True
