"""aq logs"""

import sys

import click

from agent_queue.cli.options import chatter, emit, job_argument, json_option
from agent_queue.cli.screen import Screen, event_text, plain
from agent_queue.core.errors import UsageError
from agent_queue.flow.requests import named
from agent_queue.flow.views_log import Kind, chunks, log_of, over, reader_of, told
from agent_queue.wiring import opened

LOOK_S = 0.1


@click.command()
@job_argument
@click.option("-f", "--follow", is_flag=True, help="Go on as it grows, until the run ends.")
@click.option("--run", type=int, metavar="N", help="An earlier run; else the latest.")
@click.option("--verify", "kind", flag_value=Kind.VERIFY, type=Kind, help="What the verify commands printed.")
@click.option("--setup", "kind", flag_value=Kind.SETUP, type=Kind, help="What the setup of the worktree printed.")
@click.option("--raw", is_flag=True, help="The bytes as they are, secrets too.")
@json_option
@click.pass_obj
def command(
    root: str | None, *, job: str, follow: bool, run: int | None, kind: Kind | None, raw: bool, as_json: bool
) -> None:
    """What a job's agent said and did. Known secrets, and what looks like a key, are not shown; --raw shows all."""
    if raw and as_json:
        raise UsageError("--raw and --json exclude each other")
    app = opened(root)
    found = app.queue.job(named(app.queue, job))
    assert found is not None
    log = log_of(app.tools, found, run, kind or Kind.AGENT)

    def ended() -> bool:
        supervised = lambda: app.supervisor() is not None  # noqa: E731
        return not follow or over(log, app.tools, lives=app.processes.lives, supervised=supervised)

    data = chunks(log, ended, lambda ready: app.patience(ready, seconds=3600, every_s=LOOK_S))
    reader, screen = None if kind else reader_of(log, app.engine), Screen.here()
    if raw:
        for chunk in data:
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    elif as_json:
        said = [{"kind": event.kind, "text": event.text} for event in told(data, reader, app.redaction)]
        emit(True, {"job": log.job, "run": log.run, "log": log.kind, "events": said}, ())
    else:
        for event in told(data, reader, app.redaction):
            click.echo(event_text(event.kind, event.text, screen) if reader else plain(event.text), nl=bool(reader))
    if not log.folder.written_at(log.name):
        chatter("nothing was printed yet" if not ended() else "nothing was printed")
