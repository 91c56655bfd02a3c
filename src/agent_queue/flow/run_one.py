"""One stage's work on a job, from where it is found to the move that it leads to.

Re-entrant: everything it needs after a crash lies in the journal and in the run folder, so that a new supervisor takes
up a run at whatever step the last one left it.
"""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import assert_never

from agent_queue.core.errors import AqError
from agent_queue.core.history import Entry
from agent_queue.core.job import Stage
from agent_queue.core.lifecycle import Move, decide
from agent_queue.core.outcome import Broke, Done, Exit, Failure, Outcome, Refused, StopReason, of_stop
from agent_queue.core.recovery import Repair
from agent_queue.core.settings import engine_settings
from agent_queue.flow.choose_engine import Chosen, choose
from agent_queue.flow.tools import Deed, Run, Steps, Tools, Watch, hold, policy_of, run_folder
from agent_queue.flow.verify import verify
from agent_queue.ports import Assignment, Ending, Kept, Place, Reader, RunFolder, Start

BEAT_S = 5.0
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a run was started with, as `place.json` keeps it for whoever takes the run up again."""

    place: Place
    marker: str
    session: str
    engine: str


def work(run: Run, tools: Tools, repair: Repair | None = None) -> Steps[Move]:
    """Do the work of the stage that the job lies in; `repair` says how it was found, None for one just claimed."""
    outcome: Outcome
    match run.job.stage:
        case Stage.BUILDING:
            outcome = yield from build(run, tools, repair)
        case Stage.REVIEW:
            outcome = yield from verify(run, tools)
        case _:
            outcome = Done()
    return conclude(run, tools, outcome)


def conclude(run: Run, tools: Tools, outcome: Outcome) -> Move:
    """Write down how it ended, for people, and say where the job goes."""
    run.job = replace(run.job, past=tools.queue.past(run.id))  # the run's own notes are in it by now
    move = decide(run.job, outcome, policy_of(run.manifest, tools.settings), tools.clock.now(), tools.clock.roll())
    record = {"kind": type(outcome).__name__.lower(), "result": move.result, "reason": move.reason,
              "failure": move.failure, "to": move.target}  # fmt: skip
    if run.job.past.run:
        run_folder(tools, run.job).write("outcome.json", _json(record))
    return move


def build(run: Run, tools: Tools, repair: Repair | None) -> Steps[Outcome]:
    """The agent's work: prepare, start, watch, save, judge."""
    folder = run_folder(tools, run.job)
    match repair:
        case None:
            try:
                opened = yield from _start(run, tools, folder)
            except AqError as error:
                return Broke(kind=Failure.SETUP, reason=_with_hint(error))
            if not isinstance(opened, Opened):
                return opened
            yield from _watch(tools, folder, opened)
        case Repair.ADOPT:
            yield from _adopt(run, tools, folder)
        case Repair.GO_ON | Repair.ORPHAN | Repair.CHARGE | Repair.FINISH_MOVE:
            pass
        case _:
            assert_never(repair)
    return (yield from _end(run, tools, folder))


def _start(run: Run, tools: Tools, folder: RunFolder) -> Steps[Opened | Outcome]:
    """Make the workspace, write the run's files, start the agent. Gives what was opened, or why it was not."""
    chosen = choose(run.manifest, tools)
    if isinstance(chosen, Refused):
        return chosen
    lock, past = run.lock, run.job.past
    assert lock is not None
    if run.plan.repository is None:
        place = tools.workspaces.open(run.id, run.plan, past, lock, run.manifest)
    else:
        place = yield Deed(lambda: tools.workspaces.open(run.id, run.plan, past, lock, run.manifest))
    opened = Opened(place=place, marker=tools.clock.token(), session=tools.clock.token(), engine=chosen.name)
    folder.write("place.json", _json(asdict(opened)))
    folder.write("manifest.json", _json(run.manifest.to_json()))
    folder.write("prompt.md", run.body.encode(errors="surrogateescape"))
    stopped = tools.processes.stopped(folder.path)
    if stopped is not None:
        return of_stop(stopped, tools.clock.now())
    start, dropped = _command(run, tools, folder, chosen, opened)
    tools.processes.start(start, lock)
    tools.queue.note(run.id, _started(run, opened, tools.clock.now()), durable=False)
    if dropped:
        folder.write("dropped.json", _json(dropped))
    return opened


def _command(run: Run, tools: Tools, folder: RunFolder, chosen: Chosen, opened: Opened) -> tuple[Start, list[str]]:
    said, engine = engine_settings(tools.settings, chosen.name), chosen.engine
    assignment = _assignment(run, tools, folder, chosen.program, opened)
    command = engine.command(assignment, opened.place, tools.host)
    patterns = (*engine.environment, *tools.settings.env_pass)
    seen, dropped = tools.child_environment(tools.environment, patterns)
    marks = {"AQ_JOB_ID": run.id, "AQ_RUN": opened.marker}
    deadline_s, why = deadline(run)
    start = Start(
        folder=folder.path, log=folder.path_of("agent.log"), cwd=opened.place.cwd, argv=command.argv,
        env={**seen, **said.env, **command.env, **marks}, stdin=command.stdin, deadline_s=deadline_s, deadline_why=why,
        grace_s=tools.settings.run.stop_grace_s, stop=engine.stop,
    )  # fmt: skip
    return start, dropped


def _assignment(run: Run, tools: Tools, folder: RunFolder, program: str, opened: Opened) -> Assignment:
    said = engine_settings(tools.settings, opened.engine)
    return Assignment(
        job=run.id, run=run.job.past.run, program=program, manifest=run.manifest,
        model=run.manifest.model or said.model, args=(*said.args, *run.manifest.args), folder=folder.path,
        prompt_file=folder.path_of("prompt.md"), session=opened.session,
    )  # fmt: skip


def deadline(run: Run) -> tuple[float | None, StopReason]:
    """The earlier of timeout and budget.wall; wall names the result only when it is strictly the smaller."""
    timeout, wall = run.manifest.timeout, run.manifest.budget.wall_s
    if wall is not None and (timeout is None or wall < timeout):
        return wall, StopReason.WALL
    return timeout, StopReason.TIMEOUT


def _watch(tools: Tools, folder: RunFolder, opened: Opened) -> Steps[None]:
    """Wait for the end of the process, and look now and then whether it still lives up to its terms."""
    limit = tools.settings.run.stall_stop_s
    engine = tools.engine(opened.engine)
    beat = None if limit is None or engine is None or engine.silent else min(BEAT_S, limit / 4)
    while not (yield Watch(folder.path, beat)):
        written = folder.written_at("agent.log")
        if limit is not None and written is not None and tools.clock.now().timestamp() - written > limit:
            tools.processes.ask_stop(folder.path, StopReason.STALLED)
            beat = None


def _adopt(run: Run, tools: Tools, folder: RunFolder) -> Steps[None]:
    """Wait for an agent that another supervisor started, until its shim lets go of the job."""
    opened = _opened(folder)
    if opened is not None and tools.processes.exit(folder.path) is None:
        yield from _watch(tools, folder, opened)
    yield from hold(run, tools, folder.path)


def _end(run: Run, tools: Tools, folder: RunFolder) -> Steps[Outcome]:
    """The process is gone: sweep if its shim died, save the work, read the output, judge."""
    opened, lock = _opened(folder), run.lock
    assert lock is not None
    stopped, exit_ = tools.processes.stopped(folder.path), tools.processes.exit(folder.path)
    if opened is None:
        died = Broke(kind=Failure.MACHINE, reason="the supervisor died before the agent was started")
        return of_stop(stopped, tools.clock.now()) if stopped else died
    if exit_ is None:
        yield Deed(lambda: tools.processes.sweep(opened.marker))
    why = stopped.value if stopped else str(exit_) if exit_ else "its shim died"
    note = ""
    try:
        if opened.place.root is None:
            kept = tools.workspaces.keep(run.id, opened.place, why, lock)
        else:
            kept = yield Deed(lambda: tools.workspaces.keep(run.id, opened.place, why, lock))
    except AqError as error:
        kept, note = Kept(facts={}, changed=None), _with_hint(error)
    reader = yield from _read(tools, folder, opened)
    outcome = _judged(tools, stopped, exit_, reader, kept)
    if note and isinstance(outcome, Done):
        outcome = Broke(kind=Failure.SETUP, reason=f"its work could not be saved on its branch: {note}")
    tools.queue.note(run.id, _ended(tools.clock.now(), stopped, exit_, reader, kept), durable=False)
    return outcome


def _read(tools: Tools, folder: RunFolder, opened: Opened) -> Steps[Reader | None]:
    engine = tools.engine(opened.engine)
    if engine is None:
        return None
    reader = engine.reader()

    def feed(offset: int) -> int:
        while data := folder.log("agent.log", offset, CHUNK):
            for _ in reader.feed(data):
                pass
            offset += len(data)
        return offset

    first = folder.log("agent.log", 0, CHUNK)
    for _ in reader.feed(first):
        pass
    if len(first) == CHUNK:
        yield Deed(lambda: feed(CHUNK))
    return reader


def _judged(tools: Tools, stopped: StopReason | None, exit_: Exit | None, reader: Reader | None, kept: Kept) -> Outcome:
    if stopped is not None:
        return of_stop(stopped, tools.clock.now())
    if exit_ is None:
        return Broke(kind=Failure.MACHINE, reason="the agent's shim or the machine died under it")
    if reader is None:
        return Done() if exit_.clean else Broke(kind=Failure.CRASH, reason=str(exit_))
    return reader.ending(Ending(exit=exit_, changed=kept.changed, now=tools.clock.local()))


def _opened(folder: RunFolder) -> Opened | None:
    data = folder.read("place.json")
    if data is None:
        return None
    value = json.loads(data)
    return Opened(**{**value, "place": Place(**value["place"])})


def _started(run: Run, opened: Opened, now: datetime) -> Entry:
    place = opened.place
    branch = {"wip_branch": place.branch, "wip_base": place.base} if place.branch else {}
    return {
        "event": "started", "run": run.job.past.run, "engine": opened.engine, "started_at": now.timestamp(),
        "fresh": False, **branch,
    }  # fmt: skip


def _ended(now: datetime, stopped: StopReason | None, exit_: Exit | None, reader: Reader | None, kept: Kept) -> Entry:
    entry: Entry = {"event": "ended", "ended_at": now.timestamp(), **kept.facts, **(reader.facts() if reader else {})}
    if exit_ is not None:
        entry |= {"exit": exit_.code if exit_.signal is None else -exit_.signal, "duration_s": exit_.duration_s,
                  "stragglers": exit_.stragglers}  # fmt: skip
    if stopped is not None:
        entry["stop"] = stopped.value
    return entry


def _with_hint(error: AqError) -> str:
    return f"{error} ({error.hint})" if error.hint else str(error)


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode(errors="surrogateescape") + b"\n"
