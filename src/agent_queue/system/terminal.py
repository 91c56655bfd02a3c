"""Handing the terminal to another program for a while."""

import subprocess
from collections.abc import Sequence

from agent_queue.core.errors import UnavailableError


def hand_over(argv: Sequence[str], cwd: str) -> int:
    """Run a program on our own terminal until it ends; its exit code, a signal as its negative number.

    Ctrl-C is the program's to answer: it gets it as we do.

    Raises:
        UnavailableError: it cannot be started.
    """
    try:
        process = subprocess.Popen(argv, cwd=cwd)
    except OSError as error:
        raise UnavailableError(f"{argv[0]} cannot be started in {cwd}: {error.strerror}") from None
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue
