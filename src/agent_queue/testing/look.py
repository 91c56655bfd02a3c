"""What changed in a queue in memory since it was last looked at: who waits, what is invalid, what a person moved."""

from collections.abc import Callable

from agent_queue.core.board import Changes, Invalid
from agent_queue.core.errors import ManifestError
from agent_queue.core.job import JobId, Stage, bad_id, renamed
from agent_queue.core.lifecycle import Job, by_hand
from agent_queue.core.manifest import Manifest, parse
from agent_queue.core.schedule import Waiting
from agent_queue.ports import Queue
from agent_queue.testing.machine import SUFFIX, Machine, place

AGAIN_S = 0.2


def stem_of(name: str) -> str | None:
    """The stem of a file that may be a job; None for what is none of ours."""
    return None if name.startswith(".") or not name.endswith(SUFFIX) else name.removesuffix(SUFFIX)


class Look:
    """Compares all files with what it saw the last time: in memory that costs nothing."""

    def __init__(
        self, queue: Queue, machine: Machine, defaults: Manifest, mutexes: Callable[[Manifest], tuple[str, ...]]
    ) -> None:
        self._queue = queue
        self._machine = machine
        self._defaults = defaults
        self._mutexes = mutexes
        self._places: dict[str, str] = {}
        """Path by id, ignoring case."""
        self._waiting: dict[JobId, Waiting] = {}
        self.invalid: list[Invalid] = []
        self._started = False
        self._settled_at = -1

    def look(self) -> Changes:
        """Take in every change."""
        if self._settled_at == self._machine.version:
            return Changes()
        places: dict[str, str] = {}
        waiting: dict[JobId, Waiting] = {}
        moved: list[Job] = []
        self.invalid, again = [], False
        for stage, name, stem in self._known_first():
            path, other = place(stage, name), places.get(stem.casefold())
            if (reason := bad_id(stem)) is not None:
                self._refuse(name, stage, f"{name}: {reason}; rename it to {renamed(stem)}{SUFFIX}")
            elif other is not None:
                self._refuse(name, stage, f"{name}: duplicate id: also in {other}; rename one of them")
            else:
                places[stem.casefold()] = path
                job = JobId(stem)
                if not self._explained(job, stage, moved):
                    again = True
                elif stage is Stage.INBOX:
                    self._examine(path, name, job, waiting)
        changes = Changes(
            waiting=[row for job, row in waiting.items() if self._waiting.get(job) != row],
            gone=[job for job in self._waiting if job not in waiting],
            by_hand=moved, look_again_s=AGAIN_S if again else None,
        )  # fmt: skip
        self._places, self._waiting, self._started = places, waiting, True
        self._settled_at = -1 if again else self._machine.version
        return changes

    def moved(self, job: JobId, origin: Stage, target: Stage) -> None:
        """Remember a move of our own, so that the news of it is no news."""
        self._places[job.casefold()] = place(target, f"{job}{SUFFIX}")
        if origin is Stage.INBOX:
            self._waiting.pop(job, None)

    def finished(self, job: JobId, target: Stage) -> None:
        """Remember a move that was finished for a dead process. Nobody decided it here, so it is news to the inbox."""
        self._places[job.casefold()] = place(target, f"{job}{SUFFIX}")

    def _known_first(self) -> list[tuple[Stage, str, str]]:
        """(stage, name, stem) of what may be a job; of two with one id, the one that was there before goes first."""
        files = [(stage, name, stem) for stage, name in self._machine.job_files() if (stem := stem_of(name))]
        return sorted(files, key=lambda file: self._places.get(file[2].casefold()) != place(file[0], file[1]))

    def _explained(self, job: JobId, stage: Stage, moved: list[Job]) -> bool:
        """Journal a person's `mv`. False when another process holds the job right now: ask again later."""
        found = Job(id=job, stage=stage, past=self._queue.past(job))
        if by_hand(found) is None:
            elsewhere = self._places.get(job.casefold()) != place(stage, f"{job}{SUFFIX}")
            if self._started and elsewhere and stage is not Stage.INBOX:
                moved.append(found)
            return True
        lock = self._queue.lock(job)
        if lock is None:
            moved.append(found)
            return False
        move = by_hand(found)
        assert move is not None
        self._queue.settle([move])
        lock.close()
        moved.append(Job(id=job, stage=stage, past=self._queue.past(job)))
        return True

    def _examine(self, path: str, name: str, job: JobId, waiting: dict[JobId, Waiting]) -> None:
        file = self._machine.files[path]
        try:
            read = parse(file.data, name)
        except ManifestError as error:
            self._refuse(name, Stage.INBOX, str(error))
            return
        manifest = read.manifest.under(self._defaults)
        missing = [key for key, value in (("cwd", manifest.cwd), ("body", read.body.strip())) if not value]
        missing += [] if manifest.engine or manifest.engine_class else ["engine"]
        if missing:
            self._refuse(name, Stage.INBOX, f"{name}:1:1: no {missing[0]}")
            return
        waiting[job] = Waiting(
            rank=manifest.priority.rank, age=file.written_ns, id=job, engine=manifest.engine or "",
            locks=self._mutexes(manifest), deps=manifest.deps, next_eligible=self._queue.past(job).next_eligible,
        )  # fmt: skip

    def _refuse(self, name: str, stage: Stage, problem: str) -> None:
        self.invalid.append(Invalid(name=name, stage=stage, problem=problem))
