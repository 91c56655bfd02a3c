"""Files of jobs in work that are nowhere any more. An editor may take one away for a moment; a person does for good."""

import time

from agent_queue.core.job import JobId

SURE_S = 1.0
"""For so long a file must have been away."""


class Vanished:
    """Since when each has been away."""

    def __init__(self) -> None:
        self._since: dict[JobId, float] = {}

    def __bool__(self) -> bool:
        return bool(self._since)

    def away(self, job: JobId) -> None:
        self._since.setdefault(job, time.monotonic())

    def back(self, job: JobId) -> None:
        self._since.pop(job, None)

    def for_good(self) -> list[JobId]:
        """Those that have been away for long enough, each once."""
        now = time.monotonic()
        found = [job for job, since in self._since.items() if now - since >= SURE_S]
        for job in found:
            del self._since[job]
        return found
