"""aq pause"""

import click

from agent_queue.cli.options import emit, engine_named, engine_names, json_option
from agent_queue.wiring import opened


@click.command()
@click.argument("engine", required=False, shell_complete=engine_names)
@json_option
@click.pass_obj
def command(root: str | None, *, engine: str | None, as_json: bool) -> None:
    """Let an engine, or all of them, start no more jobs. What runs, runs on. `aq resume` undoes it."""
    app = opened(root)
    if engine is not None:
        engine_named(app, engine)
    app.pause(engine, paused=True)
    emit(as_json, {"paused": engine or "all"}, [f"paused: {engine or 'all engines'}"])
