"""aq from-tracker"""

from collections.abc import Iterator

import click

from agent_queue.cli.errors import exit_code_of
from agent_queue.cli.options import chatter, emit, json_option
from agent_queue.core.errors import AqError, UsageError
from agent_queue.flow.from_tracker import Door, Taken, draft, take, take_labelled
from agent_queue.wiring import opened
from agent_queue.wiring.trackers import door


@click.command("from-tracker")
@click.argument("items", nargs=-1, metavar="ITEM...")
@click.option("--query", metavar="LABEL", help="Every open item that carries this label.")
@click.option("--dry-run", is_flag=True, help="Print the job files, and make nothing.")
@json_option
@click.pass_obj
def command(root: str | None, *, items: tuple[str, ...], query: str | None, dry_run: bool, as_json: bool) -> None:
    """Make jobs of tracker items, and print their files' names. An item that has a job keeps it."""
    if bool(items) == bool(query):
        raise UsageError("name items, or give --query LABEL")
    entrance = door(opened(root))
    if dry_run:
        _show(entrance, items, query)
        return
    taken: list[Taken] = []
    code = 0
    for found in take_labelled(entrance, query) if query else _each(entrance, items):
        if isinstance(found, AqError):
            code = code or exit_code_of(found) or found.exit_code
            continue
        taken.append(found)
        chatter(f"{found.item}: {'a new job' if found.new else f'is already job {found.job}, in {found.stage}'}")
        for note in found.notes:
            chatter(note)
    jobs = [{"item": one.item, "job": one.job, "stage": one.stage, "new": one.new} for one in taken]
    emit(as_json, {"jobs": jobs}, (f"{one.job}.md" for one in taken))
    if code:
        raise SystemExit(code)


def _each(entrance: Door, items: tuple[str, ...]) -> Iterator[Taken | AqError]:
    for item in items:
        try:
            yield take(entrance, item)
        except AqError as error:
            yield error


def _show(entrance: Door, items: tuple[str, ...], query: str | None) -> None:
    tracker = entrance.tracker
    for item in tracker.find(query) if query else map(tracker.get, items):
        made = draft(entrance, item)
        click.echo(made.data.decode())
        for note in made.notes:
            chatter(note)
