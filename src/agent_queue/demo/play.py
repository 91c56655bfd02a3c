"""The demonstration from its first command to its last word."""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from agent_queue.core.errors import EXIT_FAILED
from agent_queue.demo.check import problems
from agent_queue.demo.closing import closing
from agent_queue.demo.screen import Screen, bold
from agent_queue.demo.stage import Theatre

LIMIT_S = 20.0
LOOK_S = 0.2
END_S = 10.0


def play(*, keep: bool) -> bool:
    """Play it; True when every job ended as the story says. Leaves nothing behind but, with `keep`, its folder."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that what follows is tidied up
    folder = Path(tempfile.mkdtemp(prefix="aq-demo-")).resolve()
    try:
        wrong = _play(Theatre(folder), folder if keep else None)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    for problem in wrong:
        click.echo(f"aq demo: {problem}", err=True)
    return not wrong


def _play(theatre: Theatre, kept: Path | None) -> list[str]:
    theatre.build()
    base = theatre.git("rev-parse", "main").strip()
    click.echo(bold("Five jobs are five markdown files. This one names its verify, and may be tried twice:\n"))
    text = (theatre.jobs / "fix-total.md").read_text()
    click.echo("".join(f"  {line}\n" for line in text.splitlines()))
    theatre.open_queue()
    click.echo(bold("$ aq init && aq add jobs/*.md && aq run --once"))
    with running(theatre) as supervisor:
        code = _watch(theatre, supervisor)
    click.echo()
    wrong = problems(theatre, base)
    if code != EXIT_FAILED:  # one of the five jobs fails, and `run --once` says so
        wrong.append("`aq run --once` did not end in time" if code is None else f"`aq run --once` ended with {code}")
    if not wrong:
        click.echo("\n".join(closing(theatre, kept)))
    return wrong


def _watch(theatre: Theatre, supervisor: subprocess.Popen[bytes]) -> int | None:
    """Show it to its end, and drop one file by hand on the way. Returns the exit code, None when it takes too long."""
    screen = Screen(theatre)
    end = time.monotonic() + LIMIT_S
    dropped = False
    while (code := supervisor.poll()) is None and time.monotonic() < end:
        if not dropped and any((theatre.root / "building").iterdir()):
            dropped = True
            screen.say(f"$ {theatre.drop_by_hand()}")
        screen.update()
        time.sleep(LOOK_S)
    screen.update()
    return code


@contextmanager
def running(theatre: Theatre) -> Iterator[subprocess.Popen[bytes]]:
    """`aq run --once`, which ends by itself; when it does not, or we are interrupted, it and its agents are stopped."""
    supervisor = theatre.start()
    try:
        yield supervisor
    finally:
        if supervisor.poll() is None:
            supervisor.terminate()
            supervisor.wait(END_S)
