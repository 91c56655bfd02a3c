"""What a person should know about how a run's work was saved, written down beside the run."""

import json

from agent_queue.flow.opened import to_json
from agent_queue.flow.tools import Run, Tools, run_folder
from agent_queue.ports import Kept

SAVED = "saved.json"
"""Paths and refs of a run by what happened to them: left out, not saved, put back, changed by its verify."""


def record(run: Run, tools: Tools, kept: Kept) -> None:
    """Add the paths and refs to the run's record, and say what is out of the ordinary."""
    if kept.note:
        tools.tell(f"{run.id}: {kept.note}")
    if not kept.named:
        return
    folder = run_folder(tools, run.job)
    try:
        earlier = json.loads(folder.read(SAVED) or b"{}")
    except ValueError:
        earlier = {}  # torn by a power cut
    folder.write(SAVED, to_json({**earlier, **{what: list(names) for what, names in kept.named.items()}}))
