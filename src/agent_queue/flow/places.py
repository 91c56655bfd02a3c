"""Where added files come to lie: a place of their own, the place of a waiting job with the same key, or none.

A key names one job. The same key and the same body make no second job; another body takes the place of the earlier one
as long as that waits, and is refused afterwards: nobody changes what an agent works on.
"""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Self

from agent_queue.core.dependencies import circles, circular
from agent_queue.core.errors import AqError, BusyError, ManifestError
from agent_queue.core.job import JobId, Stage, slug
from agent_queue.ports import Queue


class How(StrEnum):
    """What became of a file."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A file that can become a job. `name` is for messages; the job's slug comes from `stem`."""

    name: str
    stem: str
    data: bytes
    body: str
    key: str | None
    deps: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """The job that a file became, or is already, with what is odd about the file."""

    job: JobId
    source: str
    how: How = How.CREATED
    stage: Stage = Stage.INBOX
    warnings: tuple[str, ...] = ()


class Places:
    """Finds a place for each file first, then fills them all. As a context it holds the locks of replaced jobs."""

    def __init__(self, queue: Queue, now: datetime) -> None:
        self._queue = queue
        self._now = now
        self._found: list[tuple[Ready, Added]] = []
        self._locks = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._locks.close()

    def find(self, item: Ready) -> None:
        """Find the file's place.

        Raises:
            AqError: a job with its key is under way, or was given another body in the same call. BusyError: it is just
            being taken into work.
        """
        twin = self._twin(item)
        if twin is None:
            job, how, stage = self._free_id(item), How.CREATED, Stage.INBOX
        else:
            job, how, stage = twin
        self._found.append((item, Added(job=job, source=item.name, how=how, stage=stage, warnings=item.warnings)))

    def fill(self) -> list[Added]:
        """Make the new jobs and replace the old ones; on the disk when it returns.

        Raises:
            ManifestError: dependencies would run in a circle; nothing was made.
        """
        self._refuse_circles()
        new = [(added.job, item.data) for item, added in self._of(How.CREATED)]
        made = self._queue.create(new)
        if not all(made):
            raise AqError(f"{new[made.index(False)][0]} appeared in the inbox meanwhile", hint="add it again")
        for item, added in self._of(How.REPLACED):
            if not self._queue.replace(added.job, item.data, f"{self._now:%Y%m%d-%H%M%S}"):
                raise BusyError(f"{added.job} left the inbox meanwhile", hint="`aq status` shows where it lies")
            digest = sha256(item.body.encode(errors="surrogateescape")).hexdigest()
            self._queue.note(added.job, {"event": "replaced", "body_sha256": digest})
        return [added for _, added in self._found]

    def _of(self, how: How) -> Iterator[tuple[Ready, Added]]:
        return ((item, added) for item, added in self._found if added.how is how)

    def _twin(self, item: Ready) -> tuple[JobId, How, Stage] | None:
        """The job that has the file's key, and what that means for the file; None when no job has it."""
        if item.key is None:
            return None
        for other, added in self._found:
            if other.key == item.key:
                if other.body != item.body:
                    raise ManifestError(f"{item.name}: {other.name} has the key '{item.key}' too, and another body")
                return added.job, How.UNCHANGED, Stage.INBOX
        job = self._queue.keyed(item.key)
        found = self._queue.job(job) if job is not None else None
        if found is None:
            return None
        with suppress(ManifestError):  # a file that cannot be read says something else, whatever it says
            if self._queue.file(found.id).body == item.body:
                return found.id, How.UNCHANGED, found.stage
        return found.id, self._replaceable(found.id, item), Stage.INBOX

    def _replaceable(self, job: JobId, item: Ready) -> How:
        lock = self._queue.lock(job)
        if lock is not None:
            self._locks.callback(lock.close)
        now = self._queue.job(job)  # only under its lock is it still so
        if now is not None and now.stage is not Stage.INBOX:
            raise AqError(
                f"{item.name}: its key '{item.key}' is that of {job}, which is in {now.stage} with another body",
                hint="give it a key of its own, or `aq requeue` that job and add this again",
            )
        if lock is None or now is None:
            raise BusyError(f"{job} is in another process's hands", hint="add it again in a moment")
        return How.REPLACED

    def _free_id(self, item: Ready) -> JobId:
        taken = {added.job for _, added in self._found}
        wanted = name = f"{self._now:%Y%m%d-%H%M}__{slug(item.stem)}"
        number = 1
        while name in taken or self._queue.taken(JobId(name)):
            number += 1
            name = f"{wanted}-{number}"
        return JobId(name)

    def _refuse_circles(self) -> None:
        coming = {added.job: item for item, added in self._found if added.how is not How.UNCHANGED}
        keys = {item.key: job for job, item in coming.items() if item.key}

        def edges(job: JobId) -> Iterator[JobId]:
            needs = coming[job].deps if job in coming else self._waits_for(job)
            for name in needs:
                found = keys.get(name) or (JobId(name) if name in coming else self._queue.named(name))
                if found is not None:
                    yield found

        found: dict[JobId, tuple[JobId, ...]] = {}
        todo = [job for job, item in coming.items() if item.deps]
        while todo:
            if (job := todo.pop()) not in found:
                found[job] = tuple(edges(job))
                todo += found[job]
        ways = circles(found, JobId)
        for job, item in coming.items():
            if job in ways:
                raise ManifestError(f"{item.name}: {circular(ways[job])}", hint="nothing was added")

    def _waits_for(self, job: JobId) -> tuple[str, ...]:
        found = self._queue.job(job)
        return tuple(self._queue.needs(job)) if found is not None and found.stage is Stage.INBOX else ()
