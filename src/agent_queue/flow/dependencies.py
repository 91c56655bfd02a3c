"""What a job waits for: the jobs that it names, and how far they are."""

from agent_queue.core import dependencies
from agent_queue.core.choices import DepsMode
from agent_queue.ports import Queue


def unmet(queue: Queue, name: str, soft: bool) -> str | None:
    """Why a dependency is not met yet, None when it is. `soft`: testing suffices."""
    needed = queue.named(name)
    job = queue.job(needed) if needed is not None else None
    return dependencies.unmet(job.stage if job else None, DepsMode.SOFT if soft else DepsMode.HARD)
