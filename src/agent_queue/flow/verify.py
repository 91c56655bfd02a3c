"""The verify of a job in review: the manifest's commands, supervised like the agent before them.

Each try has a record folder of its own, `verify/1`, `verify/2`, ...: one that a shutdown or a crash cut short says
nothing about the work, and is tried again.
"""

import json
from dataclasses import replace

from agent_queue.core.errors import AqError
from agent_queue.core.outcome import Broke, Done, Failure, Outcome, StopReason, of_stop
from agent_queue.core.recovery import Repair
from agent_queue.core.run import guarded
from agent_queue.flow.afterwards import collect
from agent_queue.flow.opened import opened_in
from agent_queue.flow.saved import record
from agent_queue.flow.tools import Abandoned, Deed, Run, Steps, Tools, Watch, hold, run_folder
from agent_queue.ports import Kept, Place, RunFolder, Start

COMMANDS = "commands.json"
CAP_S = 10.0
"""How often the size of its log is looked at."""
DIED = "the machine or the shim died under its verify"
# One shell per command, so that a syntax error in one cannot swallow the next; the log names each before it runs.
SCRIPT = 'for command in "$@"; do printf \'+ %s\\n\' "$command"; /bin/sh -c "$command" || exit $?; done'


def verify(run: Run, tools: Tools, repair: Repair | None = None) -> Steps[Outcome]:
    """Run the verify commands, or go on with a try of them that is found under way or ended."""
    folder = run_folder(tools, run.job)
    yield from hold(run, tools, current(folder))
    if not run.manifest.verify:
        return Done()
    opened = opened_in(folder)
    if opened is None:
        return Broke(kind=Failure.MACHINE, reason="the record of its workspace is gone")
    path, ours = current(folder), False
    if not path and repair is Repair.ORPHAN and not _charged(run, tools):  # a power cut may have taken its record
        return Broke(kind=Failure.MACHINE, reason=DIED)
    while True:
        if path and tools.processes.exit(path) is None:
            yield Deed(lambda: tools.processes.sweep(opened.marker))
            if tools.processes.stopped(path) is None and not _charged(run, tools):
                return Broke(kind=Failure.MACHINE, reason=DIED)
        if path and not cut_short(tools, path, ours=ours):
            if tools.processes.stopped(path) is not StopReason.SHUTDOWN:
                yield from _look_back(run, tools, opened.place)
            return _judged(run, tools, path)
        try:
            path, ours = _start(run, tools, opened.place, opened.marker), True
        except OSError as error:
            return Broke(kind=Failure.SETUP, reason=f"its verify cannot be started: {error}")
        yield from _watch(path, tools, folder)
        yield from collect(run, tools, folder, opened.place)


def _watch(path: str, tools: Tools, folder: RunFolder) -> Steps[None]:
    """Wait for its end, and keep its log within bounds meanwhile."""
    most = tools.settings.limits.log
    while not (yield Watch(path, CAP_S)):
        if most is not None:
            tools.cap_log(folder.path_of("verify.log"), most)


def _look_back(run: Run, tools: Tools, place: Place) -> Steps[None]:
    """Save what the verify changed beside the branch: what it saw stays what is on the branch."""
    lock, commit = run.lock, str(run.job.past.state.get("wip_commit") or "")
    assert lock is not None
    if place.branch is None:
        return
    try:
        kept: Kept = yield Deed(lambda: tools.workspaces.after_verify(run.id, place, commit, lock))
    except (AqError, OSError) as error:
        tools.tell(f"{run.id}: what its verify changed could not be saved: {error}")
        return
    record(run, tools, kept)
    if kept.facts:
        tools.queue.note(run.id, {"event": "verify_kept", **kept.facts}, durable=False)


def current(folder: RunFolder) -> str:
    """The record folder of the latest try, '' before the first."""
    number = _tries(folder)
    return folder.path_of(f"verify/{number}") if number else ""


def _tries(folder: RunFolder) -> int:
    number = 0
    while folder.read(f"verify/{number + 1}/{COMMANDS}") is not None:
        number += 1
    return number


def cut_short(tools: Tools, path: str, *, ours: bool = False) -> bool:
    """True when a try says nothing about the work. `ours`: we watched it, and so a shutdown is our own."""
    stopped = tools.processes.stopped(path)
    if stopped is None:
        return tools.processes.exit(path) is None
    return not ours and stopped in (StopReason.SHUTDOWN, StopReason.TERMINATED)


def _charged(run: Run, tools: Tools) -> bool:
    """Count one more recovery; False when there were too many: a verify that kills the machine must end."""
    recoveries = run.job.past.recoveries
    if recoveries >= tools.settings.run.max_recoveries:
        return False
    tools.queue.note(run.id, {"event": "recovered", "recoveries": recoveries + 1})
    run.job = replace(run.job, past=replace(run.job.past, recoveries=recoveries + 1))
    return True


def _start(run: Run, tools: Tools, place: Place, marker: str) -> str:
    assert run.lock is not None
    folder = run_folder(tools, run.job)
    name = f"verify/{_tries(folder) + 1}"
    seen, _ = tools.child_environment(tools.environment, tools.settings.env_pass)
    folder.write(f"{name}/{COMMANDS}", json.dumps(run.manifest.verify).encode())
    start = Start(
        folder=folder.path_of(name), log=folder.path_of("verify.log"), cwd=place.cwd,
        argv=("/bin/sh", "-c", SCRIPT, "verify", *run.manifest.verify),
        env=guarded({**seen, "AQ_JOB_ID": run.id, "AQ_RUN": marker}, place.env), deadline_s=run.manifest.verify_timeout,
        grace_s=tools.settings.run.stop_grace_s,
    )  # fmt: skip
    tools.processes.start(start, run.lock)
    return folder.path_of(name)


def _judged(run: Run, tools: Tools, path: str) -> Outcome:
    stopped, exit_ = tools.processes.stopped(path), tools.processes.exit(path)
    if stopped is StopReason.SHUTDOWN:
        raise Abandoned  # the agent's work stands: the next supervisor verifies it
    if exit_ is not None and exit_.code is not None:
        tools.queue.note(run.id, {"event": "verified", "verify_exit": exit_.code}, durable=False)
    if stopped is not None:
        return of_stop(stopped, tools.clock.now())
    if exit_ is None:  # its record was there a moment ago, and cannot be read now
        return Broke(kind=Failure.MACHINE, reason=DIED)
    if exit_.clean:
        return Done()
    return Broke(kind=Failure.VERIFY_FAILED, reason=f"verify ended with {exit_}; see `aq logs --verify {run.id}`")
