"""aq requeue"""

import click

from agent_queue.cli.moves import jobs_argument, move_each
from agent_queue.cli.options import json_option
from agent_queue.flow import requests


@click.command()
@jobs_argument
@click.option("--fresh", is_flag=True, help="Begin again at the base; the old branch is kept as aq/old/JOB/RUN.")
@json_option
@click.pass_obj
def command(root: str | None, *, jobs: tuple[str, ...], fresh: bool, as_json: bool) -> None:
    """Run jobs again, with no attempts charged. They go on from what lies on their branch, unless --fresh."""
    move_each(root, jobs, as_json, lambda app, job: requests.requeue(app.tools, job, fresh=fresh).target)
