"""aq show"""

import os

import click

from agent_queue.cli.options import emit, job_argument, json_option
from agent_queue.cli.render_job import job_lines
from agent_queue.cli.screen import Screen
from agent_queue.core.lifecycle import Job
from agent_queue.flow.requests import named
from agent_queue.flow.views_job import show
from agent_queue.wiring import App, opened


@click.command()
@job_argument
@json_option
@click.pass_obj
def command(root: str | None, *, job: str, as_json: bool) -> None:
    """All about one job: how it stands and why, what it was told and by whom, its files, its history."""
    app = opened(root)
    found = app.queue.job(named(app.queue, job))
    assert found is not None
    told = show(app.queue, found, history=app.queue.history(found.id), files=_files(app, found))
    emit(as_json, told, () if as_json else job_lines(told, Screen.here()))


def _files(app: App, job: Job) -> dict[str, str]:
    """What there is of it on disk."""
    layout, run = app.layout, app.layout.run(job.id, job.past.run)
    places = {
        "job file": layout.job(job.stage, job.id), "journal": layout.journal(job.id), "run folder": run,
        "agent's log": f"{run}/agent.log", "verify's log": f"{run}/verify.log", "report": f"{run}/report.md",
        "kept files": f"{run}/kept", "repositories": f"{run}/nested", "artifacts": f"{run}/artifacts",
        "worktree": f"{layout.work}/{job.id}",
    }  # fmt: skip
    return {name: path for name, path in places.items() if os.path.exists(path)}
