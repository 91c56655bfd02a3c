"""Options and output that several commands share."""

import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from agent_queue.ports import Engine
    from agent_queue.wiring import App

SCHEMA_VERSION = 1
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def job_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's
    """Ids for the shell to complete: those that hold what was typed, the ones that begin so first."""
    from agent_queue.core.errors import AqError
    from agent_queue.wiring import opened

    try:
        found = opened(ctx.find_root().params.get("root")).glance.names()
    except (AqError, OSError):
        return []
    return sorted((job for job in found if incomplete in job), key=lambda job: not job.startswith(incomplete))


def command_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    from agent_queue.cli import COMMANDS

    return [name for name in COMMANDS if name.startswith(incomplete)]


def engine_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    from agent_queue.wiring import ENGINES

    return [name for name in ENGINES if name.startswith(incomplete)]


job_argument = click.argument("job", shell_complete=job_ids)


def engine_named(app: "App", name: str) -> "Engine":
    """The adapter of this name.

    Raises:
        UsageError: there is none.
    """
    from difflib import get_close_matches

    from agent_queue.core.errors import UsageError
    from agent_queue.wiring import ENGINES

    found = app.engine(name)
    if found is None:
        near = get_close_matches(name, ENGINES, n=1)
        meant = f" (did you mean '{near[0]}'?)" if near else ""
        hint = f"known are {', '.join(ENGINES)}, and module:Class"
        raise UsageError(f"no engine is called '{name}'{meant}", hint=hint)
    return found


def emit(as_json: bool, value: dict[str, Any], lines: Iterable[str]) -> None:
    """Print a result: as one JSON object, or as lines for people."""
    if as_json:
        text = json.dumps({"schema_version": SCHEMA_VERSION, **value}, ensure_ascii=False)
        # A byte of a path that is no UTF-8 is half a character here, and written as JSON writes those.
        click.echo(text.encode(errors="backslashreplace"))
        return
    for line in lines:
        click.echo(line)


def chatter(text: str) -> None:
    """Something to know while it works: never data, so it goes to stderr. A reader who left ends no work."""
    with suppress(OSError):
        click.echo(text, err=True)


def on_terminal() -> bool:
    return sys.stdout.isatty()
