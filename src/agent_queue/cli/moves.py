"""What the commands share that move jobs between stages."""

from collections.abc import Callable

import click

from agent_queue.cli.errors import exit_code_of
from agent_queue.cli.options import emit, job_ids
from agent_queue.core.errors import AqError
from agent_queue.core.job import JobId, Stage
from agent_queue.flow.requests import named
from agent_queue.wiring import App, opened
from agent_queue.wiring.trackers import tell_moved

jobs_argument = click.argument("jobs", nargs=-1, required=True, metavar="JOB...", shell_complete=job_ids)


def move_each(
    root: str | None, jobs: tuple[str, ...], as_json: bool, move: Callable[[App, JobId], Stage]
) -> list[JobId]:  # fmt: skip
    """Move each job, say where it lies now, and go on past one that cannot; ends with the first failure's code."""
    app = opened(root)
    moved: list[tuple[JobId, Stage]] = []
    code = 0
    for name in jobs:
        try:
            job = named(app.queue, name)
            moved.append((job, move(app, job)))
        except AqError as error:
            failure = exit_code_of(error)
            code = code or failure
    emit(as_json, {"moved": [{"job": job, "stage": stage} for job, stage in moved]},
         (f"{job}: {stage}" for job, stage in moved))  # fmt: skip
    tell_moved(app, [job for job, _ in moved])
    if code:
        raise SystemExit(code)
    return [job for job, _ in moved]
