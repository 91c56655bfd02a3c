"""aq dash"""

from importlib.util import find_spec

import click

from agent_queue.cli.options import on_terminal
from agent_queue.cli.render import status_lines
from agent_queue.cli.render_dash import sight
from agent_queue.cli.screen import Screen
from agent_queue.core.errors import UnavailableError
from agent_queue.wiring import opened


@click.command()
@click.option("--every", "seconds", type=click.FloatRange(0.2, 3600), default=2.0, show_default=True, metavar="SECONDS",
              help="How often to look.")  # fmt: skip
@click.pass_obj
def command(root: str | None, *, seconds: float) -> None:
    """The queue as a panel: j and k or the arrows move, q quits. It shows, and changes nothing.

    Where there is no terminal the status is printed instead.
    """
    app = opened(root)
    if not on_terminal():
        click.echo("\n".join(status_lines(app.status(), Screen.here())))
        return
    if find_spec("textual") is None:
        hint = "install its extra `tui`, in a clone of agent-queue: pip install '.[tui]'; `aq watch` needs nothing"
        raise UnavailableError("the panel needs Textual, which is not installed", hint=hint)
    from agent_queue.dash.panel import Panel

    Panel(lambda: sight(app.status()), seconds).run()
