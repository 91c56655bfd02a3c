"""aq status"""

import click

from agent_queue.cli.options import emit, json_option
from agent_queue.cli.render import status_lines
from agent_queue.cli.screen import Screen
from agent_queue.wiring import opened


@click.command()
@click.option("--wide", is_flag=True, help="Every job, nothing cut short.")
@json_option
@click.pass_obj
def command(root: str | None, *, wide: bool, as_json: bool) -> None:
    """What needs you, what runs, what waits and why, and what was done of late."""
    found = opened(root).status()
    emit(as_json, found, () if as_json else status_lines(found, Screen.here(wide=wide)))
