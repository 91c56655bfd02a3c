"""The setup of a new worktree: the configured commands, supervised like the agent that starts there after them."""

import json

from agent_queue.core.outcome import Broke, Failure, Outcome, StopReason, of_stop
from agent_queue.core.run import guarded
from agent_queue.flow.opened import Opened
from agent_queue.flow.tools import Deed, Run, Steps, Tools, Watch
from agent_queue.flow.verify import SCRIPT
from agent_queue.ports import RunFolder, Start

RECORD, COMMANDS, LOG = "setup", "setup/commands.json", "setup.log"


def setup(run: Run, tools: Tools, folder: RunFolder, opened: Opened) -> Steps[Outcome | None]:
    """Run the commands that this worktree still needs; None when all went well, or there are none."""
    place, lock = opened.place, run.lock
    assert lock is not None
    if not place.setup or place.root is None:
        return None
    path, terms = folder.path_of(RECORD), tools.settings.workspace
    seen, _ = tools.child_environment(tools.environment, tools.settings.env_pass)
    folder.write(COMMANDS, json.dumps(place.setup).encode())
    start = Start(
        folder=path, log=folder.path_of(LOG), cwd=place.root, argv=("/bin/sh", "-c", SCRIPT, "setup", *place.setup),
        env=guarded({**seen, "AQ_JOB_ID": run.id, "AQ_RUN": opened.marker}, place.env),
        deadline_s=terms.setup_timeout_s, grace_s=tools.settings.run.stop_grace_s,
    )  # fmt: skip
    tools.processes.start(start, lock)
    while not (yield Watch(path)):
        pass
    exit_ = tools.processes.exit(path)
    if exit_ is None:
        yield Deed(lambda: tools.processes.sweep(opened.marker))
    stopped, see = tools.processes.stopped(folder.path), f"see `aq logs --setup {run.id}`"
    if stopped is not None:
        return of_stop(stopped, tools.clock.now())
    if tools.processes.stopped(path) is not None:
        return Broke(kind=Failure.SETUP, reason=f"setup ran past workspace.setup_timeout; {see}")
    if exit_ is None:
        return Broke(kind=Failure.MACHINE, reason="the machine or the shim died under its setup")
    if not exit_.clean:
        return Broke(kind=Failure.SETUP, reason=f"setup ended with {exit_}; {see}")
    yield Deed(lambda: tools.workspaces.ready(place, lock))
    return None


def cut_off(tools: Tools, folder: RunFolder) -> bool:
    """True when the run never came past its setup: there is no agent's work to save."""
    exit_ = tools.processes.exit(folder.path_of(RECORD))
    return folder.read(COMMANDS) is not None and (exit_ is None or not exit_.clean)


def ask_stop(tools: Tools, folder: RunFolder, why: StopReason) -> None:
    """Have the agent of a run stopped, or the setup that comes before it."""
    tools.processes.ask_stop(folder.path, why)
    path = folder.path_of(RECORD)
    if folder.read(COMMANDS) is not None and tools.processes.exit(path) is None:
        tools.processes.ask_stop(path, why)
