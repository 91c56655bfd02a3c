"""The day's money for doors: what is shut, how a person lets it go on, and who keeps count."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_queue.core.allowance import Shut
    from agent_queue.flow.allowance import Allowance
    from agent_queue.queues.allowance import AllowanceFolder
    from agent_queue.wiring.adapters import Adapters


def shown(app: "Adapters") -> "tuple[Shut, float] | None":
    """What is shut for today, and until when, epoch seconds; None, at no cost, where nothing is."""
    if not os.path.exists(f"{app.layout.own}/budgets.json"):
        return None
    from agent_queue.queues.allowance import AllowanceFolder
    from agent_queue.system.files import Disk

    return AllowanceFolder(app.layout, Disk(app.layout.scratch, durable=False)).shown()  # reading needs no settings


def resume(app: "Adapters", engine: str | None) -> None:
    """Let an engine, or all, go on past the day's budget."""
    if os.path.exists(f"{app.layout.own}/budgets.json"):
        _files(app).resume(engine)


def allowance(app: "Adapters") -> "Allowance":
    """Keeps count for a supervisor."""
    from agent_queue.flow.allowance import Allowance
    from agent_queue.queues.ledger import Ledger
    from agent_queue.system.clock import MachineClock

    files = _files(app)
    return Allowance(app.settings.budgets, MachineClock(), Ledger(app.layout).costs, files.resumed, files.show)


def _files(app: "Adapters") -> "AllowanceFolder":
    from agent_queue.queues.allowance import AllowanceFolder

    return AllowanceFolder(app.layout, app.disk)
