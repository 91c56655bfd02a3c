"""aq insights"""

from datetime import datetime
from typing import Any

import click

from agent_queue.cli.options import emit, job_ids, json_option
from agent_queue.cli.render_insights import all_lines, csv_lines, job_lines
from agent_queue.cli.screen import Screen
from agent_queue.wiring import App, opened

LISTED = 10
MANY = {"engine": "engines", "model": "models", "profile": "profiles", "day": "days"}


@click.command()
@click.argument("job", required=False, shell_complete=job_ids)
@click.option("--by", type=click.Choice(list(MANY)), help="What to tell figures apart by.  [default: engine]")
@click.option("--since", metavar="7d|DATE", help="Only jobs whose last run ended since then.")
@click.option(
    "--csv", "as_csv", is_flag=True, help="Lines for a spreadsheet: runs of JOB, groups with --by, else jobs."
)
@json_option
@click.pass_obj
def command(
    root: str | None, *, job: str | None, by: str | None, since: str | None, as_csv: bool, as_json: bool
) -> None:
    """What a job took, run by run; without JOB, what was finished of late and what all jobs took together.

    `*` marks what is estimated in part, `?` what is known in part only; with how many jobs lack it.
    """
    app, screen = opened(root), Screen.here()
    if job is not None:
        found = _one(app, job)
        lines = csv_lines(found["runs"]) if as_csv else job_lines(found, screen)
    else:
        found = _all(app, by, since, None if as_json or (as_csv and by is None) else LISTED)
        many = MANY[by or "engine"]
        lines = csv_lines(found[many if by else "jobs"]) if as_csv else all_lines(found, by or "engine", many, screen)
    emit(as_json, found, lines)


def _one(app: App, job: str) -> dict[str, Any]:
    from agent_queue.flow.requests import named
    from agent_queue.flow.views_insights import of_job

    found = app.queue.job(named(app.queue, job))
    assert found is not None
    return of_job(found, app.queue.history(found.id))


def _all(app: App, by: str | None, since: str | None, most: int | None) -> dict[str, Any]:
    from agent_queue.flow.views_insights import since as time_of

    return app.insights(by or "engine", time_of(since, datetime.now().astimezone()) if since else 0.0, most)
