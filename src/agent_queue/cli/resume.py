"""aq resume"""

import click

from agent_queue.cli.options import emit, engine_named, engine_names, json_option
from agent_queue.wiring import opened
from agent_queue.wiring.lanes import parked


@click.command()
@click.argument("engine", required=False, shell_complete=engine_names)
@json_option
@click.pass_obj
def command(root: str | None, *, engine: str | None, as_json: bool) -> None:
    """Undo `aq pause`, and open lanes that aq parked itself; of one engine or of all."""
    app = opened(root)
    shut = [name for name in {**parked(app), **app.closed_lanes()} if name != "*"]
    if engine is not None and engine not in shut:
        engine_named(app, engine)
    for name in [engine] if engine else [None, *shut]:
        app.pause(name, paused=False)
    left = {**{name: one.reason for name, one in parked(app).items()}, **app.closed_lanes()}
    told = ", ".join(f"{'all engines' if name == '*' else name} ({reason})" for name, reason in left.items())
    emit(as_json, {"paused": list(left)}, [f"still closed: {told}" if left else "every engine may start jobs"])
