"""aq continue"""  # noqa: N999 - the command is called so

import shlex
import sys

import click

from agent_queue.cli.options import chatter, emit, job_argument, json_option, on_terminal
from agent_queue.core.errors import EXIT_FAILED
from agent_queue.flow.requests import named
from agent_queue.wiring import opened
from agent_queue.wiring.delivery import conversation, go_on


@click.command()
@job_argument
@click.option("--print", "only_print", is_flag=True, help="Only print the command, also on a terminal.")
@json_option
@click.pass_obj
def command(root: str | None, *, job: str, only_print: bool, as_json: bool) -> None:
    """Go on with the conversation of a job's last run yourself, in its worktree.

    On a terminal the agent program is started, and what you did with it is saved on the job's branch; elsewhere the
    command is printed. The job must rest: in the inbox, review, testing, shipped or failed.
    """
    app = opened(root)
    found = app.queue.job(named(app.queue, job))
    assert found is not None
    way = conversation(app, found)
    line = f"cd {shlex.quote(way.cwd)} && {shlex.join(way.argv)}"
    if as_json or only_print or not (on_terminal() and sys.stdin.isatty()):
        emit(as_json, {"job": found.id, "cwd": way.cwd, "argv": way.argv}, [line])
        return
    chatter(line)
    code = go_on(app, found.id)
    chatter(f"saved on {app.queue.past(found.id).state.get('wip_branch') or 'no branch: it works outside of git'}")
    if code:
        raise SystemExit(EXIT_FAILED)
