"""aq watch"""

import signal
import sys
import time
from typing import Any

import click

from agent_queue.cli.render import status_lines
from agent_queue.cli.screen import Screen
from agent_queue.core.errors import EXIT_INTERRUPTED
from agent_queue.wiring import opened

TOP, TO_LINE_END, TO_SCREEN_END = "\x1b[H", "\x1b[K", "\x1b[J"
OWN_SCREEN, BACK = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


@click.command()
@click.argument("seconds", type=click.FloatRange(0.2, 3600), default=2.0)
@click.pass_obj
def command(root: str | None, *, seconds: float) -> None:
    """The status, redrawn every so many SECONDS, 2 if not said. Ctrl-C ends it.

    Where there is no terminal it is printed once.
    """
    app = opened(root)
    if not sys.stdout.isatty():
        click.echo("\n".join(status_lines(app.status(), Screen.here())))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_INTERRUPTED))  # the terminal is given back then too
    sys.stdout.write(OWN_SCREEN)
    try:
        while True:
            lines = _fitted(app.status(), Screen.here())
            sys.stdout.write(TOP + "".join(f"{line}{TO_LINE_END}\n" for line in lines) + TO_SCREEN_END)
            sys.stdout.flush()
            time.sleep(seconds)
    finally:
        sys.stdout.write(BACK)
        sys.stdout.flush()


def _fitted(found: dict[str, Any], screen: Screen) -> list[str]:
    """The status in as many lines as the terminal is high: each job on one line where it has to be."""
    lines = list(status_lines(found, screen))
    if len(lines) >= screen.height:
        lines = list(status_lines(found, screen._replace(brief=True)))
    if len(lines) >= screen.height:
        rest = len(lines) - screen.height + 2
        lines[-rest:] = [screen.paint(f"and {rest} more lines", "dim")]
    return lines
