"""A job's outcome goes back to its tracker item: comment first, status last, both read back, and then journaled.

Nothing here decides anything about the job: a tracker that fails only keeps its item waiting, in the outbox.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from agent_queue.core.echo import News, mark, news, next_wait, present, told_already
from agent_queue.core.errors import AqError, BusyError
from agent_queue.core.history import fold
from agent_queue.core.insights import figures
from agent_queue.core.job import JobId
from agent_queue.core.lifecycle import Job
from agent_queue.core.outcome_comment import comment
from agent_queue.core.owed import Owed
from agent_queue.core.trouble import OF_THE_TRACKER, TrackerError, Trouble
from agent_queue.ports import Clock, Queue
from agent_queue.ports_tracker import Outbox, Standing, Tracker

TRIES_AT_ONCE = 2
"""A comment that failed is looked for before it is posted again, and posted again only once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What telling an item needs. `tracker` is made when first asked for, and may say what it lacks."""

    queue: Queue
    outbox: Outbox
    clock: Clock
    tracker: Callable[[], Tracker]
    statuses: Mapping[Standing, str]
    """What settings call each standing; the tracker's own word where they say nothing."""
    tell: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an item was told, or would be. `text` is '' when there is no comment, `status` when it was overtaken."""

    job: JobId
    item: str
    standing: str
    status: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One round through the outbox. `next_try` is when to make another, epoch seconds; None when nothing waits."""

    told: int = 0
    next_try: float | None = None
    down: bool = False
    """The tracker itself is out of reach, so that the others were not even tried."""


def item_of(queue: Queue, job: JobId) -> str:
    """The tracker item that a job belongs to: as its file says, else its journal; '' when it has none."""
    try:
        said = queue.file(job).manifest.tracker_item
    except AqError:
        said = None
    return said or str(queue.past(job).state.get("tracker_item") or "")


def note(desk: Desk, job: JobId) -> bool:
    """Put a job into the outbox when its item waits for news; True when it does."""
    found = desk.queue.job(job)
    if found is None or not news(desk.queue.history(job), found.stage):
        return False
    item = item_of(desk.queue, job)
    if item and desk.outbox.get(job) is None:
        desk.outbox.put(Owed(job=job, item=item, since=desk.clock.now().timestamp()))
    return bool(item)


def drafts(desk: Desk, job: Job, item: str, *, in_words: bool) -> list[tuple[News, Told]]:
    """What the item would be told now. `in_words`: a person asks, and hears how it stands even before its end."""
    entries = desk.queue.history(job.id)
    due = news(entries, job.stage)
    if in_words and due:
        now = present(entries, job.stage)
        due = [now] if now is not None else []
    tracker = desk.tracker()
    found = []
    for one in due:
        status = desk.statuses.get(one.standing) or tracker.statuses[one.standing]
        past = fold(entries[: one.entries])
        sign = mark(job.id, status, one.run, visible=tracker.visible_mark)
        text = comment(status=status, state=past.state, attempts=past.attempts,
                       figures=figures(entries[: one.entries]), sign=sign)  # fmt: skip
        said = Told(job=job.id, item=item, standing=one.standing.value, status=status if one.latest else "",
                    text=text if one.outcome or in_words else "")  # fmt: skip
        found.append((one, said))
    return found


def deliver(desk: Desk, owed: Owed, *, in_words: bool = False) -> list[Told]:
    """Tell one item everything that it waits for, oldest first, and take the job out of the outbox.

    Raises:
        TrackerError: the tracker failed; what was told by then is journaled. BusyError: another process tells it.
    """
    told: list[Told] = []
    with _alone(desk, owed.job):
        while True:
            job = desk.queue.job(owed.job)
            for one, said in drafts(desk, job, owed.item, in_words=in_words and not told) if job is not None else ():
                owed = _tell(desk, owed, one, said)
                status = said.status or desk.statuses.get(one.standing) or desk.tracker().statuses[one.standing]
                desk.queue.note(owed.job, {"event": "echoed", "tracker_echoed": status, "seq": one.seq})
                told.append(said)
            # A move meanwhile finds the job still in the outbox, and adds nothing: dropped first, then looked again.
            desk.outbox.drop(owed.job)
            job = desk.queue.job(owed.job)
            if job is None or not news(desk.queue.history(job.id), job.stage):
                return told
            desk.outbox.put(owed)


@contextmanager
def _alone(desk: Desk, job: JobId) -> Iterator[None]:
    lock = desk.outbox.lock(job)
    if lock is None:
        raise BusyError(f"the item of {job} is being told just now", hint="try again in a moment")
    try:
        yield
    finally:
        lock.close()


def _tell(desk: Desk, owed: Owed, one: News, said: Told) -> Owed:
    tracker = desk.tracker()
    item = tracker.key(owed.item)
    if said.text:
        sign = said.text.splitlines()[-1]
        owed = _comment(desk, tracker, owed, item, sign, said.text)
    if one.latest:
        tracker.set_status(item, said.status)
        shown = tracker.status(item)
        if shown is not None and shown.casefold() != said.status.casefold():
            text = f"{owed.item}: the tracker took the status {said.status!r} and shows {shown!r}"
            hint = "check [tracker] statuses, and what the token's owner may do"
            raise TrackerError(Trouble.REFUSED, text, hint=hint)
    return owed


def _comment(desk: Desk, tracker: Tracker, owed: Owed, item: str, sign: str, text: str) -> Owed:
    """See to it that the comment is there, once.

    Where the tracker has no list of comments, one that may have been posted is not posted again: better none than two.
    """
    for left in reversed(range(TRIES_AT_ONCE)):
        shown = tracker.comments(item)
        if shown is not None and told_already(shown, sign):
            return owed
        if shown is None and owed.sending == sign:
            return owed
        owed = replace(owed, sending=sign)
        desk.outbox.put(owed)
        try:
            tracker.add_comment(item, text)
        except TrackerError as error:
            if not error.arrived:
                owed = replace(owed, sending="")
                desk.outbox.put(owed)
            passing = error.trouble in (Trouble.UNREACHABLE, Trouble.BAD_ANSWER) and not error.slow
            if not left or not passing:
                raise
        else:
            return owed
    return owed


def deliver_all(desk: Desk, *, all_now: bool = False, failed: int = 0) -> Pass:
    """Tell every item whose time has come, one after the other; a failure is noted with the time of its next try.

    Those that failed least often come first: an item that the tracker never takes keeps no other one waiting.
    `all_now`: also those that wait for a later try, unless the tracker itself asked for that wait. `failed` says how
    many rounds in a row the tracker was out of reach.
    """
    told, times = 0, []
    waiting = sorted(desk.outbox.owed(), key=lambda owed: owed.tries)
    limited = max((owed.next_try for owed in waiting if owed.problem == Trouble.RATE_LIMITED), default=0.0)
    if limited > desk.clock.now().timestamp():
        return Pass(next_try=limited, down=True)
    for owed in waiting:
        now = desk.clock.now().timestamp()
        if owed.next_try > now and not all_now:
            times.append(owed.next_try)
            continue
        try:
            told += len(deliver(desk, owed))
        except BusyError:
            times.append(now + next_wait(1, 0.0))
        except TrackerError as error:
            times.append(postponed(desk, owed, error).next_try)
            if error.trouble in OF_THE_TRACKER:
                wait = next_wait(1 if told else failed + 1, desk.clock.roll(), error.retry_after_s)
                return Pass(told=told, next_try=desk.clock.now().timestamp() + wait, down=True)
    return Pass(told=told, next_try=min(times, default=None))


def postponed(desk: Desk, owed: Owed, error: TrackerError) -> Owed:
    """Note a failure in the outbox, and say it. What failed may have noted more there meanwhile."""
    kept = desk.outbox.get(owed.job) or owed
    tries = kept.tries + 1
    wait = next_wait(tries, desk.clock.roll(), error.retry_after_s)
    later = replace(kept, tries=tries, next_try=desk.clock.now().timestamp() + wait, problem=error.trouble.value)
    desk.outbox.put(later)
    desk.tell(f"{owed.job}: {owed.item} was not told ({error.trouble}): {error}; next try in {wait:.0f} s")
    return later
