"""The texts that a word of the command line names: a file, the job files of a folder, or standard input as `-`."""

import os
import sys
from collections.abc import Iterator

from agent_queue.core.errors import UsageError


def inputs(path: str) -> Iterator[tuple[str, bytes]]:
    """Each with what it is called, in the order of names; nothing for a folder without one.

    Raises:
        UsageError: one cannot be read.
    """
    if os.path.isdir(path):
        names = sorted(item for item in os.listdir(path) if item.endswith(".md") and not item.startswith("."))
        for item in (os.path.join(path, name) for name in names):
            if not os.path.isdir(item):
                yield from inputs(item)
        return
    if path == "-" and sys.stdin.closed:
        raise UsageError("standard input can be read once only")
    try:
        with sys.stdin.buffer if path == "-" else open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    yield path, data
