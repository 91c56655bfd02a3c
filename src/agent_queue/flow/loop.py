"""The supervisor: takes in what changed, starts what may start, carries runs forward, settles what has ended.

One thread. It waits in one place only, and handles all that is ready as one batch: that shares the disk's flushes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from agent_queue.core.job import JobId, Result, Stage
from agent_queue.core.lifecycle import Job, Move, pending
from agent_queue.core.outcome import StopReason
from agent_queue.core.recovery import Repair
from agent_queue.core.schedule import Room, pick, why
from agent_queue.flow.admit import Refusal, admit, take_up
from agent_queue.flow.run_one import work
from agent_queue.flow.tools import Abandoned, Deed, Run, Steps, Tools, Watch, policy_of, run_folder
from agent_queue.flow.verify import current
from agent_queue.flow.waiting import WaitingList
from agent_queue.ports import Events, FileChange, Woken

RESCAN_S = 5.0
BUSY_S = 0.2
"""How soon a job that another process holds is tried again."""


class Stopping(IntEnum):
    """How far the supervisor has been told to stop."""

    NO = 0
    DRAIN = 1
    NOW = 2
    DETACH = 3


@dataclass(slots=True)
class Active:
    """A run in the hands of the loop: its steps, and what they wait for."""

    run: Run
    steps: Steps[Move]
    watched: str = ""
    until: float | None = None
    """Monotonic seconds at which the steps want to be woken at the latest."""
    taken: bool = False
    """A person dragged its file away: its end is not ours to settle."""


@dataclass(slots=True)
class Report:
    """What a supervisor did, for its exit code."""

    failed: int = 0
    held: int = 0
    left: list[str] = field(default_factory=list)
    """What waits and cannot run now, for people."""


@dataclass(slots=True)
class Loop:
    """One supervisor's state. `once`: end when nothing more can run."""

    tools: Tools
    events: Events
    slots: int
    once: bool = False
    wait_s: float = 0.0
    """With `once`: how long to wait for jobs that are held until a later time."""
    only_engine: str | None = None
    stopping: Stopping = Stopping.NO
    report: Report = field(default_factory=Report)
    waiting: WaitingList = field(default_factory=WaitingList)
    active: dict[JobId, Active] = field(default_factory=dict)
    busy: dict[JobId, float] = field(default_factory=dict)
    ready: list[tuple[JobId, Any]] = field(default_factory=list)
    look_again: float | None = None
    rescan_at: float = 0.0
    started_at: float = 0.0

    def run(self) -> Report:
        """Work until told to stop, or, with `once`, until nothing more can run."""
        self.started_at = self.tools.clock.now().timestamp()
        self.look(None)
        self.take_up_all()
        while True:
            self.advance()
            if self.stopping is Stopping.NO:
                self.start()
                self.advance()
            if self.finished():
                return self.report
            self.wake(self.events.wait(self.timeout()))

    def finished(self) -> bool:
        if self.stopping is Stopping.DETACH:
            return all(active.watched for active in self.active.values())
        if self.active or self.ready:
            return False
        if self.stopping is not Stopping.NO:
            return True
        return self.once and not self.busy and self.look_again is None and self.drained()

    def drained(self) -> bool:
        """Nothing can run any more, or only after a hold that is longer than we were told to wait."""
        now = self.tools.clock.now().timestamp()
        held = []
        for row in self.waiting.later(now):
            if self.tools.queue.past(row.id).state.get("result") != Result.HELD:
                return False  # a retry's backoff is always waited for
            held.append(row)
        if any(row.next_eligible <= self.started_at + self.wait_s for row in held):
            return False
        self.report.held = len(held)
        self.report.left += [f"{row.id}: waits: {why(row, self.room(0), now)}" for row in self.waiting]
        self.report.left += [f"invalid: {invalid.problem}" for invalid in self.tools.queue.invalid()]
        return True

    def room(self, slots: int) -> Room:
        """What is free for jobs that wait."""
        return Room(
            slots=slots, closed=self.tools.closed_lanes(), unmet=self.tools.unmet, refused=self.busy.keys(),
            held={name for active in self.active.values() for name in active.run.mutexes},
        )  # fmt: skip

    def timeout(self) -> float | None:
        now, clock = self.tools.clock.monotonic(), self.tools.clock.now().timestamp()
        times = [self.rescan_at, *self.busy.values()]
        times += [active.until for active in self.active.values() if active.until is not None]
        times += [self.look_again] if self.look_again is not None else []
        at = self.waiting.next_time()
        times += [now + at - clock] if at is not None else []
        return max(min(times) - now, 0.0)

    def wake(self, woken: Woken) -> None:
        """Turn what happened into steps to take."""
        for name in woken.signals:
            self.told(name)
        now = self.tools.clock.monotonic()
        finished = dict(woken.finished)
        for job, active in self.active.items():
            if active.watched and active.watched in woken.ended:
                self.ready.append((job, True))
            elif job in finished:
                self.ready.append((job, finished[job]))
            elif active.until is not None and active.until <= now:
                self.ready.append((job, False))
        if now >= self.rescan_at:
            self.look(None)
        elif woken.files or (self.look_again is not None and now >= self.look_again):
            self.look(woken.files)
        for job in [job for job, at in self.busy.items() if at <= now]:
            del self.busy[job]
            self.take_up(job)

    def told(self, name: str) -> None:
        """A signal: drain first, then stop agents; SIGHUP leaves them running for the next supervisor."""
        if name == "SIGHUP":
            self.stopping = Stopping.DETACH
            self.tools.tell("leaving running agents to the next `aq run`")
            return
        again = name == "SIGTERM" or self.stopping is not Stopping.NO
        self.stopping = Stopping.NOW if again else Stopping.DRAIN
        if not again:
            self.tools.tell(f"no new jobs; waiting for {len(self.active)} running (again to stop them now)")
            return
        self.tools.tell(f"stopping {len(self.active)} running agents; their work is kept, no attempt is charged")
        for active in self.active.values():
            self.ask_stop(active, StopReason.SHUTDOWN)

    def ask_stop(self, active: Active, why: StopReason) -> None:
        folder = run_folder(self.tools, active.run.job)
        path = current(folder) if active.run.job.stage is Stage.REVIEW else folder.path
        if path:
            self.tools.processes.ask_stop(path, why)

    def look(self, files: Sequence[FileChange] | None) -> None:
        """Take in what changed in the folders."""
        now = self.tools.clock.monotonic()
        if files is None:
            self.rescan_at = now + RESCAN_S
        changes = self.tools.queue.look(files)
        for row in changes.waiting:
            self.waiting.put(row, self.tools.clock.now().timestamp())
        for job in changes.gone:
            self.waiting.drop(job)
        for moved in changes.by_hand:
            self.dragged(moved)
        self.look_again = None if changes.look_again_s is None else now + changes.look_again_s

    def dragged(self, job: Job) -> None:
        """A person moved a file: stop its run if it has one; see whether there is work where it lies now."""
        active = self.active.get(job.id)
        if active is None:
            self.take_up(job.id)
        elif not active.taken and active.run.job.stage is not job.stage:
            active.taken = True
            self.tools.tell(f"{job.id}: moved by hand to {job.stage}; stopping its agent")
            self.ask_stop(active, StopReason.BY_HAND)

    def take_up_all(self) -> None:
        """Find the jobs that an earlier supervisor left in work."""
        for job in self.tools.queue.jobs(Stage.BUILDING, Stage.REVIEW, Stage.TESTING):
            self.take_up(job.id)

    def take_up(self, job: JobId) -> None:
        """Go on with a job that lies in work, whatever the last supervisor left of it."""
        if job in self.active or self.stopping is not Stopping.NO:
            return
        found = take_up(job, self.tools)
        if found is not None:
            run, repair = found
            self.begin(run, repair)

    def start(self) -> None:
        """Claim as many waiting jobs as there is room for, in one batch."""
        clock = self.tools.clock.now().timestamp()
        room = self.room(self.slots - len(self.active))
        runs: dict[JobId, Run] = {}
        moves: list[Move] = []
        ready = self.waiting.ready(clock)
        if self.only_engine is not None:
            ready = [row for row in ready if row.engine == self.only_engine]
        for row in list(pick(ready, room, clock)):
            admitted = admit(row, self.tools)
            if admitted is None:
                self.busy[row.id] = self.tools.clock.monotonic() + BUSY_S
            elif isinstance(admitted, Refusal):
                moves.append(admitted.move)
                runs[row.id] = admitted.run
            else:
                move, runs[row.id] = admitted
                moves.append(move)
        self.settle(moves, runs)

    def begin(self, run: Run, repair: Repair | None = None) -> None:
        """Put a run into the loop's hands; its first step is taken at the next turn."""
        self.active[run.id] = Active(run, work(run, self.tools, repair))
        self.ready.append((run.id, None))

    def advance(self) -> None:
        """Take every step that is ready, then settle all that came to an end, until nothing is ready."""
        while self.ready:
            batch, self.ready = self.ready, []
            moves = [move for job, value in batch if (move := self.step(job, value)) is not None]
            self.settle(moves, {move.job: self.active[move.job].run for move in moves})

    def step(self, job: JobId, value: Any) -> Move | None:
        """Let a run go on with what it waited for; the move it leads to when that was its last step."""
        active = self.active.get(job)
        if active is None:
            return None
        active.watched, active.until = "", None
        try:
            wait = active.steps.throw(value) if isinstance(value, BaseException) else active.steps.send(value)
        except StopIteration as end:
            move: Move = end.value
            return move
        except Abandoned:
            self.let_go(active.run)
            del self.active[job]
            return None
        self.wait_for(job, active, wait)
        return None

    def wait_for(self, job: JobId, active: Active, wait: Deed | Watch) -> None:
        if isinstance(wait, Deed):
            self.events.later(job, wait.do)
            return
        if wait.folder and self.events.watch_process(wait.folder):
            active.watched = wait.folder
        elif wait.timeout_s is None or self.tools.processes.exit(wait.folder) is not None:
            self.ready.append((job, True))
            return
        if wait.timeout_s is not None:
            active.until = self.tools.clock.monotonic() + wait.timeout_s

    def settle(self, moves: list[Move], runs: dict[JobId, Run]) -> None:
        """Carry out a batch of moves, and go on with the jobs that have more work where they lie now."""
        ours = [move for move in moves if not (move.job in self.active and self.active[move.job].taken)]
        done = {move.job for move in self.tools.queue.settle(ours)}
        for move in moves:
            run = runs[move.job]
            self.active.pop(move.job, None)
            self.waiting.drop(move.job)
            if move.job not in done:
                self.let_go(run)
                self.look_again = self.tools.clock.monotonic()
                continue
            self.told_of(move)
            run.job = Job(id=move.job, stage=move.target, past=self.tools.queue.past(move.job))
            if self.stopping < Stopping.NOW and pending(run.job, policy_of(run.manifest, self.tools.settings)):
                self.begin(run)
            else:
                self.let_go(run)
                self.count(move)

    def let_go(self, run: Run) -> None:
        if run.lock is not None:
            run.lock.close()

    def count(self, move: Move) -> None:
        """A job left our hands."""
        self.report.failed += move.target is Stage.FAILED

    def told_of(self, move: Move) -> None:
        what = f" ({move.result})" if move.result is not None and move.result.value != move.target.value else ""
        why = f": {move.reason}" if move.reason else ""
        self.tools.tell(f"{move.job}: {move.origin} -> {move.target}{what}{why}")

