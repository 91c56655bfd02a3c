"""The queue of one host: a folder for each stage, a file for each job. Satisfies `ports.Queue`."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress

from agent_queue.core.errors import AqError, ManifestError
from agent_queue.core.history import Entry, History
from agent_queue.core.job import JobId, Stage, bad_id
from agent_queue.core.lifecycle import Job, Kind, Move
from agent_queue.core.manifest import JobFile, parse
from agent_queue.core.meaning import Meaning
from agent_queue.core.names import Names
from agent_queue.ports import Changes, Clock, FileChange, Invalid
from agent_queue.queues import archive
from agent_queue.queues.examine import recorded
from agent_queue.queues.inbox import Inbox
from agent_queue.queues.runs import FileRunFolder
from agent_queue.queues.said import everything
from agent_queue.system import journal, locks, regular_file
from agent_queue.system.files import Disk
from agent_queue.system.layout import SUFFIX, Layout
from agent_queue.system.storage import storage_error


class FolderQueue:
    """Job files under one root. `meaning` fills what a job file leaves open, and names what it needs to start."""

    def __init__(self, layout: Layout, disk: Disk, clock: Clock, meaning: Meaning) -> None:
        self._layout = layout
        self._disk = disk
        self._clock = clock
        self._meaning = meaning
        self._names = Names(lambda: everything(layout))
        self._inbox = Inbox(self, layout, meaning, self._names)

    def look(self, files: Sequence[FileChange] | None = None) -> Changes:
        """What changed since the last look. The first one takes everything in."""
        return self._inbox.look(files)

    def invalid(self) -> list[Invalid]:
        """Files that cannot become jobs as they are, as of the last look."""
        return self._inbox.invalid()

    def named(self, name: str) -> JobId | None:
        """The job that a dependency means: the one with this idempotency key, else the one with this id."""
        found = self.keyed(name)
        if found is None and bad_id(name) is None and self.stages(JobId(name)):
            return JobId(name)
        return found

    def ask_names_anew(self) -> None:
        """Have keys and dependencies read again: another process may have added a job a moment ago."""
        self._names.reset()

    def keyed(self, key: str) -> JobId | None:
        """The job with this idempotency key, in whatever stage; of several the one that was there first."""
        return next((job for job in self._names.holders(key) if self.stages(job)), None)

    def needs(self, job: JobId) -> tuple[str, ...]:
        """What a job's file says under `deps`."""
        return self._names.needs(job)

    def jobs(self, *stages: Stage) -> list[Job]:
        """The jobs that lie in these stages, by id, read afresh; none whose journal cannot be gone on with."""
        found = [(stage, job) for stage in stages for job in self.ids(stage) if recorded(self._layout.journal(job))]
        return [Job(id=job, stage=stage, past=self.past(job)) for stage, job in found]

    def ids(self, stage: Stage) -> list[JobId]:
        """The legal ids in a stage's folder, sorted."""
        names = (name.removesuffix(SUFFIX) for name in os.listdir(self._layout.stage(stage)) if name.endswith(SUFFIX))
        return sorted(JobId(name) for name in names if bad_id(name) is None)

    def stages(self, job: JobId) -> list[Stage]:
        """Every stage in which a file of this id lies: one, unless a person copied it."""
        return [stage for stage in Stage if os.path.lexists(self._layout.job(stage, job))]

    def job(self, job: JobId) -> Job | None:
        """A job where it lies now; where it should lie, when a person made a copy."""
        found = self.stages(job)
        if not found:
            return None
        past = self.past(job)
        if past.unfinished and past.origin in found and past.stage in found and self._same(job, found):
            return Job(id=job, stage=past.origin, past=past)  # linked, not yet unlinked: a move to finish
        elsewhere = next((stage for stage in found if stage is not Stage.INBOX), found[0])
        stage = past.stage if past.stage in found else None
        return Job(id=job, stage=stage or elsewhere, past=past)

    def _same(self, job: JobId, stages: Sequence[Stage]) -> bool:
        """True when the files of this id are one file under several names."""
        try:
            return len({os.lstat(self._layout.job(stage, job)).st_ino for stage in stages}) == 1
        except FileNotFoundError:
            return False

    def past(self, job: JobId) -> History:
        return journal.read(self._layout.journal(job))

    def history(self, job: JobId) -> list[Entry]:
        """Every entry of the job's journal, oldest first."""
        try:
            with open(self._layout.journal(job), "rb") as file:
                return journal.entries(file.read())[0]
        except FileNotFoundError:
            return []

    def file(self, job: JobId) -> JobFile:
        """Read the job's file, with its profile and the defaults filled in.

        Raises:
            ManifestError: it does not parse, or its profile cannot be had. AqError: it is gone.
        """
        for stage in self.stages(job):
            path = self._layout.job(stage, job)
            try:
                found = parse(regular_file.read(path)[0], f"{job}{SUFFIX}")
            except FileNotFoundError:
                continue
            except OSError as error:
                raise AqError(f"cannot read {path}: {error.strerror}") from error
            try:
                return self._meaning.effective(found, f"{job}{SUFFIX}")
            except ManifestError:
                if stage is Stage.INBOX:
                    raise
                return self._meaning.without_profile(found)  # it runs or ran; the profile may have gone since
        raise AqError(f"{job}: its file is gone")

    def lock(self, job: JobId, names: Iterable[str] = ()) -> locks.FileLocks | None:
        """Take the job's lock and its mutexes, all or none; None when another process holds one of them."""
        mutexes = (self._layout.mutex(locks.name_of(name)) for name in names)
        return locks.take([self._layout.job_lock(job), *mutexes])

    def taken(self, job: JobId) -> bool:
        """True when the id names a job, or named one: an id names one job for ever."""
        return bool(self.stages(job)) or os.path.exists(self._layout.journal(job))

    def create(self, files: Sequence[tuple[JobId, bytes]]) -> list[bool]:
        """Put new jobs into the inbox, durably, in one batch; False where the id is taken, wherever its job lies."""
        free = [not self.taken(job) for job, _ in files]
        named = [
            (self._layout.job(Stage.INBOX, job), data)
            for (job, data), is_free in zip(files, free, strict=True)
            if is_free
        ]
        try:
            made = iter(self._disk.create(named))
        except OSError as error:
            raise storage_error(error, self._layout.stage(Stage.INBOX)) from error
        self._learn(job for job, is_free in zip((job for job, _ in files), free, strict=True) if is_free)
        return [is_free and next(made) for is_free in free]

    def replace(self, job: JobId, data: bytes, label: str) -> bool:
        """Give a waiting job, whose lock is ours, another text; the old one is kept under `archive/<label>/`.

        At every moment both places hold a whole text, so that no crash can lose the old one.
        """
        path = self._layout.job(Stage.INBOX, job)
        if not os.path.lexists(path):
            return False
        try:
            archive.supplant(self._layout, self._disk, job, path, data, label)
        except OSError as error:
            raise storage_error(error, path) from error
        self._learn([job])
        self._inbox.replaced(job)
        return True

    def _learn(self, jobs: Iterable[JobId]) -> None:
        for job in jobs:
            with suppress(AqError):  # a file that cannot be read says nothing
                self._names.learn(job, self.file(job).manifest)

    def settle(self, moves: Sequence[Move]) -> list[Move]:
        """Carry moves out as one batch: journal (flushed), rename, flush the folders, journal that it is done."""
        if not moves:
            return []
        now = self._clock.now()
        try:
            self._disk.append((self._layout.journal(move.job), journal.line(move.entry(), now)) for move in moves)
            done = [move for move in moves if self._rename(move)]
            for folder in [*{move.target for move in done}, *{move.origin for move in done}]:
                self._disk.sync_folder(self._layout.stage(folder))
            lines = [
                (self._layout.journal(move.job), journal.line({"event": "moved", "seq": move.seq}, now))
                for move in done
                if move.kind not in (Kind.BY_HAND, Kind.REBORN)
            ]
            self._disk.append(lines, durable=False)
        except OSError as error:
            raise storage_error(error, self._layout.root) from error
        for move in done:
            self._inbox.moved(move.job, move.origin, move.target)
        return done

    def finish(self, job: Job) -> bool:
        """Carry out a move that the journal announced and a crash cut short; False when the file is not there."""
        past = job.past
        if past.stage is None or past.origin is None:
            return False
        try:
            if not self._finish(job.id, past.origin, past.stage):
                return False
        except OSError as error:
            raise storage_error(error, self._layout.root) from error
        self.note(job.id, {"event": "moved", "seq": past.seq}, durable=False)
        self._inbox.finished(job.id, past.origin, past.stage)
        return True

    def _finish(self, job: JobId, origin: Stage, stage: Stage) -> bool:
        source, target = self._layout.job(origin, job), self._layout.job(stage, job)
        self._disk.sync_file(self._layout.journal(job))  # whoever announced the move may have died before the flush
        if os.path.lexists(target) and os.path.lexists(source) and os.path.samefile(source, target):
            self._disk.remove(source)  # a link without its unlink, where the system cannot rename safely
        elif not self._disk.move(source, target):
            return False
        self._disk.sync_folder(self._layout.stage(stage))
        self._disk.sync_folder(self._layout.stage(origin))
        return True

    def _rename(self, move: Move) -> bool:
        if move.kind in (Kind.BY_HAND, Kind.REBORN):
            return True  # the person's `mv` was the rename
        if move.origin is move.target:
            return True  # charged where it lies
        return self._disk.move(self._layout.job(move.origin, move.job), self._layout.job(move.target, move.job))

    def note(self, job: JobId, entry: Entry, *, durable: bool = True) -> None:
        """Append to the job's journal."""
        try:
            lines = [(self._layout.journal(job), journal.line(entry, self._clock.now()))]
            self._disk.append(lines, durable=durable)
        except OSError as error:
            raise storage_error(error, self._layout.root) from error

    def run_folder(self, job: JobId, run: int) -> FileRunFolder:
        return FileRunFolder(self._layout.run(job, run), self._disk)

    def archive(self, job: JobId, label: str) -> bool:
        """Put the run folders of a finished job away under `archive/<label>/`, and remove its lock file.

        Call it while holding that lock. Job file and journal stay: keys and dependencies still hold.
        """
        try:
            moved = archive.put_away(self._layout, self._disk, job, label)
            self._disk.remove(self._layout.job_lock(job))
        except OSError as error:
            raise storage_error(error, self._layout.root) from error
        return moved
