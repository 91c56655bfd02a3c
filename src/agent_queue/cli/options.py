"""Options and output that several commands share."""

import json
import sys
from collections.abc import Iterable
from typing import Any

import click

SCHEMA_VERSION = 1
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def emit(as_json: bool, value: dict[str, Any], lines: Iterable[str]) -> None:
    """Print a result: as one JSON object, or as lines for people."""
    if as_json:
        click.echo(json.dumps({"schema_version": SCHEMA_VERSION, **value}, ensure_ascii=False))
        return
    for line in lines:
        click.echo(line)


def chatter(text: str) -> None:
    """Something to know while it works: never data, so it goes to stderr."""
    click.echo(text, err=True)


def on_terminal() -> bool:
    return sys.stdout.isatty()
