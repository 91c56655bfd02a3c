"""aq help"""

import click

from agent_queue.cli.options import command_names


@click.command()
@click.argument("name", required=False, metavar="[COMMAND]", shell_complete=command_names)
@click.pass_context
def command(ctx: click.Context, *, name: str | None) -> None:
    """Help on a command, or the list of all commands."""
    above = ctx.parent
    assert above is not None
    assert isinstance(above.command, click.Group)
    if name is None:
        click.echo(above.get_help())
        return
    found = above.command.resolve_command(above, [name])[1]
    assert found is not None
    with click.Context(found, info_name=name, parent=above) as inner:
        click.echo(found.get_help(inner))
