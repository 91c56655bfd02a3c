"""aq status"""

import click

from agent_queue.cli.options import emit, json_option
from agent_queue.cli.render import status_lines
from agent_queue.cli.screen import Screen
from agent_queue.wiring import opened


@click.command()
@click.option("--wide", is_flag=True, help="Every job, nothing cut short, and the disk they take.")
@json_option
@click.pass_obj
def command(root: str | None, *, wide: bool, as_json: bool) -> None:
    """What needs you, what runs, what waits and why, and what was done of late."""
    app = opened(root)
    found = app.status()
    lines = [] if as_json else [*status_lines(found, Screen.here(wide=wide))]
    if wide:
        from agent_queue.flow.doctor_leftovers import in_words

        found["disk"] = app.disk_use()
        lines += ["", f"DISK  {in_words(found['disk'])}"]
    emit(as_json, found, lines)
