"""aq profiles"""

from typing import Any

import click

from agent_queue.cli.options import emit, json_option
from agent_queue.cli.screen import Screen, home, plain
from agent_queue.core.errors import UsageError
from agent_queue.core.profile import Found
from agent_queue.wiring import opened


def profile_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    from agent_queue.wiring import App

    names = App(ctx.find_root().params.get("root")).profiles.names()
    return [name for name in names if name.startswith(incomplete)]


@click.command()
@click.argument("name", required=False, shell_complete=profile_names)
@json_option
@click.pass_obj
def command(root: str | None, *, name: str | None, as_json: bool) -> None:
    """The profiles that jobs can name; with NAME, that one as its file has it.

    Looked for in the queue's profiles/, then in the folders of AGENT_QUEUE_PROFILES, then among the shipped ones.
    """
    found, screen = opened(root).profiles.all(), Screen.here()
    if name is None:
        rows = [_row(one) for one in found]
        emit(as_json, {"profiles": rows}, (line for row in rows for line in _lines(row, screen)))
        return
    one = next((one for one in found if one.name == name), None)
    if one is None:
        raise UsageError(f"no profile is called {name}", hint="`aq profiles` lists them")
    row = {**_row(one), "persona": one.profile.persona if one.profile else ""}
    keys = [f"{key}: {', '.join(value) if isinstance(value, list) else value}" for key, value in row["keys"].items()]
    emit(as_json, row, [home(one.path), *keys, "", plain(row["persona"]).strip()])


def _row(one: Found) -> dict[str, Any]:
    said = one.profile.defaults.to_json() if one.profile else {}
    return {
        "name": one.name, "path": one.path, "problem": one.problem,
        "summary": one.profile.summary if one.profile else "",
        "keys": {key: value["value"] for key, value in said.items()},
    }  # fmt: skip


def _lines(row: dict[str, Any], screen: Screen) -> list[str]:
    name = screen.paint(f"{row['name']:<20}", "bold")
    if row["problem"]:
        return [f"{name} {screen.paint(line, 'red')}" for line in row["problem"].splitlines()]
    return [f"{name} {screen.cut(plain(row['summary']), screen.width - 21)}"]
