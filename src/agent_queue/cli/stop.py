"""aq stop"""

import click

from agent_queue.cli.options import emit, json_option
from agent_queue.core.errors import AqError, BusyError, UsageError
from agent_queue.wiring import opened

LONGEST_S = 120.0


@click.command()
@click.option("--now", is_flag=True, help="Stop running agents too; their work is kept, no attempt is charged.")
@click.option("--detach", is_flag=True, help="Leave running agents to the next `aq run`, which adopts them.")
@json_option
@click.pass_obj
def command(root: str | None, *, now: bool, detach: bool, as_json: bool) -> None:
    """End the supervisor. It starts no new jobs and ends when the running ones have."""
    if now and detach:
        raise UsageError("--now and --detach exclude each other")
    app = opened(root)
    if not app.stop("SIGTERM" if now else "SIGUSR1" if detach else "SIGINT"):
        raise AqError("no supervisor runs this queue", hint="`aq run` starts one")
    if now or detach:
        if not app.patience(lambda: app.supervisor() is None, seconds=LONGEST_S):
            raise BusyError("the supervisor has not ended yet", hint="`aq status` shows what it waits for")
        emit(as_json, {"stopped": True}, ["stopped"])
        return
    emit(as_json, {"stopped": False}, ["no new jobs; it ends when the running ones have (--now stops them)"])
