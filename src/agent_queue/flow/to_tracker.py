"""A person has an item told how its job stands: at once, with the outbox behind it when the tracker fails."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from agent_queue.core.errors import UsageError
from agent_queue.core.job import JobId, Stage
from agent_queue.core.lifecycle import Job
from agent_queue.core.owed import Owed
from agent_queue.core.trouble import TrackerError
from agent_queue.flow.echo import Desk, deliver, drafts, item_of, postponed


class Heard(StrEnum):
    """What came of it."""

    TOLD = "told"
    ALREADY = "already"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What one item was told, or would be."""

    item: str
    job: JobId
    heard: Heard
    status: str = ""
    text: str = ""

    def to_json(self) -> dict[str, Any]:
        return {key: value or None for key, value in asdict(self).items()}


def preview(desk: Desk, job: JobId) -> Sent:
    """What would be sent; no tracker is asked for anything."""
    found, item = _found(desk, job)
    said = [told for _, told in drafts(desk, found, item, in_words=True)]
    if not said:
        return _none(found, item)
    return Sent(item=item, job=job, heard=Heard.TOLD, status=said[-1].status, text=said[-1].text)


def send(desk: Desk, job: JobId) -> Sent:
    """Tell the item.

    Raises:
        TrackerError: it could not be told; the job stays in the outbox, and the next supervisor tries again.
    """
    found, item = _found(desk, job)
    if not drafts(desk, found, item, in_words=True):
        return _none(found, item)
    owed = desk.outbox.get(job) or Owed(job=job, item=item, since=desk.clock.now().timestamp())
    desk.outbox.put(owed)
    try:
        told = deliver(desk, owed, in_words=True)
    except TrackerError as error:
        postponed(desk, owed, error)
        raise
    if not told:
        return _none(found, item)
    return Sent(item=item, job=job, heard=Heard.TOLD, status=told[-1].status, text=told[-1].text)


def _found(desk: Desk, job: JobId) -> tuple[Job, str]:
    found, item = desk.queue.job(job), item_of(desk.queue, job)
    if found is None:
        raise UsageError(f"no job is called {job}")
    if not item:
        raise UsageError(f"{job} belongs to no tracker item", hint="its file says `tracker-item: ID` when it does")
    return found, item


def _none(job: Job, item: str) -> Sent:
    return Sent(item=item, job=job.id, heard=Heard.NOTHING if job.stage is Stage.INBOX else Heard.ALREADY)
