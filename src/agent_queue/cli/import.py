"""aq import"""  # noqa: N999 - it is called what the command is called

import click

from agent_queue.cli.options import chatter, emit, json_option
from agent_queue.cli.render_import import import_lines, import_notes
from agent_queue.core.errors import EXIT_AGAIN
from agent_queue.wiring import App
from agent_queue.wiring.import_old import import_old


@click.command("import")
@click.argument("old", metavar="OLD", type=click.Path(file_okay=False))
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option(
    "--yolo", is_flag=True, help="Write `yolo: true` into files that do not say it: once that was the default."
)
@json_option
@click.pass_obj
def command(root: str | None, *, old: str, dry_run: bool, yolo: bool, as_json: bool) -> None:
    """Copy a queue folder of the original tool: jobs, their past, logs and profiles. Nothing in OLD is changed.

    A second time copies what came since. Refused while the old daemon, or an agent of it, lives.
    """
    found = import_old(App(root), old, dry_run=dry_run, yolo=yolo)
    emit(as_json, found, import_lines(found))
    for note in () if as_json else import_notes(found, yolo=yolo):
        chatter(note)
    if found["busy"]:
        raise SystemExit(EXIT_AGAIN)
