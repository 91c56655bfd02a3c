"""The command line. Each command lives in a file of its own and is imported when it is called."""

import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Any, NoReturn

import click

from agent_queue import __version__
from agent_queue.cli.errors import exit_code_of
from agent_queue.core.errors import EXIT_OK

SECTIONS = {
    "Begin": {
        "init": "make a queue",
        "demo": "see it work, in a temporary folder",
        "doctor": "what this machine has, what it lacks, and how to mend it",
        "import": "copy a queue of the original tool into this one",
    },
    "Jobs in": {
        "add": "put job files into the inbox",
        "lint": "check job files",
        "schema": "the frontmatter as JSON Schema",
        "profiles": "the profiles that jobs can name",
    },
    "The supervisor": {
        "run": "run the queue",
        "stop": "end the supervisor",
        "pause": "let an engine, or all, start no more jobs",
        "resume": "undo pause",
        "service": "run it with your systemd",
        "recover": "finish what a crash left, without running anything",
    },
    "Look": {
        "status": "what needs you, what runs, what waits and why",
        "watch": "status, redrawn as it changes",
        "dash": "the queue as a panel in the terminal",
        "show": "all about one job",
        "logs": "what a job's agent said and did",
        "diff": "what a job changed",
        "graph": "which waiting jobs wait for which others",
        "insights": "what jobs took, and how often they ended well",
        "read-log": "what any agent program's output says: how it ended, what it used",
    },
    "Decide": {
        "promote": "review -> testing",
        "ship": "testing -> shipped",
        "reject": "review or testing -> failed",
        "requeue": "failed, review or testing -> inbox",
        "cancel": "stop a job, wherever it is",
        "continue": "go on with a job's conversation yourself",
        "merge": "bring a job's branch into its base",
        "push": "push a job's branch, and open a pull request",
        "clean": "archive what finished jobs left behind",
    },
    "Tracker": {
        "from-tracker": "make jobs of tracker items",
        "to-tracker": "tell tracker items how their jobs went",
        "tracker": "try the configured tracker",
    },
    "Help": {
        "completion": "shell completion",
        "help": "help on a command",
    },
}
COMMANDS = {name: what for section in SECTIONS.values() for name, what in section.items()}


class Commands(click.Group):
    """Commands by name, imported one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"agent_queue.cli.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        widest = max(map(len, COMMANDS))
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(widest), what) for name, what in section.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would end with 1, but whoever reads has had enough, as `head` has
            raise click.exceptions.Exit(EXIT_OK) from None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS, n=1)
            ctx.fail(f"no command is called '{name}'" + (f" (did you mean '{near[0]}'?)" if near else ""))
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="aq")
@click.option(
    "--root",
    metavar="FOLDER",
    type=click.Path(file_okay=False),
    help="The queue's folder; else AGENT_QUEUE_ROOT, else your data folder.",
)
@click.pass_context
def cli(ctx: click.Context, root: str | None) -> None:
    """A queue that runs AI coding agents unattended, and loses nothing.

    A job is a markdown file; its stage is the folder it lies in.
    """
    ctx.obj = root
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> NoReturn:
    """Run `aq`: the one place where errors become words and an exit code."""
    _have_streams()
    try:
        code = cli.main(prog_name="aq", standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 - the door: whatever it is, a person gets words and a code
        code = exit_code_of(error)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (BrokenPipeError, ValueError):
        pass  # nobody reads it any more; os._exit drops what is left
    except OSError as error:
        code = exit_code_of(error)
    # Not sys.exit: to take thousands of objects apart just before the end takes 8 ms, a tenth of a short command.
    os._exit(code if isinstance(code, int) else 0)


def _have_streams() -> None:
    """Have all three standard streams: of one that was closed, a file of the queue would get the number."""
    while (number := os.open(os.devnull, os.O_RDWR)) < 3:
        os.set_inheritable(number, True)
    os.close(number)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r"))
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # a path may hold what no encoding has
