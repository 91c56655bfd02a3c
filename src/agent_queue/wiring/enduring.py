"""A supervisor that outlives a full disk: it says so, waits for room, and begins again."""

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING

from agent_queue.core.errors import StorageError

if TYPE_CHECKING:
    from agent_queue.flow.report import Report
    from agent_queue.wiring import App

LOOK_S = 1.0
FOR_EVER_S = float("inf")


def enduring(app: "App", supervise: Callable[[], "tuple[Report, bool]"]) -> "tuple[Report, bool]":
    """Supervise. When the disk is full, nothing starts until there is room; agents run on, and are adopted then.

    Raises:
        AqError: something else than a full disk ended it.
    """
    from agent_queue.system.again import again, has_room

    try:
        return supervise()
    except StorageError as error:
        if not error.full:
            raise
        problem = str(error)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        problem = f"{error.filename or app.layout.root}: {error.strerror}"
    app.tell(f"{problem}; nothing starts until there is room, what runs runs on")
    app.patience(lambda: has_room(app.layout.root), seconds=FOR_EVER_S, every_s=LOOK_S)
    app.tell("there is room again")
    return again()
