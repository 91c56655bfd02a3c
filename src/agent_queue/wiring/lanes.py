"""The lanes of a queue for doors: which are closed and until when, and how a person opens one."""

import os
from typing import TYPE_CHECKING

from agent_queue.wiring import budgets
from agent_queue.wiring.adapters import ALL, Adapters

if TYPE_CHECKING:
    from agent_queue.core.lanes import Closed

PARKED = ".json"


def pause(app: Adapters, engine: str | None, *, paused: bool) -> None:
    """Let an engine, or all of them, start no more jobs; or undo that, and open a lane that aq itself parked."""
    path = app.layout.lane(engine or ALL)
    if paused:
        app.disk.put(path, b"")
        return
    if engine and _in_use(app):
        app.lanes.reopen(engine)
    budgets.resume(app, engine)
    app.disk.remove(path)
    app.disk.sync_folder(os.path.dirname(path))


def parked(app: Adapters) -> "dict[str, Closed]":
    """The engines that aq itself starts no jobs of just now, `*` for all. Costs nothing where none was in trouble."""
    found = app.lanes.closed() if _in_use(app) else {}
    spent = budgets.shown(app)
    if spent is None:
        return found
    from agent_queue.core.lanes import Closed

    return {**found, **{name: Closed(reason, spent[1]) for name, reason in spent[0].engines.items()}}


def strained(app: Adapters) -> str | None:
    """Why this machine takes no further job now; without settings of one's own it needs none of their imports."""
    from agent_queue.core.limits import NO_LIMITS, strain
    from agent_queue.system.vitals import machine

    limits = app.settings.limits if _mentions(app, b"limits") else NO_LIMITS
    return strain(limits, machine(app.layout.root))


def _in_use(app: Adapters) -> bool:
    """Whether there is anything to know: settings take time to import, and `aq status` is called often."""
    if any(name.endswith(PARKED) for name in os.listdir(f"{app.layout.root}/lanes")):
        return True
    return _mentions(app, b"lanes")


def _mentions(app: Adapters, table: bytes) -> bool:
    """Whether a line begins with the table's name, `[limits]` or `limits.load = 2`; a comment says nothing."""
    try:
        with open(app.layout.settings, "rb") as file:
            return any(line.lstrip(b" \t[\"'").startswith(table) for line in file)
    except OSError:
        return False
