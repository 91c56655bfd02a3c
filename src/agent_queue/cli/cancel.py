"""aq cancel"""

import click

from agent_queue.cli.moves import jobs_argument, move_each
from agent_queue.cli.options import json_option
from agent_queue.flow import requests


@click.command()
@jobs_argument
@json_option
@click.pass_obj
def command(root: str | None, *, jobs: tuple[str, ...], as_json: bool) -> None:
    """Stop jobs wherever they are. A running agent and all its processes end first; the work stays on its branch."""
    move_each(root, jobs, as_json, lambda app, job: requests.cancel(app.tools, job, app.patience))
