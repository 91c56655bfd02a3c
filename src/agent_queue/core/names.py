"""Which job a key means, and what each job needs, kept in memory: read from the files when first asked for."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from agent_queue.core.job import JobId
from agent_queue.core.manifest import Manifest


class Said(NamedTuple):
    """What a job's file says. The order of the fields is that in which jobs came: those in work before the inbox."""

    waits: bool
    written_ns: int
    job: JobId
    key: str
    """Its idempotency key, '' for none."""
    deps: tuple[str, ...]


class Names:
    """`read` gives what all files say; from then on `learn` keeps it up to date."""

    def __init__(self, read: Callable[[], Iterable[Said]]) -> None:
        self._read = read
        self._asked = False
        self._said: dict[JobId, tuple[str, tuple[str, ...]]] = {}
        self._holders: dict[str, list[JobId]] = {}

    def holders(self, key: str) -> list[JobId]:
        """The jobs with this key, the one that came first before the others. Their files may have gone since."""
        self._ask()
        return self._holders.get(key, [])

    def needs(self, job: JobId) -> tuple[str, ...]:
        """What a job's file says under `deps`."""
        self._ask()
        return self._said.get(job, ("", ()))[1]

    def knows(self, job: JobId) -> bool:
        """False for a job that came since the files were read, and was not learnt."""
        return not self._asked or job in self._said

    def reset(self) -> None:
        """Read the files anew when somebody asks next."""
        self._asked = False
        self._said.clear()
        self._holders.clear()

    def learn(self, job: JobId, manifest: Manifest) -> None:
        """Take in what a job's file says now. Nothing is kept before somebody asks: then all files are read."""
        if self._asked:
            self._take(job, manifest.idempotency_key or "", manifest.deps)

    def rivals(self, job: JobId) -> set[JobId]:
        """The other jobs with the same key."""
        key, _ = self._said.get(job, ("", ()))
        return set(self._holders.get(key, ())) - {job}

    def _ask(self) -> None:
        if not self._asked:
            found = sorted(self._read())
            self._asked = True  # not before: files that could not be read this time are asked for again
            for said in found:
                self._take(said.job, said.key, said.deps)

    def _take(self, job: JobId, key: str, deps: tuple[str, ...]) -> None:
        if job not in self._said or self._said[job][0] != key:
            old, _ = self._said.get(job, ("", ()))
            if old:
                self._holders[old].remove(job)
            if key:
                self._holders.setdefault(key, []).append(job)
        self._said[job] = (key, deps)
