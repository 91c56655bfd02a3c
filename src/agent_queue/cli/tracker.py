"""aq tracker"""

import click

from agent_queue.cli.options import emit, json_option
from agent_queue.core.item import shown
from agent_queue.wiring import opened
from agent_queue.wiring.trackers import tracker


@click.group()
def command() -> None:
    """The configured tracker."""


@command.command()
@click.argument("item", required=False)
@json_option
@click.pass_obj
def check(root: str | None, *, item: str | None, as_json: bool) -> None:
    """Try the configured tracker, read only, and say what is wrong. With ITEM, read that one too."""
    app = opened(root)
    found = tracker(app)
    lines = [f"{found.name}: {line}" for line in found.check()]
    if item:
        one = found.get(item)
        labels = ", ".join(map(shown, one.labels)) or "none"
        status = shown(one.status) if one.status else "none"
        lines.append(f"{one.id}: {shown(' '.join(one.title.split()))}, status {status}, labels: {labels}")
    emit(as_json, {"kind": found.name, "found": lines}, lines)
