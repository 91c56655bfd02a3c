"""Taking a job into work: a waiting one that is to start, or one that an earlier supervisor left."""

from dataclasses import dataclass

from agent_queue.core.capabilities import unmet
from agent_queue.core.errors import AqError
from agent_queue.core.job import JobId, Result, Stage
from agent_queue.core.lifecycle import Job, Move, begin, decide, pending, recover
from agent_queue.core.manifest import JobFile, Manifest, parse
from agent_queue.core.outcome import Refused
from agent_queue.core.recovery import Repair, repair
from agent_queue.core.refused import BEFORE
from agent_queue.core.schedule import Waiting
from agent_queue.flow.choose_engine import Chosen, choose
from agent_queue.flow.launch import JOB
from agent_queue.flow.opened import to_json
from agent_queue.flow.tools import Run, Tools, policy_of, run_folder
from agent_queue.flow.verify import current
from agent_queue.ports import Lock


@dataclass(frozen=True, slots=True)
class Refusal:
    """A job that cannot start at all, and goes to failed from the inbox."""

    move: Move
    run: Run


def admit(row: Waiting, tools: Tools) -> tuple[Move, Run] | Refusal | None:
    """Take a waiting job's locks and read its file, once. None when it must be looked at again later."""
    lock = tools.queue.lock(row.id, row.locks)
    if lock is None:
        return None
    admitted = _admit(row, lock, tools)
    if admitted is None:
        lock.close()
    return admitted


def _admit(row: Waiting, lock: Lock, tools: Tools) -> tuple[Move, Run] | Refusal | None:
    job = tools.queue.job(row.id)
    if job is None or job.stage is not Stage.INBOX:
        return None
    if job.past.unfinished and job.past.stage is not Stage.INBOX:
        tools.queue.finish(job)  # a claim that a crash cut short: now it lies in building, and is taken up there
        return None
    try:
        file = tools.queue.file(row.id)
    except AqError:
        return None  # it changed since it was looked at; the next look says what is wrong with it
    if (set(tools.mutexes(file.manifest)), file.manifest.deps) != (set(row.locks), row.deps):
        return None  # it was edited since it was chosen, and so for other locks and dependencies than it has now
    run = Run(
        job=job, manifest=file.manifest, body=file.body, persona=file.persona,
        plan=tools.workspaces.plan(file.manifest), lock=lock, mutexes=row.locks,
    )  # fmt: skip
    found = _engine(run, tools)
    if isinstance(found, Refused):
        policy = policy_of(run.manifest, tools.settings)
        move = decide(job, found, policy, tools.clock.now(), tools.clock.roll())
        record = {"kind": "refused", "result": move.result, "reason": move.reason, "failure": None, "to": move.target,
                  "run": move.run}  # fmt: skip
        tools.queue.run_folder(job.id, BEFORE).write("outcome.json", to_json(record))
        return Refusal(move, run)
    if found.closed:
        return None
    run.engine = found.name
    tools.lanes.admitted(found.name)
    return begin(job), run


def _engine(run: Run, tools: Tools) -> Chosen | Refused:
    """The engine for it, or what makes a start pointless: its cwd is gone, no engine is there, and the like."""
    if run.plan.problem:
        return Refused(result=Result.SETUP_FAILED, reason=run.plan.problem)
    lacking = unmet(run.manifest.capabilities, tools.offers)
    if lacking:
        reason = f"this host does not offer {', '.join(lacking)}; `aq doctor --capabilities` shows what it does"
        return Refused(result=Result.CAPABILITY_MISMATCH, reason=reason)
    return choose(run.manifest, tools)


def take_up(job_id: JobId, tools: Tools) -> tuple[Run, Repair] | None:
    """Look at a job in building, review or testing, and say what is left to do for it; None when nothing is."""
    job = tools.queue.job(job_id)
    if job is None:
        return None
    try:
        file = _claimed(job, tools)
        mutexes = tools.mutexes(file.manifest)
    except AqError as error:
        # Its run is judged all the same, by what its run folder says, so that it cannot stay in work for ever.
        tools.tell(f"{job_id}: its file cannot be read: {error}")
        file, mutexes = JobFile(manifest=Manifest(), body=""), ()
    policy = policy_of(file.manifest, tools.settings)
    unfinished = job.past.unfinished and job.past.origin is job.stage and job.past.stage is not job.stage
    if not unfinished and not pending(job, policy):
        return None
    plan = tools.workspaces.plan(file.manifest)
    lock = tools.queue.lock(job_id, mutexes)
    run = Run(job=job, manifest=file.manifest, body=file.body, plan=plan, lock=lock, mutexes=mutexes)
    return _repaired(run, tools)


def _claimed(job: Job, tools: Tools) -> JobFile:
    """The job as its run was claimed with it; as its file is now, where no run came that far."""
    data = run_folder(tools, job).read(JOB) if job.past.run else None
    return tools.queue.file(job.id) if data is None else parse(data, JOB)


def _repaired(run: Run, tools: Tools) -> tuple[Run, Repair] | None:
    if run.lock is not None:
        # Only under the lock is what we read still so.
        run.job = Job(id=run.id, stage=run.job.stage, past=tools.queue.past(run.id))
    folder = run_folder(tools, run.job)
    path = current(folder) if run.job.stage is Stage.REVIEW else folder.path
    recorded = tools.processes.exit(path) is not None
    step = repair(run.job.past, run.job.stage, alive=run.lock is None, recorded=recorded)
    match step:
        case Repair.ADOPT:
            tools.tell(f"{run.id}: adopted, still running")
        case Repair.GO_ON:
            tools.tell(f"{run.id}: ended while no supervisor lived; going on from its record")
        case Repair.ORPHAN:
            tools.tell(f"{run.id}: left in {run.job.stage} by a crash; recovering")
        case Repair.CHARGE:
            tools.queue.settle([recover(run.job)])
            run.job = Job(id=run.id, stage=run.job.stage, past=tools.queue.past(run.id))
            tools.tell(f"{run.id}: found in building without a claim; recovering")
            return run, Repair.ORPHAN
        case Repair.FINISH_MOVE:
            finished = tools.queue.finish(run.job)
            if run.lock is not None:
                run.lock.close()
            if not finished:
                tools.tell(f"{run.id}: its move to {run.job.past.stage} cannot be finished; see `aq doctor`")
                return None
            tools.tell(f"{run.id}: finished its move to {run.job.past.stage}")
            return take_up(run.id, tools)
    return run, step
