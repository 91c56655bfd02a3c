"""aq graph"""

from typing import Any

import click

from agent_queue.cli.options import emit, json_option
from agent_queue.cli.render import COLOURS
from agent_queue.cli.screen import Screen, plain
from agent_queue.flow.graph import graph
from agent_queue.wiring import opened


@click.command()
@json_option
@click.pass_obj
def command(root: str | None, *, as_json: bool) -> None:
    """Which waiting jobs wait for which others: what is waited for stands above what waits."""
    app, screen = opened(root), Screen.here()
    found = graph(app.glance.board(), app.queue)
    lines = [_line(line, screen) for line in found["lines"]] or ["no waiting job depends on another"]
    problems = [screen.paint(plain(job["problem"]), "red") for job in found["jobs"] if job["problem"]]
    emit(as_json, found, [*lines, *problems])


def _line(line: dict[str, Any], screen: Screen) -> str:
    stage = line["stage"]
    said = screen.paint(stage, COLOURS.get(stage, "")) if stage else screen.paint("no job is called that", "red")
    more = "  (drawn above)" if line["again"] else ""
    return f"{'   ' * line['depth']}{'+- ' if line['depth'] else ''}{plain(line['name'])}  {said}{more}"
