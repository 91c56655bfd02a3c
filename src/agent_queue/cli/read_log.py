"""aq read-log"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO

import click

from agent_queue.cli.options import SCHEMA_VERSION, chatter, engine_named, engine_names, json_option, on_terminal
from agent_queue.core.outcome import Exit
from agent_queue.flow.read_log import HEAD, not_its_own, owners, read_log
from agent_queue.flow.reading import Reading
from agent_queue.wiring import ENGINES, App

CHUNK = 1 << 20


@click.command()
@click.argument("engine", shell_complete=engine_names)
@click.argument("file", type=click.File("rb"))
@click.option("--exit", "code", type=click.IntRange(-255, 255), default=0, show_default=True,
              help="The program's exit code; a signal as its negative number.")  # fmt: skip
@click.option("--sidecar", "sidecars", type=click.File("rb"), multiple=True, metavar="FILE",
              help="A file in which the program tells more, such as its transcript; may be repeated.")  # fmt: skip
@json_option
@click.pass_obj
def command(root: str | None, *, engine: str, file: BinaryIO, code: int, sidecars: tuple[BinaryIO, ...],
            as_json: bool) -> None:  # fmt: skip
    """What the output of an agent program says: how it ended, what it used.

    No queue is needed. It prints one JSON object, indented for a terminal; FILE may be - for standard input.
    """
    app = App(root, chatter)
    adapter = engine_named(app, engine)
    exit_ = Exit(code=code, signal=None, duration_s=0.0) if code >= 0 else Exit(code=None, signal=-code, duration_s=0.0)
    head = file.read(HEAD)
    others = {name: lambda name=name: app.engine(name) for name in ENGINES if name != engine}
    foreign = [] if owners(head, {engine: lambda: adapter}) else owners(head, others)
    if foreign:
        found = not_its_own(engine, foreign)
    else:
        written = app.written_at(getattr(file, "name", ""))
        now = datetime.fromtimestamp(written, UTC).astimezone() if written else app.tools.clock.local()
        sides = [(side.name, side.read()) for side in sidecars]
        found = read_log(Reading(adapter, app.tools.prices), pieces(head, file), sides, exit_, now)
    value = {"schema_version": SCHEMA_VERSION, **found}
    click.echo(json.dumps(value, ensure_ascii=False, indent=2 if on_terminal() and not as_json else None))


def pieces(head: bytes, file: BinaryIO) -> Iterator[bytes]:
    while head:
        yield head
        head = file.read(CHUNK)
