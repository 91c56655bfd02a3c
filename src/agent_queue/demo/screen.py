"""What is seen while the demonstration runs: on a terminal a board that is redrawn, else lines as they come."""

import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any

import click

from agent_queue.core.job import Stage
from agent_queue.demo.stage import Theatre

WIDTH = 13
LINES = 8
ERASE = "\x1b[2K"


class Screen:
    """`update` shows what is new since the last time."""

    def __init__(self, theatre: Theatre) -> None:
        self._theatre = theatre
        self._live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._drawn = 0
        self._lines: list[str] = []
        self._shown = 0
        self._read = 0

    def say(self, line: str) -> None:
        """Something that we did, between the lines of `aq run`."""
        self._take_in()
        self._lines.append(line)

    def update(self) -> None:
        self._take_in()
        status = self._theatre.status()
        if self._live:
            self._redraw([*board(status, self._theatre.ids), "", *self._lines[-LINES:]])
            return
        self._lines += [f"  {line}" for line in waiting(status, self._theatre.ids) if f"  {line}" not in self._lines]
        for line in self._lines[self._shown :]:
            click.echo(line)
        self._shown = len(self._lines)

    def _take_in(self) -> None:
        """The whole lines that `aq run` wrote since the last look."""
        text = self._theatre.log.read_text(errors="replace")[self._read :]
        whole = text[: text.rfind("\n") + 1]
        self._read += len(whole)
        self._lines += [f"  {line}" for line in whole.splitlines()]

    def _redraw(self, lines: list[str]) -> None:
        columns = shutil.get_terminal_size().columns
        lines += [""] * (self._drawn - len(lines))
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        # A line that wraps would break the next redrawing.
        head, *rows = (f"{line[: columns - 1]}\n" for line in lines)
        click.echo(up + ERASE + bold(head) + "".join(ERASE + row for row in rows), nl=False)
        self._drawn = len(lines)


def board(status: Mapping[str, Any], ids: Mapping[str, str]) -> list[str]:
    """Six columns of names, one for each stage, and why the waiting ones wait."""
    names = {job: name for name, job in ids.items()}
    jobs = [job for job in status["jobs"] if job["id"] in names]
    columns = [[names[job["id"]] for job in jobs if job["stage"] == stage] for stage in Stage]
    height = max(1, *(len(column) for column in columns))
    rows = [[column[row] if row < len(column) else "" for column in columns] for row in range(height)]
    lines = ["".join(f"{cell:<{WIDTH}}" for cell in row).rstrip() for row in ([*Stage], *rows)]
    return [*lines, *waiting(status, ids)]


def waiting(status: Mapping[str, Any], ids: Mapping[str, str]) -> list[str]:
    """Why each waiting job waits, once there is a supervisor that could start it."""
    names = {job: name for name, job in ids.items()}
    jobs = [job for job in status["jobs"] if job["waiting_for"] and status["supervisor"]]
    return [f"{names.get(job['id'], job['id'])} waits: {', '.join(job['waiting_for'])}" for job in jobs]


def bold(text: str) -> str:
    """For a terminal that wants colours; plain elsewhere."""
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ
    return text if plain else click.style(text, bold=True)
