"""aq clean"""

import click

from agent_queue.cli.options import emit, json_option
from agent_queue.flow.clean import clean
from agent_queue.wiring import opened


@click.command()
@click.option("--keep", type=click.IntRange(0), default=50, show_default=True, help="Leave the latest ones alone.")
@click.option("--branches", is_flag=True, help="Delete the branches of shipped jobs that HEAD holds already.")
@json_option
@click.pass_obj
def command(root: str | None, *, keep: int, branches: bool, as_json: bool) -> None:
    """Put away the runs and worktrees of finished jobs. Job files and journals stay; unsaved work is never removed."""
    app = opened(root)
    cleaned = clean(app.tools, keep=keep, branches=branches)
    lines = [f"archived {len(cleaned.archived)} of the finished jobs"]
    lines += [f"deleted merged branch {branch}" for branch in cleaned.branches]
    lines += [f"left: {reason}" for reason in cleaned.left]
    value = {"archived": cleaned.archived, "branches": cleaned.branches, "left": cleaned.left}
    emit(as_json, value, lines)
