"""The supervisor: takes in what changed, starts what may start, carries runs forward, settles what has ended.

One thread. It waits in one place only, and handles all that is ready as one batch: that shares the disk's flushes.
"""

from collections.abc import Sequence
from functools import partial

from agent_queue.core.job import JobId, Result, Stage
from agent_queue.core.lifecycle import Job, Move, pending
from agent_queue.core.outcome import StopReason
from agent_queue.core.schedule import Room, Waiting, opens_at, pick, why
from agent_queue.flow.admit import Refusal, admit, take_up
from agent_queue.flow.dependencies import first_unmet, names_of
from agent_queue.flow.lanes import opens
from agent_queue.flow.notices import Notices
from agent_queue.flow.report import DETACH, Report, Stopping
from agent_queue.flow.room import room
from agent_queue.flow.runs import Runs, let_go
from agent_queue.flow.tools import Run, Tools, policy_of
from agent_queue.flow.waiting import WaitingList
from agent_queue.ports import Events, FileChange, Woken

RESCAN_S = 5.0
BUSY_S = 0.2
"""How soon a job that another process holds is tried again."""
OTHERS = "a supervisor that runs its engine"


class Loop:
    """One supervisor.

    `once` ends it when nothing more can run; `wait_s` is how long it then waits for jobs held until a later time;
    `only_engine` leaves the jobs of other engines where they are.
    """

    def __init__(
        self, tools: Tools, events: Events, slots: int, *, once: bool = False, wait_s: float = 0.0,
        only_engine: str | None = None,
    ) -> None:  # fmt: skip
        self.stopping = Stopping.NO
        self.report = Report()
        self._tools = tools
        self._events = events
        self._slots = slots
        self._once = once
        self._wait_until = tools.clock.now().timestamp() + wait_s
        self._only_engine = only_engine
        self._runs = Runs(tools, events)
        self._notices = Notices(tools)
        self._waiting = WaitingList(partial(first_unmet, tools.queue))
        self._busy: dict[JobId, float] = {}
        self._look_again: float | None = None
        self._rescan_at = 0.0
        self._start_at = 0.0

    def run(self) -> Report:
        """Work until told to stop, or, with `once`, until nothing more can run."""
        self._look(None)
        self._start_at = self._look_again or 0.0  # files added a moment ago are chosen among the others, not after them
        for job in self._tools.queue.jobs(Stage.BUILDING, Stage.REVIEW, Stage.TESTING):
            self._take_up(job.id)
        while True:
            self._runs.advance(self._ended)
            if self.stopping is Stopping.NO and self._tools.clock.monotonic() >= self._start_at:
                self._start()
                self._runs.advance(self._ended)
            self._busy.update(dict.fromkeys(self._runs.abandoned(), self._tools.clock.monotonic()))
            self._notices.rested(working=bool(len(self._runs) or len(self._waiting) or self._busy or self._look_again))
            if self._finished():
                return self.report
            self._wake(self._events.wait(self._timeout()))

    def _finished(self) -> bool:
        if self.stopping is Stopping.DETACH:
            return self._runs.idle()
        if len(self._runs):
            return False
        if self.stopping is not Stopping.NO:
            return True
        settled = not self._busy and self._look_again is None and self._tools.clock.monotonic() >= self._start_at
        return self._once and settled and not self._events.expecting() and self._drained()

    def _drained(self) -> bool:
        """Nothing can run any more, or only after a hold that is longer than we were told to wait."""
        now = self._tools.clock.now().timestamp()
        room, held = self._room(0), []
        for row in self._ours(self._waiting.later(now)):
            if self._tools.queue.past(row.id).state.get("result") != Result.HELD:
                return False  # a retry's backoff is always waited for
            held.append(row.next_eligible)
        ready = self._ours(list(self._waiting.ready(now)))
        if any(pick(ready, self._room(1), now)):
            self._look_again = self._tools.clock.monotonic()  # what ended just now has given its locks back
            return False
        for row in ready:
            held += [] if (opens := opens_at(row, room)) is None else [opens]
        if any(time <= self._wait_until for time in held):
            return False
        self.report.held = len(held)
        self.report.left += [f"{row.id}: waits: {why(row, room, now) or OTHERS}" for row in self._waiting]
        self.report.left += [f"invalid: {invalid.problem}" for invalid in self._tools.queue.invalid()]
        return True

    def _ours(self, rows: list[Waiting]) -> list[Waiting]:
        """Those of the engine that we were told to run."""
        return [row for row in rows if self._only_engine is None or self._only_engine in row.engines]

    def _room(self, slots: int) -> Room:
        return room(slots, self._tools, self._waiting, self._busy, self._runs.locks())

    def _timeout(self) -> float | None:
        now, clock = self._tools.clock.monotonic(), self._tools.clock.now().timestamp()
        eligible = self._next_start() if self.stopping is Stopping.NO else None
        beat = self._runs.next_time()
        times = [self._rescan_at, *self._busy.values()]
        times += [self._start_at] if self._start_at > now else []
        times += [time for time in (beat, self._look_again) if time is not None]
        times += [now + eligible - clock] if eligible is not None else []
        return max(min(times) - now, 0.0)

    def _next_start(self) -> float | None:
        """When a job may start that may not now: its own time has come, or its lane opens. Epoch seconds."""
        lanes = min(opens(self._tools.lanes.closed()).values(), default=None) if len(self._waiting) else None
        return min((time for time in (self._waiting.next_time(), lanes) if time is not None), default=None)

    def _wake(self, woken: Woken) -> None:
        """Turn what happened into steps to take."""
        now = self._tools.clock.monotonic()
        for name in woken.signals:
            self._told(name)
        self._runs.wake(woken, now)
        if woken.files or (self._look_again is not None and now >= self._look_again):
            self._look(woken.files)
        if now >= self._rescan_at:
            self._look(None)
        for job in [job for job, at in self._busy.items() if at <= now]:
            del self._busy[job]
            self._take_up(job)

    def _told(self, name: str) -> None:
        """A signal: drain first, then stop agents; two of them leave these running for the next supervisor."""
        tell, count = self._tools.tell, len(self._runs)
        if name in DETACH:
            self.stopping = Stopping.DETACH
            tell(f"leaving {count} running to the next `aq run`")
        elif name == "SIGTERM" or self.stopping is not Stopping.NO:
            self.stopping = Stopping.NOW
            tell(f"stopping {count} running; their work is kept, no attempt is charged")
            self._runs.ask_stop(self._runs, StopReason.SHUTDOWN)
        else:
            self.stopping = Stopping.DRAIN
            tell(f"no new jobs; waiting for {count} running (again to stop them now)")

    def _look(self, files: Sequence[FileChange] | None) -> None:
        """Take in what changed in the folders."""
        now = self._tools.clock.monotonic()
        if files is None:
            self._rescan_at = now + RESCAN_S
        changes = self._tools.queue.look(files)
        for row in changes.waiting:
            self._waiting.put(row, self._tools.clock.now().timestamp())
        for job in changes.gone:
            self._waiting.drop(job)
        for moved in changes.by_hand:
            self._dragged(moved)
        for job in changes.vanished:
            self._runs.take_away(job, "its file was removed")
        self._look_again = None if changes.look_again_s is None else now + changes.look_again_s

    def _dragged(self, job: Job) -> None:
        """A person moved a file: stop its run if it has one; see whether there is work where it lies now."""
        self._got_on(job)
        active = self._runs.get(job.id)
        if active is None:
            self._runs.stop_unwatched(job)
            self._take_up(job.id)
        elif active.run.job.stage is not job.stage:
            self._runs.take_away(job.id, f"moved by hand to {job.stage}")

    def _got_on(self, job: Job) -> None:
        """Look again at the jobs that wait for this one, when it lies where that may be enough."""
        if job.stage in (Stage.TESTING, Stage.SHIPPED):
            self._waiting.free(names_of(self._tools.queue, job.id))

    def _take_up(self, job: JobId) -> None:
        """Go on with a job that lies in work, whatever the last supervisor left of it."""
        if job in self._runs or self.stopping is not Stopping.NO:
            return
        found = take_up(job, self._tools)
        if found is not None:
            self._runs.begin(*found)
        else:
            self._look_again = self._tools.clock.monotonic()  # a move finished just now may have led to the inbox

    def _start(self) -> None:
        """Claim as many waiting jobs as there is room for."""
        while self._claim():
            pass  # one that was refused has given its slot and its locks back

    def _claim(self) -> bool:
        """Claim what there is room for, in one batch; True when some of it was refused."""
        now = self._tools.clock.now().timestamp()
        room = self._room(self._slots - len(self._runs))
        ready = self._waiting.ready(now) if self._only_engine is None else self._ours(self._waiting.ready(now))
        admitted: list[tuple[Move, Run]] = []
        for row in list(pick(ready, room, now)):
            found = admit(row, self._tools)
            if found is None:
                self._busy[row.id] = self._tools.clock.monotonic() + BUSY_S
            elif isinstance(found, Refusal):
                admitted.append((found.move, found.run))
            else:
                admitted.append(found)
        self._settle(admitted)
        return any(move.target is Stage.FAILED for move, _ in admitted)

    def _ended(self, moves: list[Move]) -> None:
        """Settle the moves that runs came to. One whose file a person dragged away is not ours to settle."""
        ours: list[tuple[Move, Run]] = []
        for move in moves:
            active = self._runs.get(move.job)
            self._runs.end(move.job)
            if active is not None and not active.taken:
                ours.append((move, active.run))
            elif active is not None:
                let_go(active.run)
                self._look_again = self._busy[move.job] = self._tools.clock.monotonic()
        self._settle(ours)

    def _settle(self, moves: Sequence[tuple[Move, Run]]) -> None:
        """Carry out a batch of moves, and go on with the jobs that have more work where they lie now."""
        done = {move.job for move in self._tools.queue.settle([move for move, _ in moves])}
        for move, run in moves:
            self._waiting.drop(move.job)
            if move.job not in done:
                self._look_again = self._tools.clock.monotonic()
                let_go(run)
                continue
            if move.target is Stage.INBOX:
                self._look_again = self._tools.clock.monotonic()  # it waits again, and may even start at once
            run.job = Job(id=move.job, stage=move.target, past=self._tools.queue.past(move.job))
            self._got_on(run.job)
            more = pending(run.job, policy_of(run.manifest, self._tools.settings))
            self._notices.moved(move, goes_on=more)
            if more and self.stopping < Stopping.NOW:
                self._runs.begin(run)
            else:
                let_go(run)
                self.report.ended[move.target] += move.target is not Stage.INBOX
