"""aq doctor"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import click

from agent_queue.cli.options import emit, json_option
from agent_queue.cli.screen import Screen, plain
from agent_queue.core.board import Row
from agent_queue.core.errors import EXIT_FAILED, SettingsError
from agent_queue.core.job import Stage
from agent_queue.flow.doctor import Finding, Level, engines_of, examine
from agent_queue.wiring import ENGINES, App

UNVERSIONED = ("shell",)
"""Any POSIX shell will do, and many take no `--version`."""
COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


@click.command()
@json_option
@click.pass_obj
def command(root: str | None, *, as_json: bool) -> None:
    """What this machine and this queue have, what they lack, and what mends it. Ends with 1 when something fails.

    Of agent programs nothing but `--version` is run.
    """
    app = App(root)
    settings: dict[str, Any] = {"problem": "", "fix": "", "durability": None}
    engines: list[dict[str, Any]] = []
    rows: Sequence[Row] = []
    try:
        settings["durability"] = app.settings.run.durability
        rows = app.glance.board()["rows"] if app.layout.exists() else []
        asked = {row["engine"] for row in rows if row["stage"] is Stage.INBOX} | {app.settings.defaults.engine or ""}
        engines = engines_of(app.tools, list(ENGINES), asked - {""})
    except SettingsError as error:
        settings |= {"problem": str(error), "fix": error.hint}
    facts = app.probe(row["program"] for row in engines if row["program"] and row["engine"] not in UNVERSIONED)
    engines = [row | {"version": facts["versions"].get(row["program"])} for row in engines]
    left = [row["id"] for row in rows if row["stage"] is Stage.BUILDING and not (row["work"] and row["work"]["alive"])]
    found = examine(facts["machine"], facts["queue"] | {"left": left}, engines, settings)
    emit(as_json, {"root": app.layout.root, "findings": [asdict(one) for one in found], "engines": engines},
         _lines(found, Screen.here()))  # fmt: skip
    if any(one.level is Level.FAIL for one in found):
        raise SystemExit(EXIT_FAILED)


def _lines(found: list[Finding], screen: Screen) -> Iterator[str]:
    for before, one in zip([None, *found], found, strict=False):
        if before is None or before.about != one.about:
            yield screen.paint(one.about, "bold")
        first, *more = screen.wrap(plain(one.text), screen.width - 8)
        mark = "-" if one.level is Level.OK and one.fix else one.level.value  # nothing wrong, and something one can do
        yield f"  {screen.paint(f'{mark:<4}', COLOURS[one.level] if mark != '-' else '')}  {first}"
        yield from (f"        {line}" for line in more)
        yield from (f"        {screen.paint(line, 'dim')}" for line in screen.wrap(one.fix, screen.width - 8) if line)
