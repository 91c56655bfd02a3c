"""Text for a terminal: its width and colours, what may be shown on it, numbers in words."""

import os
import re
import sys
from typing import NamedTuple

from agent_queue.core.escapes import ESCAPES

STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
COLOUR = r"(\x1b\[[0-9;]*m)"
"""Compiled when first met: few texts hold any, and a list of jobs must start fast."""


class Screen(NamedTuple):
    """Where the text goes. Not a terminal: 80 columns, no colour, endless."""

    width: int
    height: int
    colour: bool
    wide: bool
    brief: bool = False
    """One line for each job."""

    @staticmethod
    def here(*, wide: bool = False) -> "Screen":
        terminal = sys.stdout.isatty()
        width, height = os.get_terminal_size(sys.stdout.fileno()) if terminal else (80, 0)
        if terminal:
            width, height = max(width or 80, 40), height or 24  # a terminal need not know its size
        return Screen(10_000 if wide and not terminal else width, height, terminal and coloured(), wide)

    def paint(self, text: str, style: str) -> str:
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if self.colour and text and style in STYLES else text

    def cut(self, text: str, width: int) -> str:
        """The beginning of a text that fits, by what a terminal shows of it."""
        if self.wide or (text.isascii() and len(text) <= width):
            return text
        if columns(text) <= width:
            return text
        text = text[: 4 * width]  # at most so many characters are looked at one by one
        while text and columns(text) > width - 3:
            text = text[:-1]
        return text + "..."

    def wrap(self, text: str, width: int) -> list[str]:
        """A text in lines that fit, cut at its spaces; a word that fits no line is cut too."""
        lines = [""]
        for word in (self.cut(word, width) for word in text.split()):
            if lines[-1] and columns(lines[-1]) + columns(word) + 1 > width and not self.wide:
                lines.append(word)
            else:
                lines[-1] = f"{lines[-1]} {word}".strip()
        return lines


def coloured() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def columns(text: str) -> int:
    """How many columns a terminal takes for a text."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def plain(text: str, *, colours: bool = False) -> str:
    """Text of others for a terminal: no escapes, no control characters; line ends, tabs and, if asked, colours stay."""
    if text.isprintable():
        return text
    if colours:
        pieces = re.split(COLOUR, text)
        return "".join(piece if number % 2 else plain(piece) for number, piece in enumerate(pieces))
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in re.sub(ESCAPES, "", text))


def age(seconds: float) -> str:
    """Seconds in words: `45s`, `12m`, `2h05m`, `3d4h`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s" if whole < 600 else f"{whole // 60}m"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600}h"


def moment(seconds: float) -> str:
    """Epoch seconds as a local time, e.g. `2026-03-01 06:00`."""
    from datetime import datetime

    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}"


def amount(count: int | None) -> str:
    """A count in words: `950`, `84k`, `2.1M`."""
    if count is None:
        return "?"
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return (
                f"{count / size:.1f}".removesuffix(".0") + letter if count < 10 * size else f"{count // size}{letter}"
            )
    return str(count)


def dollars(cost: float) -> str:
    """Money, to the cent; to the hundredth of a cent while it is less than a dime."""
    return f"${cost:.2f}" if cost >= 0.1 or not cost else f"${cost:.4f}"


def home(path: str) -> str:
    """A path with the person's home as `~`."""
    here = os.path.expanduser("~").rstrip("/")
    return f"~{path[len(here) :]}" if here and f"{path}/".startswith(f"{here}/") else path


EVENTS = {
    "text": ("", ""),
    "tool": ("> ", "cyan"),
    "result": ("  ", "dim"),
    "error": ("! ", "red"),
    "note": ("# ", "dim"),
}
RESULT_LINES = 12


def event_text(kind: str, text: str, screen: Screen) -> str:
    """One readable thing that an agent said or did; long results are cut."""
    mark, style = EVENTS[kind]
    lines = plain(text).splitlines() or [""]
    if kind == "result" and len(lines) > RESULT_LINES:
        lines = [*lines[:RESULT_LINES], f"... {len(lines) - RESULT_LINES} more lines (--raw has all)"]
    return "\n".join(screen.paint(f"{mark}{line}", style) for line in lines)


def paged(text: str, screen: Screen) -> None:
    """Print a text; where a terminal is too small for it, through the person's pager."""
    import click

    if screen.height and text.count("\n") >= screen.height:
        click.echo_via_pager(text, color=None if screen.colour else False)  # None: as far as the pager can
    else:
        click.echo(text.removesuffix("\n"), color=screen.colour)
