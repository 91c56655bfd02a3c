"""aq merge"""

from dataclasses import asdict

import click

from agent_queue.cli.options import chatter, emit, job_argument, json_option
from agent_queue.cli.screen import home
from agent_queue.flow.requests import named
from agent_queue.wiring import opened
from agent_queue.wiring.delivery import doubtful, merge

SAID = {
    "fast-forward": "{into} went forward to {branch}: {count}",
    "merge": "merged {branch} into {into}: {count}",
    "nothing": "{into} has all of {branch} already",
}


@click.command()
@job_argument
@click.option("--into", metavar="BRANCH", help="Another branch than the job's base or the one checked out.")
@json_option
@click.pass_obj
def command(root: str | None, *, job: str, into: str | None, as_json: bool) -> None:
    """Bring a job's branch into its base: by fast-forward, else by a merge commit in your name.

    Your uncommitted changes stay as they are: with such changes, or conflicts, in files that the merge would write,
    nothing happens and those files are listed. Where the base is checked out nowhere, only the branch moves. No hook
    runs.
    """
    app = opened(root)
    found = named(app.queue, job)
    merged = merge(app, found, into)
    if (doubt := doubtful(app, found)) and merged.how != "nothing":
        chatter(f"note: {found} {doubt}")
    count = f"{len(merged.files)} file{'' if len(merged.files) == 1 else 's'}"
    lines = [SAID[merged.how].format(into=merged.into, branch=merged.branch, count=count)]
    if merged.how != "nothing":
        lines.append(f"updated {home(merged.checkout)}" if merged.checkout else "it is checked out nowhere")
    emit(as_json, {"job": found, **asdict(merged)}, lines)
