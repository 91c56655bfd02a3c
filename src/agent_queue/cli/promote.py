"""aq promote"""

import click

from agent_queue.cli.moves import jobs_argument, move_each
from agent_queue.cli.options import json_option
from agent_queue.flow import requests


@click.command()
@jobs_argument
@json_option
@click.pass_obj
def command(root: str | None, *, jobs: tuple[str, ...], as_json: bool) -> None:
    """Say that the work of jobs in review is good: they go on to testing."""
    move_each(root, jobs, as_json, lambda app, job: requests.promote(app.tools, job).target)
