"""aq resume"""

import click

from agent_queue.cli.options import emit, json_option
from agent_queue.wiring import opened


@click.command()
@click.argument("engine", required=False)
@json_option
@click.pass_obj
def command(root: str | None, *, engine: str | None, as_json: bool) -> None:
    """Undo `aq pause`, for one engine or for all."""
    app = opened(root)
    engines = [engine] if engine else [None if name == "*" else name for name in app.closed_lanes()]
    for name in engines:
        app.pause(name, paused=False)
    left = app.closed_lanes()
    emit(as_json, {"paused": list(left)}, [f"still paused: {', '.join(left)}" if left else "nothing is paused"])
