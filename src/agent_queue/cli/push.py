"""aq push"""

import click

from agent_queue.cli.options import emit, job_argument, json_option, on_terminal
from agent_queue.flow.requests import named
from agent_queue.wiring import opened
from agent_queue.wiring.delivery import push


@click.command()
@job_argument
@click.option("--remote", default="origin", show_default=True, help="Where to.")
@click.option("--as", "name", metavar="NAME", help="The branch's name there; else aq/JOB.")
@click.option("--pr", is_flag=True, help="Open a pull request too, with GitHub's gh.")
@click.option("--title", help="Its title; else one made from the job's name.")
@click.option(
    "--base", metavar="BRANCH", help="What it is to be merged into; else the job's base, or what is checked out."
)
@json_option
@click.pass_obj
def command(
    root: str | None, *, job: str, remote: str, name: str | None, pr: bool, title: str | None, base: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Push a job's branch under a name of its own. Never forced, and never to the base or a remote's default branch.

    No word of the prompt goes along. Your own pre-push hook runs.
    """
    app = opened(root)
    found = named(app.queue, job)
    told = push(app, found, remote=remote, name=name, pr=pr, title=title, base=base, talk=on_terminal())
    state = "pushed to" if told["new"] else "is already at"
    lines = [f"{told['branch']} {state} {told['remote']} as {told['name']}  ({told['url']})"]
    lines += [told["pull_request"]] if told["pull_request"] else []
    emit(as_json, {"job": found, **told}, lines)
