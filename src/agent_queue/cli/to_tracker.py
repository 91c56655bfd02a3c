"""aq to-tracker"""

import click

from agent_queue.cli.errors import exit_code_of
from agent_queue.cli.moves import jobs_argument
from agent_queue.cli.options import chatter, emit, json_option
from agent_queue.core.errors import AqError
from agent_queue.flow.requests import named
from agent_queue.flow.to_tracker import Heard, Sent, preview, send
from agent_queue.wiring import opened
from agent_queue.wiring.trackers import desk

WORDS = {Heard.TOLD: "told", Heard.ALREADY: "was told already", Heard.NOTHING: "nothing to send yet"}


@click.command("to-tracker")
@jobs_argument
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing.")
@json_option
@click.pass_obj
def command(root: str | None, *, jobs: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Tell the items of these jobs how they stand: a comment with figures, then the status. Each outcome once."""
    app = opened(root, chatter)
    place = desk(app)
    sent: list[Sent] = []
    code = 0
    for name in jobs:
        try:
            job = named(app.queue, name)
            sent.append(preview(place, job) if dry_run else send(place, job))
        except AqError as error:
            failure = exit_code_of(error)
            code = code or failure
    emit(as_json, {"items": [one.to_json() for one in sent]}, (_line(one, dry_run) for one in sent))
    if code:
        raise SystemExit(code)


def _line(one: Sent, dry_run: bool) -> str:
    if one.heard is not Heard.TOLD:
        return f"{one.item}: {WORDS[one.heard]}"
    if not dry_run:
        return f"{one.item}: {WORDS[one.heard]} {one.status}"
    return f"{one.item}: would be set to {one.status}, with the comment\n\n{one.text}"
