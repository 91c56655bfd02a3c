"""aq ship"""

import click

from agent_queue.cli.moves import jobs_argument, move_each
from agent_queue.cli.options import chatter, json_option
from agent_queue.core.job import JobId, Stage
from agent_queue.flow import requests
from agent_queue.flow.ship import after_ship
from agent_queue.wiring import App


@click.command()
@jobs_argument
@json_option
@click.pass_obj
def command(root: str | None, *, jobs: tuple[str, ...], as_json: bool) -> None:
    """Let jobs in testing out: the human gate. The branch stays; how to merge it is printed."""
    notes: list[str] = []

    def ship(app: App, job: JobId) -> Stage:
        target = requests.ship(app.tools, job).target
        notes.extend(after_ship(app.tools, job))
        return target

    move_each(root, jobs, as_json, ship)
    for note in notes:
        chatter(note)
