"""aq doctor"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from agent_queue.cli.options import emit, json_option
from agent_queue.cli.render_doctor import findings
from agent_queue.cli.screen import Screen
from agent_queue.core.board import Row
from agent_queue.core.errors import EXIT_FAILED, SettingsError
from agent_queue.core.job import Stage
from agent_queue.core.settings import named_engines
from agent_queue.flow.doctor import Level, engines_of, examine
from agent_queue.flow.doctor_leftovers import leftovers
from agent_queue.wiring import ENGINES, App

UNVERSIONED = ("shell",)
"""Any POSIX shell will do, and many take no `--version`."""


@click.command()
@click.option("--capabilities", is_flag=True, help="Print what this host offers to `capabilities` instead.")
@click.option("--rescan", is_flag=True, help="Ask programs for their versions again.")
@json_option
@click.pass_obj
def command(root: str | None, *, capabilities: bool, rescan: bool, as_json: bool) -> None:
    """What this machine and this queue have, what they lack, and what mends it. Ends with 1 when something fails.

    Of agent programs nothing but `--version` is run.
    """
    app = App(root)
    if capabilities:
        offers = app.offers.all(rescan=rescan)
        emit(as_json, {"offers": offers}, (f"{key:<10} {', '.join(values) or '-'}" for key, values in offers.items()))
        return
    settings: dict[str, Any] = {"problem": "", "fix": "", "durability": None, "odd": {}}
    engines: list[dict[str, Any]] = []
    rows: Sequence[Row] = []
    try:
        settings["durability"] = app.settings.run.durability
        settings["odd"] = app.around.no_engines(named_engines(app.settings))
        if rescan:
            app.offers.all(rescan=True)
        rows = app.glance.board()["rows"] if app.layout.exists() else []
        asked = {row["engine"] for row in rows if row["stage"] is Stage.INBOX} | {app.settings.defaults.engine or ""}
        engines = engines_of(app.tools, list(ENGINES), asked - {""})
    except SettingsError as error:
        settings |= {"problem": str(error), "fix": error.hint}
    facts = app.probe(row["program"] for row in engines if row["program"] and row["engine"] not in UNVERSIONED)
    engines = [row | {"version": facts["versions"].get(row["program"])} for row in engines]
    left = [row["id"] for row in rows if row["stage"] is Stage.BUILDING and not (row["work"] and row["work"]["alive"])]
    found = examine(facts["machine"], facts["queue"] | {"left": left}, engines, settings)
    found += [] if "leftovers" not in facts else leftovers(facts["leftovers"])
    emit(as_json, {"root": app.layout.root, "findings": [asdict(one) for one in found], "engines": engines},
         findings(found, Screen.here()))  # fmt: skip
    if any(one.level is Level.FAIL for one in found):
        raise SystemExit(EXIT_FAILED)
