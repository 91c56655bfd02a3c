"""One stage's work on a job, from where it is found to the move that it leads to.

Re-entrant: everything it needs after a crash lies in the journal and in the run folder, so that a new supervisor takes
up a run at whatever step the last one left it.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from agent_queue.core.errors import AqError, BusyError, RecordError, StorageError
from agent_queue.core.history import Entry
from agent_queue.core.job import Stage
from agent_queue.core.lifecycle import Move, decide
from agent_queue.core.outcome import Broke, Done, Exit, Failure, Held, Outcome, StopReason, of_stop
from agent_queue.core.recovery import Repair
from agent_queue.flow.afterwards import in_scope, look_over
from agent_queue.flow.beats import Beats, beat, beats
from agent_queue.flow.before import REFUSED
from agent_queue.flow.final_report import marked, report
from agent_queue.flow.lane_of_run import with_its_lane
from agent_queue.flow.launch import launch, with_hint
from agent_queue.flow.meter import Meter
from agent_queue.flow.opened import Opened, opened_in, to_json
from agent_queue.flow.saved import record
from agent_queue.flow.secrets import without_secrets
from agent_queue.flow.setup import cut_off
from agent_queue.flow.tools import Deed, Run, Steps, Tools, Watch, hold, policy_of, run_folder
from agent_queue.flow.verify import verify
from agent_queue.flow.vigil import Vigil
from agent_queue.ports import Ending, Kept, RunFolder

BUSY = timedelta(minutes=10)
"""How soon a workspace that a person keeps busy is tried again."""


def work(run: Run, tools: Tools, repair: Repair | None = None) -> Steps[Move]:
    """Do the work of the stage that the job lies in; `repair` says how it was found, None for one just claimed."""
    outcome: Outcome
    match run.job.stage:
        case Stage.BUILDING:
            outcome = yield from build(run, tools, repair)
        case Stage.REVIEW:
            outcome = yield from verify(run, tools, repair)
        case _:
            yield from hold(run, tools, "")
            outcome = Done()
    return conclude(run, tools, outcome)


def conclude(run: Run, tools: Tools, outcome: Outcome) -> Move:
    """Write down how it ended, for people, and say where the job goes."""
    run.job = replace(run.job, past=tools.queue.past(run.id))  # the run's own notes are in it by now
    outcome = marked(run, tools, without_secrets(outcome, tools.environment, tools.settings))
    outcome = with_its_lane(run, tools, outcome)
    move = decide(run.job, outcome, policy_of(run.manifest, tools.settings), tools.clock.now(), tools.clock.roll())
    record = {"kind": type(outcome).__name__.lower(), "result": move.result, "reason": move.reason,
              "failure": move.failure, "to": move.target}  # fmt: skip
    try:
        if run.job.past.run:
            run_folder(tools, run.job).write("outcome.json", to_json(record))
        report(run, tools, move)
    except RecordError as error:
        tools.tell(f"{run.id}: how it ended could not be written down: {error}")
    return move


def build(run: Run, tools: Tools, repair: Repair | None) -> Steps[Outcome]:
    """The agent's work: prepare, start, watch, save, judge."""
    folder, meter = run_folder(tools, run.job), None
    match repair:
        case None:
            try:
                opened = yield from launch(run, tools, folder)
            except RecordError as error:
                return Broke(kind=Failure.SETUP, reason=with_hint(error))
            except StorageError:
                raise  # the queue's own disk: no job is to blame
            except BusyError as error:
                return Held(reason=with_hint(error), lane="", until=tools.clock.now() + BUSY)
            except (AqError, OSError) as error:
                return Broke(kind=Failure.SETUP, reason=with_hint(error))
            if not isinstance(opened, Opened):
                return opened
            meter = Meter(run, tools, folder, opened, fresh=True)
            yield from _watch(run, tools, folder, opened, meter)
        case Repair.ADOPT:
            meter = yield from _adopt(run, tools, folder)
        case Repair.GO_ON | Repair.ORPHAN | Repair.CHARGE | Repair.FINISH_MOVE:
            pass
        case _:
            assert_never(repair)
    return (yield from _end(run, tools, folder, meter))


def _watch(run: Run, tools: Tools, folder: RunFolder, opened: Opened, meter: Meter) -> Steps[None]:
    """Wait for the end of the process; now and then save its work, and look whether it lives up to its terms."""
    vigil, saves = Vigil(run, tools, folder, opened), beats(run.id, opened.place, tools)
    while not (yield Watch(folder.path, _soonest(tools.clock.monotonic(), vigil, saves, meter))):
        yield from vigil.look()
        yield from meter.look()
        yield from beat(saves, tools)


def _soonest(now: float, vigil: Vigil, saves: Beats, meter: Meter) -> float:
    """When the next of these is due, in seconds from now."""
    return min(time for time in (vigil.wait_s(now), saves.wait_s(now), meter.wait_s(now)) if time is not None)


def _adopt(run: Run, tools: Tools, folder: RunFolder) -> Steps[Meter | None]:
    """Wait for an agent that another supervisor started, until its shim lets go of the job."""
    opened = opened_in(folder)
    meter = Meter(run, tools, folder, opened) if opened is not None else None
    if opened is not None and meter is not None and tools.processes.exit(folder.path) is None:
        yield from _watch(run, tools, folder, opened, meter)
    yield from hold(run, tools, folder.path)
    return meter


def _end(run: Run, tools: Tools, folder: RunFolder, meter: Meter | None) -> Steps[Outcome]:
    """The process is gone: sweep if its shim died, save the work, read the output, judge."""
    opened, lock = opened_in(folder), run.lock
    assert lock is not None
    stopped, exit_ = tools.processes.stopped(folder.path), tools.processes.exit(folder.path)
    if opened is not None and exit_ is None:
        yield Deed(lambda: tools.processes.sweep(opened.marker))
    if opened is None or cut_off(tools, folder):
        died = Broke(kind=Failure.MACHINE, reason="the supervisor died before the agent was started")
        return of_stop(stopped, tools.clock.now()) if stopped else died
    why = stopped.value if stopped else str(exit_) if exit_ else "its shim died"
    note = ""
    try:
        if opened.place.root is None:
            kept = tools.workspaces.keep(run.id, opened.place, why, lock)
        else:
            kept = yield Deed(lambda: tools.workspaces.keep(run.id, opened.place, why, lock))
    except (AqError, OSError) as error:
        note = f"its work could not be saved on its branch: {with_hint(error)}"
        kept = Kept(facts={"not_saved": 1}, changed=None, note=note, named={"not_saved": (note,)})
    record(run, tools, kept)
    meter = meter or Meter(run, tools, folder, opened)
    yield from meter.rest()
    kept, outside = yield from look_over(run, tools, folder, opened.place, kept)
    outcome = in_scope(run, _judged(tools, stopped, exit_, meter, kept), outside)
    if note and isinstance(outcome, Done):
        outcome = Broke(kind=Failure.SETUP, reason=note)
    tools.queue.note(run.id, _ended(tools.clock.now(), stopped, exit_, meter, kept), durable=False)
    if isinstance(outcome, Broke) and stopped is None and _resume_refused(opened, meter):
        folder.write(REFUSED, b"")
        return Held(
            reason="the program no longer knows its conversation; it begins a new one", lane="", until=tools.clock.now()
        )
    return outcome


def _resume_refused(opened: Opened, meter: Meter) -> bool:
    """True when the program was to go on with a conversation and said that there is none."""
    return opened.resumed is not None and meter.reading is not None and meter.facts().get("resume_id", "") is None


def _judged(tools: Tools, stopped: StopReason | None, exit_: Exit | None, meter: Meter, kept: Kept) -> Outcome:
    if stopped is StopReason.BUDGET and (over := meter.over()) is not None:
        return Broke(kind=Failure.BUDGET, reason=f"stopped: {over}")
    if stopped is not None:
        return of_stop(stopped, tools.clock.now())
    if exit_ is None:
        return Broke(kind=Failure.MACHINE, reason="the agent's shim or the machine died under it")
    if exit_.oom_kills:
        return Broke(kind=Failure.MEMORY, reason="the kernel ended its processes: they had no memory left")
    if meter.reading is None:
        return Done() if exit_.clean else Broke(kind=Failure.CRASH, reason=str(exit_))
    return meter.judged(meter.reading.ending(Ending(exit=exit_, changed=kept.changed, now=tools.clock.local())))


def _ended(now: datetime, stopped: StopReason | None, exit_: Exit | None, meter: Meter, kept: Kept) -> Entry:
    entry: Entry = {"event": "ended", "ended_at": now.timestamp(), **kept.facts, **meter.facts()}
    if exit_ is not None:
        entry |= {"exit": exit_.code if exit_.signal is None else -exit_.signal, "duration_s": exit_.duration_s,
                  "stragglers": exit_.stragglers}  # fmt: skip
    if stopped is not None:
        entry["stop"] = stopped.value
    return entry
