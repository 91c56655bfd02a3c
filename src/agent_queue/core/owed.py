"""What the outbox keeps of a job whose tracker item waits for news."""

from dataclasses import dataclass

from agent_queue.core.job import JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A job whose item waits for news, as the outbox keeps it. Times are epoch seconds."""

    job: JobId
    item: str
    since: float
    tries: int = 0
    next_try: float = 0.0
    problem: str = ""
    """The kind of the last trouble; never a tracker's own words."""
    sending: str = ""
    """The mark of a comment that may have been posted, where the tracker cannot be asked for its comments."""
