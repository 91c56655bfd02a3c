"""aq from-tracker"""

import click

from agent_queue.cli.errors import exit_code_of
from agent_queue.cli.options import chatter, emit, json_option
from agent_queue.core.errors import AqError, UsageError
from agent_queue.flow.from_tracker import Draft, Taken, drafts, take_labelled, take_named
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
    found: list[Draft | Taken] = []
    code = 0
    taking = take_labelled(entrance, query) if query else take_named(entrance, items)
    for one in drafts(entrance, items, query or "") if dry_run else taking:
        if isinstance(one, AqError):
            failure = exit_code_of(one)
            code = code or failure
            continue
        found.append(one)
        for line in _notes(one):
            chatter(line)
    jobs = [{"item": one.item, "job": one.job, "stage": one.stage, "new": one.new}
            for one in found if isinstance(one, Taken)]  # fmt: skip
    drafted = [{"item": one.item, "file": one.data.decode()} for one in found if isinstance(one, Draft)]
    lines = [one["file"] for one in drafted] if dry_run else [f"{one['job']}.md" for one in jobs]
    emit(as_json, {"jobs": jobs, **({"drafts": drafted} if dry_run else {})}, lines)
    if code:
        raise SystemExit(code)


def _notes(one: Draft | Taken) -> tuple[str, ...]:
    if isinstance(one, Draft):
        return one.notes
    return (f"{one.item}: {'a new job' if one.new else f'is already job {one.job}, in {one.stage}'}", *one.notes)
