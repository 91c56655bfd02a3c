"""docs/reference/commands.md: every command of `aq`, from click."""

import click

from agent_queue.cli import COMMANDS, cli
from agent_queue.core import errors
from pages.source import same, table

EXIT_CODES = {
    "EXIT_OK": "it worked",
    "EXIT_FAILED": "it failed or was refused; `run --once`: a job it handled ended in `failed`",
    "EXIT_USAGE": "wrong use, or a name that could be several jobs",
    "EXIT_MANIFEST": "a job file that cannot become a job",
    "EXIT_UNAVAILABLE": "a program or service that is needed cannot be reached",
    "EXIT_AGAIN": "try again later: another supervisor, a busy job, something held",
    "EXIT_SETTINGS": "configuration that cannot be used",
    "EXIT_INTERRUPTED": "interrupted",
}


def page() -> str:
    codes = [name for name in vars(errors) if name.startswith("EXIT_")]
    same("exit codes", EXIT_CODES, codes)
    context = click.Context(cli, info_name="aq")
    commands = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    same("commands", COMMANDS, commands)
    index = [(f"[`{name}`](#aq-{name})", meaning) for name, meaning in COMMANDS.items()]
    parts = [section(context, name, command) for name, command in commands.items() if command is not None]
    text = f"""# Commands

`aq [--root FOLDER] COMMAND ...`; every command takes `--help`. Data goes to stdout, chatter to stderr. `--json` prints
one object with a `schema_version`. A JOB may be any part of an id that only one job has.

{options(cli, context)}
{table(("command", "what it does"), index)}
## Exit codes

{table(("code", "meaning"), ((str(getattr(errors, name)), EXIT_CODES[name]) for name in codes))}
{"".join(parts)}"""
    return text.rstrip() + "\n"


def section(above: click.Context, name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name, parent=above)
    usage = " ".join(["aq", name, *command.collect_usage_pieces(context)])
    text = "\n".join(line.strip() for line in (command.help or "").strip().splitlines())
    return f"## aq {name}\n\n```\n{usage}\n```\n\n{text}\n\n{options(command, context)}\n"


def options(command: click.Command, context: click.Context) -> str:
    """The options as a table; '' when there are none but --help."""
    rows = [
        record
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option) and not {"--help", "--version"} & {*parameter.opts}
        if (record := parameter.get_help_record(context)) is not None
    ]
    return table(("option", "meaning"), ((f"`{names}`", text) for names, text in rows)) if rows else ""
