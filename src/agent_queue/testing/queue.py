"""A queue in memory, for tests of whatever uses a queue. It passes `QueueContract`, as the one in folders does."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from errno import ENOENT

from agent_queue.core.board import Changes, FileChange, Invalid
from agent_queue.core.errors import AqError
from agent_queue.core.history import Entry, History, fold
from agent_queue.core.job import JobId, Stage, bad_id
from agent_queue.core.lifecycle import Job, Kind, Move
from agent_queue.core.manifest import JobFile, parse
from agent_queue.core.meaning import Meaning
from agent_queue.core.names import Names, Said
from agent_queue.system import journal
from agent_queue.testing.look import Look, stem_of
from agent_queue.testing.machine import SUFFIX, Machine, place


class MemoryLock:
    """Satisfies `ports.Lock`."""

    def __init__(self, machine: Machine, numbers: tuple[int, ...]) -> None:
        self._machine = machine
        self._numbers = numbers

    def filenos(self) -> tuple[int, ...]:
        return self._numbers

    def close(self) -> None:
        numbers, self._numbers = self._numbers, ()
        self._machine.close(numbers)


class MemoryRunFolder:
    """Satisfies `ports.RunFolder`."""

    def __init__(self, machine: Machine, path: str) -> None:
        self.path = path
        self._machine = machine

    def path_of(self, name: str) -> str:
        return f"{self.path}/{name}"

    def read(self, name: str) -> bytes | None:
        return self._machine.read(self._found(name))

    def _found(self, name: str) -> str:
        """Where it lies: in the archive, once the run was put away."""
        tail = f"/{self.path_of(name).removeprefix('runs/')}"
        kept = sorted(path for path in self._machine.files if path.startswith("archive/") and path.endswith(tail))
        here = any(path.startswith(f"{self.path}/") for path in self._machine.files)
        return kept[-1] if kept and not here else self.path_of(name)

    def write(self, name: str, data: bytes, *, durable: bool = False) -> None:  # noqa: ARG002 - memory is
        self._machine.put(self.path_of(name), data)

    def copy(self, name: str, source: str) -> None:
        data = self._machine.read(source)
        if data is None:
            raise FileNotFoundError(ENOENT, "it is not there", source)
        self._machine.put(self.path_of(name), data)

    def log(self, name: str, offset: int, limit: int) -> bytes:
        return (self.read(name) or b"")[offset : offset + limit]

    def tail(self, name: str, limit: int) -> bytes:
        return (self.read(name) or b"")[-limit:]

    def written_at(self, name: str) -> float | None:
        file = self._machine.files.get(self._found(name))
        return file.written_ns / 1e9 if file else None


class MemoryQueue:
    """One process's view of the queue on a machine. Satisfies `ports.Queue`."""

    def __init__(self, machine: Machine, meaning: Meaning | None = None) -> None:
        self._machine = machine
        self._meaning = meaning or Meaning()
        self._look = Look(self, machine, self._meaning)
        self._locks: list[MemoryLock] = []

    def look(self, files: Sequence[FileChange] | None = None) -> Changes:  # noqa: ARG002 - it looks at all of them
        return self._look.look()

    def invalid(self) -> list[Invalid]:
        return sorted([*self._look.invalid, *self._look.circular()], key=lambda problem: problem.name)

    def create(self, files: Sequence[tuple[JobId, bytes]]) -> list[bool]:
        made = []
        for job, data in files:
            free = not self.taken(job)
            made.append(free)
            if free:
                self._machine.put(_path(job, Stage.INBOX), data)
        return made

    def taken(self, job: JobId) -> bool:
        return bool(self._stages(job)) or self._machine.read(_journal(job)) is not None

    def named(self, name: str) -> JobId | None:
        found = self.keyed(name)
        if found is None and bad_id(name) is None and self._stages(JobId(name)):
            return JobId(name)
        return found

    def keyed(self, key: str) -> JobId | None:
        return next((job for job in Names(self._said).holders(key) if self._stages(job)), None)

    def needs(self, job: JobId) -> tuple[str, ...]:
        return Names(self._said).needs(job)

    def replace(self, job: JobId, data: bytes, label: str) -> bool:
        old = self._machine.read(_path(job, Stage.INBOX))
        if old is None:
            return False
        self._machine.put(f"archive/{label}/{job}{SUFFIX}", old)
        self._machine.put(_path(job, Stage.INBOX), data)
        return True

    def jobs(self, *stages: Stage) -> list[Job]:
        return [Job(id=job, stage=stage, past=self.past(job)) for stage in stages for job in self.ids(stage)]

    def ids(self, stage: Stage) -> list[JobId]:
        stems = [stem_of(name) for found, name in self._machine.job_files() if found is stage]
        return sorted(JobId(stem) for stem in stems if stem and bad_id(stem) is None)

    def job(self, job: JobId) -> Job | None:
        found, past = self._stages(job), self.past(job)
        if not found:
            return None
        elsewhere = next((stage for stage in found if stage is not Stage.INBOX), found[0])
        return Job(id=job, stage=past.stage if past.stage in found else elsewhere, past=past)

    def file(self, job: JobId) -> JobFile:
        found = self.job(job)
        data = self._machine.read(_path(job, found.stage)) if found else None
        if data is None:
            raise AqError(f"{job}: its file is gone")
        return self._meaning.effective(parse(data, f"{job}{SUFFIX}"), f"{job}{SUFFIX}")

    def lock(self, job: JobId, names: Iterable[str] = ()) -> MemoryLock | None:
        numbers = self._machine.take([f"job {job}", *(f"name {name}" for name in names)])
        if numbers is None:
            return None
        lock = MemoryLock(self._machine, numbers)
        self._locks.append(lock)
        return lock

    def settle(self, moves: Sequence[Move]) -> list[Move]:
        for move in moves:
            self.note(move.job, move.entry())
        done = []
        for move in moves:
            by_hand = move.kind in (Kind.BY_HAND, Kind.REBORN)  # the person's `mv` was the rename
            if by_hand or move.origin is move.target or self._rename(move.job, move.origin, move.target):
                done.append(move)
                self._look.moved(move.job, move.origin, move.target)
                if not by_hand:
                    self.note(move.job, {"event": "moved", "seq": move.seq})
        return done

    def finish(self, job: Job) -> bool:
        past = job.past
        if past.stage is None or past.origin is None or not self._rename(job.id, past.origin, past.stage):
            return False
        self.note(job.id, {"event": "moved", "seq": past.seq})
        self._look.finished(job.id, past.stage)
        return True

    def note(self, job: JobId, entry: Entry, *, durable: bool = True) -> None:  # noqa: ARG002 - memory is
        self._machine.append(_journal(job), journal.line(entry, self._machine.clock.now()))

    def past(self, job: JobId) -> History:
        found, skipped = journal.entries(self._machine.read(_journal(job)) or b"")
        return fold(found, skipped=skipped)

    def history(self, job: JobId) -> list[Entry]:
        """Every entry of the job's journal, oldest first."""
        return journal.entries(self._machine.read(_journal(job)) or b"")[0]

    def run_folder(self, job: JobId, run: int) -> MemoryRunFolder:
        return MemoryRunFolder(self._machine, f"runs/{job}/{run}")

    def archive(self, job: JobId, label: str) -> bool:
        runs = [path for path in self._machine.files if path.startswith(f"runs/{job}/")]
        for path in runs:
            self._machine.rename(path, f"archive/{label}/{path.removeprefix('runs/')}")
        return bool(runs)

    def dies(self) -> None:
        """The process of this view dies: the kernel closes what it holds. Its shims still hold what they share."""
        for lock in self._locks:
            lock.close()
        self._locks.clear()

    def _rename(self, job: JobId, origin: Stage, target: Stage) -> bool:
        return self._machine.rename(_path(job, origin), _path(job, target))

    def _said(self) -> Iterator[Said]:
        for stage, name in self._machine.job_files():
            file = self._machine.files[place(stage, name)]
            with suppress(AqError):
                said = parse(file.data, name).manifest
                job, key = JobId(name.removesuffix(SUFFIX)), said.idempotency_key or ""
                yield Said(stage is Stage.INBOX, file.written_ns, job, key, said.deps)

    def _stages(self, job: JobId) -> list[Stage]:
        return [stage for stage in Stage if _path(job, stage) in self._machine.files]


def _path(job: JobId, stage: Stage) -> str:
    return place(stage, f"{job}{SUFFIX}")


def _journal(job: JobId) -> str:
    return f"journal/{job}.jsonl"
