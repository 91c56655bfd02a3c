"""aq schema"""

import json

import click

from agent_queue.core.manifest import json_schema


@click.command()
def command() -> None:
    """The frontmatter of job files as JSON Schema, for editors and other programs."""
    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
