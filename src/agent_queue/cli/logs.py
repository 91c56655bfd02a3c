"""aq logs"""

import sys

import click

from agent_queue.cli.options import chatter, job_argument
from agent_queue.cli.screen import Screen, event_text, plain
from agent_queue.flow.opened import opened_in
from agent_queue.flow.requests import named
from agent_queue.flow.views_log import Kind, Log, chunks, events, log_of, over, texts
from agent_queue.ports import Reader
from agent_queue.wiring import App, opened

LOOK_S = 0.1


@click.command()
@job_argument
@click.option("-f", "--follow", is_flag=True, help="Go on as it grows, until the run ends.")
@click.option("--run", type=int, metavar="N", help="An earlier run; else the latest.")
@click.option("--verify", "kind", flag_value=Kind.VERIFY, type=Kind, help="What the verify commands printed.")
@click.option("--setup", "kind", flag_value=Kind.SETUP, type=Kind, help="What the setup of the worktree printed.")
@click.option("--raw", is_flag=True, help="The bytes as they are, secrets too.")
@click.pass_obj
def command(root: str | None, *, job: str, follow: bool, run: int | None, kind: Kind | None, raw: bool) -> None:
    """What a job's agent said and did. Known secrets, and what looks like a key, are not shown; --raw shows all."""
    app = opened(root)
    found = app.queue.job(named(app.queue, job))
    assert found is not None
    log = log_of(app.tools, found, run, kind or Kind.AGENT)

    def ended() -> bool:
        return not follow or over(
            log, app.tools, lives=app.processes.lives, supervised=lambda: app.supervisor() is not None
        )

    data = chunks(log, ended, lambda ready: app.patience(ready, seconds=3600, every_s=LOOK_S))
    reader = None if raw or kind else _reader(app, log)
    if raw:
        for chunk in data:
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    elif reader is None:
        for text in app.redaction.stream(texts(data)):
            click.echo(plain(text), nl=False)
    else:
        screen = Screen.here()
        for event in events(data, reader):
            click.echo(event_text(event.kind, app.redaction.text(event.text), screen))
    if not log.folder.written_at(log.name):
        chatter("nothing was printed yet" if not ended() else "nothing was printed")


def _reader(app: App, log: Log) -> Reader | None:
    """What makes the output of the run's engine readable; None for one that is not there any more."""
    placed = opened_in(log.folder)
    engine = app.engine(placed.engine) if placed else None
    return engine.reader() if engine else None
