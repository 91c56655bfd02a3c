"""What the supervisor knows of the folders without reading them again: who waits, what is invalid, where a job lies."""

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress

from agent_queue.core.errors import AqError
from agent_queue.core.job import FINAL, JobId, Stage
from agent_queue.core.lifecycle import Job, by_hand
from agent_queue.core.meaning import Meaning
from agent_queue.core.names import Names
from agent_queue.core.schedule import Waiting
from agent_queue.ports import Changes, FileChange, Invalid, Queue
from agent_queue.queues import examine
from agent_queue.queues.examine import as_left, bad_name, circular_jobs, job_name, waiting_or_invalid
from agent_queue.queues.vanished import Vanished
from agent_queue.system.layout import SUFFIX, Layout

SETTLED_S = 0.2
"""A file that nobody says is whole must have kept its size and time for this long."""


class Inbox:
    """Kept up to date by `look`, which is told which files changed, or looks at the names in every folder."""

    def __init__(self, queue: Queue, layout: Layout, meaning: Meaning, names: Names) -> None:
        self._queue = queue
        self._layout = layout
        self._meaning = meaning
        self._names = names
        self._places: dict[str, tuple[JobId, Stage]] = {}
        """By id, ignoring case: two that differ in case only would share a branch on some systems."""
        self._waiting: dict[JobId, Waiting] = {}
        self._invalid: dict[str, Invalid] = {}
        self._unsettled: dict[str, tuple[int, int, float]] = {}
        self._vanished = Vanished()
        self._returned: list[str] = []
        """Files that we moved into or out of the inbox since the last look: whole, and not to be waited for."""
        self._folder_times: dict[Stage, int] = {}
        self._started = False

    def invalid(self) -> list[Invalid]:
        circular = circular_jobs(self._waiting.values(), self._queue.named)
        return sorted([*self._invalid.values(), *circular], key=lambda invalid: (invalid.stage.value, invalid.name))

    def look(self, files: Sequence[FileChange] | None) -> Changes:
        """Take in what changed. None, or an empty path among `files`, looks at the names in every folder."""
        found = _Found()
        unsettled = list(self._unsettled)
        returned, self._returned = self._returned, []
        for path in returned:
            self._handle(path, found, whole=True)
        any_file = any(not change.path for change in files or ())
        if files is None or any_file:
            for path in self._changed_names():
                self._handle(path, found, whole=False)
        for path in self._edited() if any_file else ():
            self._handle(path, found, whole=False)
        for change in files or ():
            self._handle(change.path, found, whole=change.whole)
        for path in unsettled:
            self._handle(path, found, whole=False)
        self._started = True
        return Changes(
            waiting=found.waiting, gone=found.gone, by_hand=found.by_hand, vanished=self._vanished.for_good(),
            look_again_s=SETTLED_S if self._unsettled or self._vanished else None,
        )  # fmt: skip

    def moved(self, job: JobId, origin: Stage, target: Stage) -> None:
        """Remember a move of our own, so that the news of it is no news."""
        self._places[job.casefold()] = (job, target)
        if origin is Stage.INBOX:
            self._waiting.pop(job, None)
        if target is Stage.INBOX:
            self._returned.append(self._layout.job(Stage.INBOX, job))

    def replaced(self, job: JobId) -> None:
        """Remember that a waiting job was given another text by us."""
        self._returned.append(self._layout.job(Stage.INBOX, job))

    def finished(self, job: JobId, origin: Stage, target: Stage) -> None:
        """Remember a move that was finished for a dead process. Nobody decided it here, so it is news to the inbox."""
        self._places[job.casefold()] = (job, target)
        self._returned += [self._layout.job(Stage.INBOX, job)] if Stage.INBOX in (origin, target) else []

    def _changed_names(self) -> list[str]:
        """Paths that came or went since the last full look, told by folder times and names alone."""
        paths: list[str] = []
        for stage in reversed(Stage):  # the inbox last: a copy there of a job that lies elsewhere is the duplicate
            folder = self._layout.stage(stage)
            modified = os.stat(folder).st_mtime_ns
            if self._folder_times.get(stage) == modified:
                continue
            # Two changes within one tick of the clock share a time: trust it only once it is in the past.
            self._folder_times[stage] = modified if time.time_ns() - modified > 2_000_000_000 else 0
            names = set(os.listdir(folder))
            known = {f"{job}{SUFFIX}" for job, where in self._places.values() if where is stage}
            bad = {invalid.name for invalid in self._invalid.values() if invalid.stage is stage}
            paths += [f"{folder}/{name}" for name in sorted((names - known) | (known - names) | (bad - names))]
        return paths

    def _edited(self) -> list[str]:
        """Paths in the inbox that were written since they were last read. Only lost news is worth a look at each."""
        times = {job: row.age for job, row in self._waiting.items()}
        with os.scandir(self._layout.stage(Stage.INBOX)) as entries:
            return sorted(
                entry.path
                for entry in entries
                if entry.name.endswith(SUFFIX)
                and examine.written_ns(entry.path) != times.get(JobId(entry.name.removesuffix(SUFFIX)))
            )

    def _handle(self, path: str, found: "_Found", *, whole: bool) -> None:
        folder, _, name = path.rpartition("/")
        stem, stage = job_name(name), _STAGES.get(folder.rpartition("/")[2])
        if stem is None or stage is None:
            return
        job = JobId(stem)
        if not os.path.lexists(path):
            self._forget(path, job, stage, found)
            return
        if (problem := bad_name(stem, stage)) is not None:
            self._refuse(path, problem, found)
            return
        if stage is Stage.INBOX and not whole and not self._settled(path):
            return
        self._unsettled.pop(path, None)
        known = self._places.get(job.casefold())
        if known is not None and known != (job, stage) and os.path.lexists(self._layout.job(known[1], known[0])):
            problem_text = f"{name}: duplicate id: also in {known[1]}/ as {known[0]}{SUFFIX}; rename one of them"
            self._refuse(path, Invalid(name=name, stage=stage, problem=problem_text), found)
            return
        if known == (job, stage) and stage is not Stage.INBOX:
            return
        self._settle_in(path, job, stage, found)

    def _settle_in(self, path: str, job: JobId, stage: Stage, found: "_Found") -> None:
        """A file lies in a stage: explain how it came there, and take it in where it waits."""
        self._vanished.back(job)
        told, final = len(found.by_hand), not self._started and stage in FINAL
        if not (final and as_left(path, self._layout.journal(job))):
            if (problem := examine.unrecorded(job, stage, self._layout.journal(job))) is not None:
                self._refuse(path, problem, found, job)
                return
            if not self._explained(job, stage, found):
                self._unsettled[path] = (-1, -1, 0.0)
                return
        if self._started and stage is not Stage.INBOX and len(found.by_hand) == told:
            # Another process moved it here, or a person dropped it here as a new file.
            found.by_hand.append(Job(id=job, stage=stage, past=self._queue.past(job)))
        self._places[job.casefold()] = (job, stage)
        self._invalid.pop(path, None)
        if stage is not Stage.INBOX:
            self._learn(job)
            if self._waiting.pop(job, None) is not None:
                found.gone.append(job)
            return
        try:
            rivals = self._names.rivals(job)
            row = waiting_or_invalid(path, job, self._queue, self._meaning, self._names)
            self._look_at(rivals - self._names.rivals(job))
        except FileNotFoundError:
            self._forget(path, job, stage, found)
            return
        if isinstance(row, Invalid):
            self._refuse(path, row, found, job)
        elif self._waiting.get(job) != row:
            self._waiting[job] = row
            found.waiting.append(row)

    def _look_at(self, jobs: Iterable[JobId]) -> None:
        """Read these files again: what stood in their way may be gone."""
        for job in jobs:
            if (path := self._layout.job(Stage.INBOX, job)) in self._invalid:
                self._unsettled[path] = (-1, -1, 0.0)

    def _learn(self, job: JobId) -> None:
        """Have a job known by its key that never waited here: a person put it straight into a later stage."""
        if not self._names.knows(job):
            with suppress(AqError):
                self._names.learn(job, self._queue.file(job).manifest)

    def _explained(self, job: JobId, stage: Stage, found: "_Found") -> bool:
        """Journal a person's `mv`. False when another process holds the job right now: ask again later."""
        if by_hand(Job(id=job, stage=stage, past=self._queue.past(job))) is None:
            return True
        lock = self._queue.lock(job)
        if lock is None:
            # A person dragged a running job: whoever runs it must hear of it, and will settle the journal.
            found.by_hand.append(Job(id=job, stage=stage, past=self._queue.past(job)))
            return False
        try:
            move = by_hand(Job(id=job, stage=stage, past=self._queue.past(job)))
            if move is not None:
                self._queue.settle([move])
                found.by_hand.append(Job(id=job, stage=stage, past=self._queue.past(job)))
        finally:
            lock.close()
        return True

    def _settled(self, path: str) -> bool:
        """True when a file has kept its size and time for long enough to be whole."""
        try:
            now = os.stat(path)
        except OSError:
            return True  # a link that leads nowhere, or where we may not look: reading it will say so
        if time.time() - now.st_ctime >= SETTLED_S:
            return True
        last = self._unsettled.get(path)
        if last is not None and last[:2] == (now.st_size, now.st_mtime_ns):
            return time.monotonic() - last[2] >= SETTLED_S
        self._unsettled[path] = (now.st_size, now.st_mtime_ns, time.monotonic())
        return False

    def _refuse(self, path: str, problem: Invalid, found: "_Found", job: JobId | None = None) -> None:
        self._unsettled.pop(path, None)
        self._invalid[path] = problem
        if job is not None and self._waiting.pop(job, None) is not None:
            found.gone.append(job)

    def _forget(self, path: str, job: JobId, stage: Stage, found: "_Found") -> None:
        self._unsettled.pop(path, None)
        self._invalid.pop(path, None)
        if self._places.get(job.casefold()) == (job, stage):
            del self._places[job.casefold()]
            if stage in (Stage.BUILDING, Stage.REVIEW):
                self._vanished.away(job)
            self._look_at(self._names.rivals(job))
            copies = [other for other, it in self._invalid.items() if job_name(it.name.casefold()) == job.casefold()]
            self._unsettled.update(dict.fromkeys(copies, (-1, -1, 0.0)))  # one of them may be the job now
        if stage is Stage.INBOX and self._waiting.pop(job, None) is not None:
            found.gone.append(job)


_STAGES = {stage.value: stage for stage in Stage}


class _Found:
    """What one look found."""

    def __init__(self) -> None:
        self.waiting: list[Waiting] = []
        self.gone: list[JobId] = []
        self.by_hand: list[Job] = []
