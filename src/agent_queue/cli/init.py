"""aq init"""

import click

from agent_queue.cli.options import chatter, emit, json_option
from agent_queue.wiring import App


@click.command()
@json_option
@click.pass_obj
def command(root: str | None, *, as_json: bool) -> None:
    """Make a queue: its folders, and a configuration file to edit. A queue that is there is left as it is."""
    app = App(root)
    made = app.initialise()
    word = "made" if made else "is there already:"
    emit(as_json, {"root": app.layout.root, "made": made}, [f"{word} {app.layout.root}"])
    if made:
        chatter("next: `aq doctor` says what this machine lacks, `aq add FILE.md` puts a job in, `aq run` runs it")
