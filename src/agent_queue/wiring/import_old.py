"""Importing a queue of the original tool into ours."""

import os
from typing import Any

from agent_queue.core.errors import BusyError, UsageError
from agent_queue.queues.import_old import carry_out
from agent_queue.queues.import_plan import pending, plan, taken
from agent_queue.queues.import_profiles import new_profiles
from agent_queue.queues.import_report import report
from agent_queue.queues.old_queue import OldQueue
from agent_queue.wiring import App


def import_old(app: App, path: str, *, dry_run: bool, yolo: bool) -> dict[str, Any]:
    """Copy it, and say what was done; or, as a dry run, what would be, with `busy` why it would not.

    Raises:
        UsageError: there is no such queue, or one lies in the other. BusyError: it is in use.
    """
    old = OldQueue(path)
    _apart(app.layout.root, old.root)
    busy = ""
    try:
        old.refuse_alive()
    except BusyError as error:
        if not dry_run:
            raise
        busy = str(error)
    said = {"from": old.root, "root": app.layout.root, "dry_run": dry_run, "busy": busy}
    if dry_run:
        planned = plan(old, taken(app.layout), app.settings.defaults, yolo=yolo)
        return said | report(old, planned, pending(planned), new_profiles(old, app.layout))
    app.initialise()
    with app.intake():
        planned = plan(old, taken(app.layout), app.settings.defaults, yolo=yolo)
        profiles = new_profiles(old, app.layout)
        app.disk.create([(f"{app.layout.root}/profiles/{each.file}", each.data) for each in profiles])
        made = carry_out(planned, app.layout, app.disk, app.tools.clock.now())
    return said | report(old, planned, made, profiles)


def _apart(new: str, old: str) -> None:
    """See that neither of two queues lies in the other.

    Raises:
        UsageError: one does.
    """
    one = os.path.realpath(new)
    if os.path.commonpath((one, old)) in (one, old):
        raise UsageError(f"{new} and {old} lie in each other", hint="name another place for the new queue with --root")
