"""Telling items while the supervisor works: beside its loop, in a thread that no job waits for.

It listens at the place where the supervisor waits: a file that came to a stage is a job that moved, whoever moved it.
So neither a start nor an end of a job ever waits for a tracker, nor for the reading of a journal.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from agent_queue.core.errors import AqError
from agent_queue.core.job import JobId, Stage
from agent_queue.flow.echo import Desk, Pass, deliver_all, note
from agent_queue.ports import Events, FileChange, Woken

NOTE, TELL, PULL = "tracker: note", "tracker: tell", "tracker: pull"
OVERLAP_S = 60.0
"""Journals are looked at again that grew so long before the last look: clocks of file systems tick coarsely."""
CURSOR_S = 600.0
"""How old the note may become up to when all journals were looked at."""
UNSETTLED_S = 1.0
GRACE_S, LONGEST_GRACE_S = 3.0, 20.0
"""How long the end waits for an answer of the tracker, and how long at most while one after the other comes."""

_STAGES: Mapping[str, Stage] = {stage.value: stage for stage in Stage}


class EchoingEvents:
    """Satisfies `ports.Events` by another one, and tells items with what comes by there.

    `auto`: every job that moves is told of; without it, only what lies in the outbox already. `pull` takes new items
    in, every `pull_every_s` seconds. `answered_at` says when the tracker answered last, by the monotonic clock.
    """

    def __init__(
        self, inner: Events, desk: Desk, *, auto: bool, pull: Callable[[], None] | None = None,
        pull_every_s: float = 0.0, answered_at: Callable[[], float] = lambda: 0.0,
    ) -> None:  # fmt: skip
        self._inner = inner
        self._desk = desk
        self._auto = auto
        self._pull = pull
        self._pull_every_s = pull_every_s
        self._pull_at = 0.0
        self._answered_at = answered_at
        self._expecting = pull is not None
        self._moved: dict[JobId, Stage] = {}
        self._unsettled_at: float | None = None
        self._look_at_all = auto
        self._noting = False
        self._looked_for: tuple[dict[JobId, Stage], bool] = {}, False
        """What the look that was begun last is to take in."""
        self._calling = False
        self._tell_at: float | None = 0.0
        """Epoch seconds; None when nothing waits."""
        self._down_until = 0.0
        self._failed = 0
        """How many rounds in a row found the tracker out of reach."""
        self._cursor_at = 0.0
        self._first = True
        if not auto:
            desk.outbox.note_since(None)

    def watch_process(self, folder: str) -> bool:
        return self._inner.watch_process(folder)

    def later(self, key: str, deed: Callable[[], Any]) -> None:
        self._inner.later(key, deed)

    def beside(self, key: str, deed: Callable[[], Any]) -> None:
        self._inner.beside(key, deed)

    def expecting(self) -> bool:
        """Until new items were taken in once, or the tracker was found out of reach."""
        return self._expecting or self._inner.expecting()

    def wait(self, timeout_s: float | None) -> Woken:
        self._begin()
        own = self._next_s()
        times = [time for time in (timeout_s, own) if time is not None]
        return self._sift(self._inner.wait(min(times) if times else None))

    def flush(self, *, hurried: bool) -> None:
        """Before the end: give what is due a short while, `hurried` where somebody waits for the end.

        What is not told by then waits for the next supervisor.
        """
        clock = self._desk.clock
        self._pull = None
        begun = clock.monotonic()
        self._sift(self._inner.wait(0))
        while True:
            self._begin()
            last = max(begun, self._answered_at())
            left = min(last + GRACE_S, begun + (GRACE_S if hurried else LONGEST_GRACE_S)) - clock.monotonic()
            due = self._next_s()
            busy = self._noting or self._calling
            if left <= 0 or not (busy or (due is not None and due <= left)):
                return
            woken = self._sift(self._inner.wait(left if due is None else min(left, max(due, 0.0))))
            if woken.signals:
                return

    def _begin(self) -> None:
        """Start what is due and does not run yet."""
        clock = self._desk.clock
        now = clock.now().timestamp()
        if self._auto and not self._noting and self._ready(clock.monotonic()):
            moved, whole = self._looked_for = dict(self._moved), self._look_at_all
            self._moved.clear()
            self._look_at_all, self._unsettled_at = False, None
            self._noting = True
            self._inner.later(NOTE, lambda: self._note(moved, whole))
        if self._calling:
            return
        if self._tell_at is not None and self._tell_at <= now:
            self._calling, self._tell_at = True, None
            first, self._first = self._first, False
            self._inner.beside(TELL, partial(deliver_all, self._desk, all_now=first, failed=self._failed))
        elif self._pull is not None and self._pull_at <= clock.monotonic():
            self._calling = True
            self._pull_at = clock.monotonic() + self._pull_every_s
            self._inner.beside(PULL, self._pull)

    def _ready(self, now: float) -> bool:
        due = self._unsettled_at is None or self._unsettled_at <= now
        return due and (self._look_at_all or bool(self._moved))

    def _next_s(self) -> float | None:
        """Seconds until something is to be begun; None when that is up to what comes."""
        clock = self._desk.clock
        times = []
        if self._unsettled_at is not None and not self._noting:
            times.append(self._unsettled_at - clock.monotonic())
        if not self._calling:
            if self._tell_at is not None:
                times.append(self._tell_at - clock.now().timestamp())
            if self._pull is not None:
                times.append(self._pull_at - clock.monotonic())
        return max(min(times), 0.0) if times else None

    def _note(self, moved: Mapping[JobId, Stage], whole: bool) -> tuple[int, dict[JobId, Stage]]:
        """Put those into the outbox whose items wait for news. Returns their number, and what to look at again."""
        outbox, queue = self._desk.outbox, self._desk.queue
        began = self._desk.clock.now().timestamp()
        since = outbox.since() if whole else None
        jobs = dict.fromkeys(moved)
        if since is not None:
            jobs.update(dict.fromkeys(outbox.journaled(since - OVERLAP_S)))
        waiting = sum(note(self._desk, job) for job in jobs)
        again = {job: stage for job, stage in moved.items() if _unsettled(queue.job(job), stage)}
        if whole or began - self._cursor_at > CURSOR_S:
            outbox.note_since(began)
            self._cursor_at = began
        return waiting, again

    def _sift(self, woken: Woken) -> Woken:
        """Take what is meant for us out of what woke the loop."""
        finished = []
        for key, value in woken.finished:
            if key == NOTE:
                self._noted(value)
            elif key == TELL:
                self._passed(value)
            elif key == PULL:
                self._calling = self._expecting = False
                self._complain("cannot take new items", value)
            else:
                finished.append((key, value))
        self._heard(woken.files)
        files = [change for change in woken.files if not _in_outbox(change)]
        return replace(woken, finished=finished, files=files)

    def _heard(self, files: Sequence[FileChange]) -> None:
        for change in files:
            folder, _, name = change.path.rpartition("/")
            stage = _STAGES.get(folder.rpartition("/")[2])
            if not change.path:
                self._look_at_all = self._auto
                self._tell_soon()
            elif stage is not None and name.endswith(".md") and self._auto:
                self._moved[JobId(name.removesuffix(".md"))] = stage
            elif _in_outbox(change) and name.endswith(".json"):
                self._tell_soon()

    def _noted(self, value: Any) -> None:
        self._noting = False
        if isinstance(value, BaseException):
            self._complain("cannot note what items wait for", value)
            moved, whole = self._looked_for
            self._moved, self._look_at_all = {**moved, **self._moved}, self._look_at_all or whole
            self._unsettled_at = self._desk.clock.monotonic() + OVERLAP_S
            return
        waiting, again = value
        self._moved = {**again, **self._moved}
        if again:
            self._unsettled_at = self._desk.clock.monotonic() + UNSETTLED_S
        if waiting:
            self._tell_soon()

    def _tell_soon(self) -> None:
        """There is something to tell: at once, unless the tracker is known to be out of reach."""
        at = self._down_until
        self._tell_at = at if self._tell_at is None else min(self._tell_at, at)

    def _passed(self, value: Any) -> None:
        self._calling = False
        if isinstance(value, Pass):
            self._down_until = (value.next_try or 0.0) if value.down else 0.0
            self._expecting = self._expecting and not value.down
            if value.told or value.next_try is None:
                self._failed = 0
            self._failed += value.down
            times = [max(time, self._down_until) for time in (value.next_try, self._tell_at) if time is not None]
            self._tell_at = min(times, default=None)
        else:
            self._complain("cannot tell items", value)
            self._tell_at = self._desk.clock.now().timestamp() + OVERLAP_S

    def _complain(self, what: str, value: Any) -> None:
        if isinstance(value, AqError | OSError):
            self._desk.tell(f"tracker: {what}: {value}")
        elif isinstance(value, BaseException):  # an adapter's defect, perhaps an outsider's: no reason to end jobs
            self._desk.tell(f"tracker: {what}: unexpected {type(value).__name__}; this is a defect of its adapter")


def _in_outbox(change: FileChange) -> bool:
    return change.path.rpartition("/")[0].endswith("/outbox")


def _unsettled(job: Any, stage: Stage) -> bool:
    """True while the journal does not lead to where the file lies: a person moved it, and nobody explained it yet."""
    return job is not None and job.stage is stage and job.past.stage is not None and job.past.stage is not stage
