"""The runs in a supervisor's hands: each takes its steps when what it waits for has come, and ends in a move."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from agent_queue.core.job import JobId, Stage
from agent_queue.core.lifecycle import Job, Move
from agent_queue.core.outcome import StopReason
from agent_queue.core.recovery import Repair
from agent_queue.flow.run_one import work
from agent_queue.flow.setup import ask_stop
from agent_queue.flow.tools import Abandoned, Deed, Run, Steps, Tools, Watch, run_folder
from agent_queue.flow.verify import current
from agent_queue.ports import Events, Woken


@dataclass(slots=True)
class Active:
    """A run and its steps."""

    run: Run
    steps: Steps[Move]
    watched: str = ""
    """The run folder whose process it waits for."""
    until: float | None = None
    """Monotonic seconds at which the steps want to be woken at the latest."""
    taken: bool = False
    """A person dragged its file away: its end is not ours to settle."""


class Runs:
    """All runs of one supervisor, by job."""

    def __init__(self, tools: Tools, events: Events) -> None:
        self._tools = tools
        self._events = events
        self._active: dict[JobId, Active] = {}
        self._ready: list[tuple[JobId, Any]] = []
        self._abandoned: list[JobId] = []

    def __len__(self) -> int:
        return len(self._active)

    def __iter__(self) -> Iterator[Active]:
        return iter(self._active.values())

    def __contains__(self, job: JobId) -> bool:
        return job in self._active

    def get(self, job: JobId) -> Active | None:
        return self._active.get(job)

    def begin(self, run: Run, repair: Repair | None = None) -> None:
        """Take a run in; its first step is taken at the next `advance`."""
        self._active[run.id] = Active(run, work(run, self._tools, repair))
        self._ready.append((run.id, None))

    def end(self, job: JobId) -> None:
        """Forget a run that has come to its end."""
        self._active.pop(job, None)

    def abandoned(self) -> list[JobId]:
        """Jobs that turned out not to be ours since the last call: whoever settled them may have left work to do."""
        jobs, self._abandoned = self._abandoned, []
        return jobs

    def locks(self) -> set[str]:
        """The mutex names in use."""
        return {name for active in self for name in active.run.mutexes}

    def idle(self) -> bool:
        """True when no step is ready and every run waits for its agent: the moment to leave them to another."""
        return not self._ready and all(active.watched for active in self)

    def next_time(self) -> float | None:
        """When the next run wants to be woken, monotonic seconds."""
        return min((active.until for active in self if active.until is not None), default=None)

    def wake(self, woken: Woken, now: float) -> None:
        """Note which runs may take their next step. `now` is in monotonic seconds."""
        finished, ended = dict(woken.finished), set(woken.ended)
        for job, active in self._active.items():
            if active.watched in ended and active.watched:
                self._ready.append((job, True))
            elif job in finished:
                self._ready.append((job, finished[job]))
            elif active.until is not None and active.until <= now:
                self._ready.append((job, False))

    def advance(self, settle: Callable[[list[Move]], None]) -> None:
        """Take every step that is ready, then settle all that came to an end as one batch, until nothing is ready."""
        while self._ready:
            batch, self._ready = self._ready, []
            moves = [move for job, value in batch if (move := self._step(job, value)) is not None]
            settle(moves)

    def ask_stop(self, runs: Iterable[Active], why: StopReason) -> None:
        """Have the agents or verifies of these runs stopped by their shims."""
        for active in runs:
            self._stop(active.run.job, why)

    def take_away(self, job: JobId, how: str) -> None:
        """A person took the file of a job: what runs for it is stopped, and its end is not ours to settle."""
        active = self._active.get(job)
        if active is not None and not active.taken:
            active.taken = True
            self._tools.tell(f"{job}: {how}; stopping what runs for it")
            self.ask_stop([active], StopReason.BY_HAND)

    def stop_unwatched(self, job: Job) -> None:
        """Stop what still runs for a job that a person dragged out of work while no supervisor lived."""
        origin = job.past.stage
        if origin in (Stage.BUILDING, Stage.REVIEW) and origin is not job.stage and job.past.run:
            where = Job(id=job.id, stage=origin, past=job.past)
            path = self._works_in(where)
            if path and self._tools.processes.stopped(path) is None:
                self._tools.tell(f"{job.id}: was moved by hand to {job.stage}; stopping what still runs for it")
                self._stop(where, StopReason.BY_HAND)

    def _works_in(self, job: Job) -> str:
        """The record folder of its agent, or of its verify; '' when there is none."""
        folder = run_folder(self._tools, job)
        return current(folder) if job.stage is Stage.REVIEW else folder.path

    def _stop(self, job: Job, why: StopReason) -> None:
        if job.stage is not Stage.REVIEW:
            ask_stop(self._tools, run_folder(self._tools, job), why)
        elif path := self._works_in(job):
            self._tools.processes.ask_stop(path, why)

    def _step(self, job: JobId, value: Any) -> Move | None:
        active = self._active.get(job)
        if active is None:
            return None
        active.watched, active.until = "", None
        try:
            wait = active.steps.throw(value) if isinstance(value, BaseException) else active.steps.send(value)
        except StopIteration as end:
            move: Move = end.value
            return move
        except Abandoned:
            self._abandoned.append(job)
            self.end(job)
            let_go(active.run)
            return None
        self._wait_for(job, active, wait)
        return None

    def _wait_for(self, job: JobId, active: Active, wait: Deed | Watch) -> None:
        if isinstance(wait, Deed):
            self._events.later(job, wait.do)
            return
        if wait.folder:
            if not self._events.watch_process(wait.folder):
                self._ready.append((job, True))  # it is gone already
                return
            active.watched = wait.folder
        if wait.timeout_s is not None:
            active.until = self._tools.clock.monotonic() + wait.timeout_s


def let_go(run: Run) -> None:
    """Close the job's locks; its shim, if one runs, still holds them."""
    if run.lock is not None:
        run.lock.close()
