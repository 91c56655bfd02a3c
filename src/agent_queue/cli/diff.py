"""aq diff"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import click

from agent_queue.cli.options import emit, job_argument, json_option
from agent_queue.cli.screen import Screen, home, paged, plain
from agent_queue.core.job import Stage
from agent_queue.flow.requests import named
from agent_queue.flow.views_job import cwd, of_run
from agent_queue.wiring import opened

SHOWN = 8


@click.command()
@job_argument
@click.option("--patch", is_flag=True, help="Every changed line, instead of a summary.")
@click.option("--run", type=click.IntRange(1), metavar="N", help="What run N alone changed.")
@json_option
@click.pass_obj
def command(root: str | None, *, job: str, patch: bool, run: int | None, as_json: bool) -> None:
    """What a job changed against its base. Of a running job: its worktree as it is now.

    Into a file or a pipe, --patch is what `git apply` takes.
    """
    app = opened(root)
    found = app.queue.job(named(app.queue, job))
    assert found is not None
    screen = Screen.here()
    colour = screen.colour and not as_json
    told = asdict(app.workspaces.diff(
        found.id, of_run(found, app.queue.history(found.id), run), cwd(app.queue, found), colour=colour, patch=patch,
        live=found.stage is Stage.BUILDING and run in (None, found.past.run), columns=screen.width,
    ))  # fmt: skip
    told |= {"job": found.id, "branch": found.past.state.get("wip_branch")}
    data = told.pop("text")
    text = data.decode(errors="replace")
    if as_json:
        emit(True, told | ({"patch": text} if patch else {}), ())
    elif patch and not sys.stdout.isatty():
        sys.stdout.buffer.write(data)
    else:
        paged("\n".join([*_head(told, screen), plain(text, colours=True) or "no changes"]), screen)


def _head(told: Mapping[str, Any], screen: Screen) -> Iterator[str]:
    ends = f"{told['base'][:12]}..{told['tip'][:12] or 'the worktree as it is now'}"
    yield f"{screen.paint(told['branch'], 'bold')}  {screen.paint(ends, 'dim')}"
    if told["worktree"]:
        yield screen.paint(home(told["worktree"]), "dim")
    if told["untracked"]:
        more = len(told["untracked"]) - SHOWN
        names = ", ".join(map(plain, told["untracked"][:SHOWN])) + (f" and {more} more" if more > 0 else "")
        yield f"new, and not in git yet: {names}"
