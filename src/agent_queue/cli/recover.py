"""aq recover"""

import click

from agent_queue.cli.options import chatter, emit, json_option
from agent_queue.flow.recover import recover_all
from agent_queue.wiring import opened


@click.command()
@json_option
@click.pass_obj
def command(root: str | None, *, as_json: bool) -> None:
    """Settle what a crash left in work, starting nothing. `aq run` does the same by itself, and goes on from there."""
    app = opened(root, chatter)
    with app.supervise(slots=0) as announce:
        announce()
        found = recover_all(app.tools)
    rows = [{"job": item.job, "stage": item.stage, "alive": item.alive} for item in found]
    lines = [f"{item.job}: {'still running; left alone' if item.alive else item.stage}" for item in found]
    emit(as_json, {"recovered": rows}, lines or ["nothing to recover"])
