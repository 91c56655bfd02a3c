"""What a job waits for: the jobs that it names, and how far they are."""

from functools import partial

from agent_queue.core import dependencies
from agent_queue.core.choices import DepsMode
from agent_queue.core.errors import AqError
from agent_queue.core.job import JobId
from agent_queue.core.schedule import Room, Waiting
from agent_queue.core.schedule import unmet as unmet_in
from agent_queue.ports import Queue


def unmet(queue: Queue, name: str, soft: bool) -> str | None:
    """Why a dependency is not met yet, None when it is. `soft`: testing suffices."""
    needed = queue.named(name)
    job = queue.job(needed) if needed is not None else None
    return dependencies.unmet(job.stage if job else None, DepsMode.SOFT if soft else DepsMode.HARD)


def first_unmet(queue: Queue, row: Waiting) -> str | None:
    """The first dependency of a waiting job that is not met; None when all are."""
    found = unmet_in(row, Room(slots=0, unmet=partial(unmet, queue)))
    return found[0] if found else None


def names_of(queue: Queue, job: JobId) -> list[str]:
    """What other jobs may call a job under `deps`: its id, and its idempotency key."""
    try:
        key = queue.file(job).manifest.idempotency_key
    except AqError:
        key = None  # a file that cannot be read has no key
    return [job, *([key] if key else [])]
