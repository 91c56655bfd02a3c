"""The jobs that wait, in order of service: some may start, some wait for a time, some for another job."""

import heapq
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator

from agent_queue.core.job import JobId
from agent_queue.core.schedule import Waiting


class WaitingList:
    """Kept in memory by the supervisor: reading the folder again for every claim collapses at 100,000 jobs.

    `unmet` names a dependency of a job that is not met, None when all are. A job that waits for another is parked under
    that name, so that choosing never passes by it, until `free` is told that something of that name got on.
    """

    def __init__(self, unmet: Callable[[Waiting], str | None]) -> None:
        self._unmet = unmet
        self._rows: dict[JobId, Waiting] = {}
        self._ready: list[Waiting] = []
        self._later: list[tuple[float, Waiting]] = []
        self._parked: dict[str, set[JobId]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(self._rows.values())

    def put(self, row: Waiting, now: float) -> None:
        """Take a job in, or take in what changed about it."""
        self.drop(row.id)
        self._rows[row.id] = row
        if row.next_eligible > now:
            heapq.heappush(self._later, (row.next_eligible, row))
        else:
            self._admit(row)

    def drop(self, job: JobId) -> None:
        """Forget a job; one that does not wait is fine."""
        row = self._rows.pop(job, None)
        if row is None:
            return
        index = bisect_left(self._ready, row)
        if self._ready[index : index + 1] == [row]:
            del self._ready[index]
        for name in row.deps:
            self._parked.get(name, set()).discard(job)

    def free(self, names: Iterable[str]) -> None:
        """A job of these names has got on: look again at those that wait for it."""
        for name in names:
            for job in self._parked.pop(name, ()):
                self._admit(self._rows[job])

    def ready(self, now: float) -> list[Waiting]:
        """Those whose time has come, in order of service. `now` is in epoch seconds. Not to be changed."""
        while self._later and self._later[0][0] <= now:
            _, row = heapq.heappop(self._later)
            if self._rows.get(row.id) == row:  # else it was dropped or changed since
                self._admit(row)
        return self._ready

    def later(self, now: float) -> list[Waiting]:
        """Those whose time has not come."""
        return [row for row in self._rows.values() if row.next_eligible > now]

    def next_time(self) -> float | None:
        """When the next job's time comes, epoch seconds; None when no job waits for a time."""
        while self._later and self._rows.get(self._later[0][1].id) != self._later[0][1]:
            heapq.heappop(self._later)
        return self._later[0][0] if self._later else None

    def _admit(self, row: Waiting) -> None:
        name = self._unmet(row) if row.deps else None
        if name is not None:
            self._parked.setdefault(name, set()).add(row.id)
        elif self._ready[(index := bisect_left(self._ready, row)) : index + 1] != [row]:
            insort(self._ready, row)  # unless it was dropped and put again, and is there already
