"""The jobs that wait, in order of service: those whose time has come in one list, the others by when it comes."""

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterator

from agent_queue.core.job import JobId
from agent_queue.core.schedule import Waiting


class WaitingList:
    """Kept in memory by the supervisor: reading the folder again for every claim collapses at 100,000 jobs."""

    def __init__(self) -> None:
        self._rows: dict[JobId, Waiting] = {}
        self._ready: list[Waiting] = []
        self._later: list[tuple[float, Waiting]] = []

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
            insort(self._ready, row)

    def drop(self, job: JobId) -> None:
        """Forget a job; one that does not wait is fine."""
        row = self._rows.pop(job, None)
        if row is None:
            return
        index = bisect_left(self._ready, row)
        if self._ready[index : index + 1] == [row]:
            del self._ready[index]

    def ready(self, now: float) -> list[Waiting]:
        """Those whose time has come, in order of service. `now` is in epoch seconds. Not to be changed."""
        while self._later and self._later[0][0] <= now:
            _, row = heapq.heappop(self._later)
            index = bisect_left(self._ready, row)
            # Else it was dropped or changed since; or dropped and put again, and is there already.
            if self._rows.get(row.id) == row and self._ready[index : index + 1] != [row]:
                self._ready.insert(index, row)
        return self._ready

    def later(self, now: float) -> list[Waiting]:
        """Those whose time has not come."""
        return [row for row in self._rows.values() if row.next_eligible > now]

    def next_time(self) -> float | None:
        """When the next job's time comes, epoch seconds; None when no job waits for a time."""
        while self._later and self._rows.get(self._later[0][1].id) != self._later[0][1]:
            heapq.heappop(self._later)
        return self._later[0][0] if self._later else None
