"""Settling what a crash left, by hand and without a supervisor: nothing is started, everything ended is judged."""

from dataclasses import dataclass

from agent_queue.core.job import JobId, Stage
from agent_queue.core.recovery import Repair
from agent_queue.flow.admit import take_up
from agent_queue.flow.run_one import work
from agent_queue.flow.tools import Abandoned, Deed, Run, Tools, run_folder
from agent_queue.flow.verify import current, cut_short


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found of one job: where it lies now, and whether somebody still keeps it alive."""

    job: JobId
    stage: Stage
    alive: bool


def recover_all(tools: Tools) -> list[Recovered]:
    """Settle every job in work that nobody keeps alive. A second time finds nothing to do."""
    found: list[Recovered] = []
    for job in tools.queue.jobs(Stage.INBOX, Stage.BUILDING, Stage.REVIEW, Stage.TESTING):
        if job.stage is Stage.INBOX and not job.past.unfinished:
            continue
        settled = settle_alone(tools, job.id)
        now = tools.queue.job(job.id)
        stage, seq = (now.stage, now.past.seq) if now is not None else (job.stage, job.past.seq)
        if seq != job.past.seq or job.past.unfinished or not settled:
            found.append(Recovered(job.id, stage, alive=not settled))
    return found


def settle_alone(tools: Tools, job: JobId) -> bool:
    """Judge and settle a job whose process has ended; False while somebody keeps it alive."""
    taken = take_up(job, tools)
    if taken is None:
        return True
    run, repair = taken
    if run.lock is None:
        return False
    try:
        if run.job.stage is Stage.BUILDING or (run.job.stage is Stage.REVIEW and _verify_ended(run, tools)):
            _finish(run, repair, tools)
    finally:
        run.lock.close()
    return True


def _verify_ended(run: Run, tools: Tools) -> bool:
    """A verify that never began, or left no record, is for the next supervisor to run."""
    path = current(run_folder(tools, run.job))
    return bool(path) and not cut_short(tools, path)


def _finish(run: Run, repair: Repair, tools: Tools) -> None:
    steps, value = work(run, tools, repair), None
    try:
        while True:
            step = steps.send(value)
            value = step.do() if isinstance(step, Deed) else True
    except StopIteration as end:
        tools.queue.settle([end.value])
    except Abandoned:
        return
