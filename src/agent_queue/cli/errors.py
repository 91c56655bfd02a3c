"""Errors as words and an exit code. No traceback ever reaches a user."""

import os
import sys
from contextlib import suppress

import click

from agent_queue.core.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, AqError


def exit_code_of(error: BaseException) -> int:
    """Say what went wrong on stderr, and with which code to end."""
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else EXIT_OK
        case click.exceptions.Exit():
            return error.exit_code
        case click.Abort() | KeyboardInterrupt():
            return EXIT_INTERRUPTED
        case click.UsageError():
            error.show(sys.stderr)
            return EXIT_USAGE
        case click.ClickException():
            error.show(sys.stderr)
            return EXIT_FAILED
        case AqError():
            say(str(error), error.hint)
            return error.exit_code
        case BrokenPipeError():
            return EXIT_OK
        case FileNotFoundError(filename=None):
            say("the current folder is not there any more", "change to one that is")
            return EXIT_FAILED
        case PermissionError() | FileNotFoundError() | NotADirectoryError():
            say(f"{error.filename or 'a file'}: {error.strerror}", "check that it is there and who owns it")
            return EXIT_FAILED
        case OSError():
            say(f"{error.filename or 'the system'}: {error.strerror or error}", "")
            return EXIT_FAILED
        case _:
            return _unexpected(error)


def say(text: str, hint: str = "") -> None:
    """An error, and what to do next."""
    with suppress(OSError):
        click.echo(f"aq: {text}", err=True)
        if hint:
            click.echo(f"    {hint}", err=True)


def _unexpected(error: BaseException) -> int:
    """A defect of ours: keep the traceback in a file, and ask for a report of it."""
    import tempfile
    import traceback

    try:
        number, path = tempfile.mkstemp(prefix="aq-error-", suffix=".txt")
        with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
            traceback.print_exception(error, file=file)
        details = f"the details are in {path}; please report them"
    except OSError as why:
        details = f"its details could not be kept, please report it: {error} ({why})"
    say(f"unexpected {type(error).__name__}; this is a defect of aq", details)
    return EXIT_FAILED
