"""aq completion"""

import click
from click.shell_completion import get_completion_class

PLACES = {
    "bash": "aq completion bash > ~/.local/share/bash-completion/completions/aq",
    "zsh": "aq completion zsh > ~/.zfunc/_aq, with ~/.zfunc in fpath before compinit",
    "fish": "aq completion fish > ~/.config/fish/completions/aq.fish",
}


@click.command(epilog="\b\n" + "\n".join(PLACES.values()))
@click.argument("shell", type=click.Choice(list(PLACES)))
@click.pass_context
def command(ctx: click.Context, *, shell: str) -> None:
    """Print the script by which a shell completes commands, options and jobs."""
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(ctx.find_root().command, {}, "aq", "_AQ_COMPLETE").source())
