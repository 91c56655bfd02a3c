"""What a person asks for: moves between stages, a cancel, a pause. Made by the caller itself, under the job's lock."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from agent_queue.core import lifecycle
from agent_queue.core.errors import AqError, BusyError, UsageError
from agent_queue.core.job import FINAL, JobId, Stage, bad_id
from agent_queue.core.lifecycle import Job, Move
from agent_queue.core.outcome import StopReason
from agent_queue.flow.recover import settle_alone
from agent_queue.flow.setup import ask_stop
from agent_queue.flow.tools import Tools, policy_of, run_folder
from agent_queue.flow.verify import current
from agent_queue.ports import Queue

CANCEL_WAIT_S = 60.0


class Patience(Protocol):
    """Wait until something is so; False when the time is over. Given by the machine, so that the story can wait."""

    def __call__(self, ready: Callable[[], bool], *, seconds: float) -> bool: ...


def named(queue: Queue, name: str) -> JobId:
    """The job that `name` means: its id, or any part of exactly one id.

    Raises:
        UsageError: no job, or several.
    """
    if bad_id(name) is None and queue.job(JobId(name)) is not None:
        return JobId(name)
    part = name.casefold()
    found = sorted({job for stage in Stage for job in queue.ids(stage) if part and part in job.casefold()})
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"no job is called {name or 'nothing at all'}", hint="`aq status` lists them")
    shown = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
    raise UsageError(f"{name} could be {len(found)} jobs: {shown}", hint="give more of the id")


def promote(tools: Tools, job: JobId) -> Move:
    """Review to testing. A job whose verify is still to come or under way answers that it is busy."""

    def move(found: Job) -> Move:
        policy = policy_of(tools.queue.file(job).manifest, tools.settings)
        if found.stage is Stage.REVIEW and lifecycle.pending(found, policy):
            raise BusyError(f"{job} is verifying", hint="wait for its verify, or `aq cancel` it")
        return lifecycle.promote(found)

    return _person_move(tools, job, move)


def ship(tools: Tools, job: JobId) -> Move:
    return _person_move(tools, job, lifecycle.ship)


def reject(tools: Tools, job: JobId) -> Move:
    return _person_move(tools, job, lifecycle.reject)


def requeue(tools: Tools, job: JobId, *, fresh: bool = False) -> Move:
    """Back to the inbox; its branch is kept and gone on from, unless `fresh`."""
    return _person_move(tools, job, lambda found: lifecycle.requeue(found, fresh=fresh))


def cancel(tools: Tools, job: JobId, wait: Patience) -> Stage:
    """End a job wherever it is; its agent is stopped first. Returns the stage it lies in then.

    Raises:
        BusyError: its agent did not end in time. IllegalMoveError: it has ended already.
    """
    found = _found(tools.queue, job)
    if found.stage in FINAL:
        return lifecycle.cancel(found).target  # raises: there is nothing to cancel
    if not wait(lambda: _cancelled(tools, job), seconds=CANCEL_WAIT_S):
        raise BusyError(f"{job} was told to stop, and has not ended yet", hint="`aq status` shows when it has")
    return _found(tools.queue, job).stage


def _cancelled(tools: Tools, job: JobId) -> bool:
    """Take the next step towards the end of a job; True when it has come to one."""
    found = tools.queue.job(job)
    if found is None or found.stage in FINAL:
        return True
    lock = tools.queue.lock(job)
    if lock is None:
        _ask_stop(tools, found)
        return False
    lock.close()
    if found.stage is Stage.BUILDING:
        _ask_stop(tools, found)  # it has ended, or never started: judged as one that was cancelled
        settle_alone(tools, job)
        return False
    try:
        _person_move(tools, job, lifecycle.cancel)
    except BusyError:
        return False  # it came into work just now
    return True


def _ask_stop(tools: Tools, job: Job) -> None:
    """Have its agent, or its verify, stopped; one that waits or rests has neither."""
    folder = run_folder(tools, job)
    if job.stage is Stage.BUILDING and job.past.run:
        if tools.processes.stopped(folder.path) is None:
            ask_stop(tools, folder, StopReason.CANCEL)
    elif job.stage is Stage.REVIEW and (path := current(folder)) and tools.processes.stopped(path) is None:
        tools.processes.ask_stop(path, StopReason.CANCEL)


def _person_move(tools: Tools, job: JobId, decide: Callable[[Job], Move]) -> Move:
    with held(tools.queue, job) as found:
        move = decide(found)
        if not tools.queue.settle([move]):
            raise AqError(f"{job} is no longer where it was", hint="`aq status` shows where it lies")
    return move


@contextmanager
def held(queue: Queue, job: JobId) -> Iterator[Job]:
    """The job, under its lock.

    Raises:
        BusyError: its agent, its verify or another caller holds it.
    """
    lock = queue.lock(job)
    if lock is None:
        stage = _found(queue, job).stage
        doing = {Stage.BUILDING: "running", Stage.REVIEW: "verifying"}.get(stage, "in another process's hands")
        raise BusyError(f"{job} is {doing}", hint="wait for it, or `aq cancel` it")
    try:
        found = _found(queue, job)
        if found.past.unfinished and found.stage is found.past.origin and queue.finish(found):
            found = _found(queue, job)
        if (by_hand := lifecycle.by_hand(found)) is not None and queue.settle([by_hand]):
            found = _found(queue, job)  # a person's `mv` while no supervisor lived comes first in the journal
        yield found
    finally:
        lock.close()


def _found(queue: Queue, job: JobId) -> Job:
    found = queue.job(job)
    if found is None:
        raise UsageError(f"no job is called {job}")
    return found
