"""What changed in a queue in memory since it was last looked at: who waits, what is invalid, what a person moved."""

from agent_queue.core.board import Changes, Invalid
from agent_queue.core.choices import DepsMode
from agent_queue.core.dependencies import circles, circular, same_key
from agent_queue.core.errors import ManifestError
from agent_queue.core.fields import is_relative
from agent_queue.core.job import JobId, Stage, bad_id, renamed
from agent_queue.core.lifecycle import Job, by_hand
from agent_queue.core.manifest import parse
from agent_queue.core.meaning import Meaning
from agent_queue.core.schedule import Waiting
from agent_queue.ports import Queue
from agent_queue.testing.machine import SUFFIX, Machine, place

AGAIN_S = 0.2
IN_WORK = (place(Stage.BUILDING, ""), place(Stage.REVIEW, ""))


def stem_of(name: str) -> str | None:
    """The stem of a file that may be a job; None for what is none of ours."""
    return None if name.startswith(".") or not name.endswith(SUFFIX) else name.removesuffix(SUFFIX)


class Look:
    """Compares all files with what it saw the last time: in memory that costs nothing."""

    def __init__(self, queue: Queue, machine: Machine, meaning: Meaning) -> None:
        self._queue = queue
        self._machine = machine
        self._meaning = meaning
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
        away = (path for name, path in self._places.items() if name not in places and path.startswith(IN_WORK))
        changes = Changes(
            waiting=[row for job, row in waiting.items() if self._waiting.get(job) != row],
            gone=[job for job in self._waiting if job not in waiting],
            vanished=[JobId(path.rpartition("/")[2].removesuffix(SUFFIX)) for path in away],
            by_hand=moved, look_again_s=AGAIN_S if again else None,
        )  # fmt: skip
        self._places, self._waiting, self._started = places, waiting, True
        self._settled_at = -1 if again else self._machine.version
        return changes

    def circular(self) -> list[Invalid]:
        """The waiting jobs that wait for themselves."""
        needs = {job: row.deps for job, row in self._waiting.items() if row.deps}
        ways = circles(needs, self._queue.named)
        return [Invalid(name=f"{job}{SUFFIX}", stage=Stage.INBOX, problem=circular(way)) for job, way in ways.items()]

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
            read = self._meaning.effective(parse(file.data, name), name)
        except ManifestError as error:
            self._refuse(name, Stage.INBOX, str(error))
            return
        manifest = read.manifest
        missing = [key for key, value in (("cwd", manifest.cwd), ("body", read.body.strip())) if not value]
        missing += ["cwd that is not relative"] if is_relative(manifest.cwd or "/") else []
        missing += [] if manifest.engine or manifest.engine_class else ["engine"]
        if missing:
            self._refuse(name, Stage.INBOX, f"{name}:1:1: no {missing[0]}")
            return
        key = read.manifest.idempotency_key
        holder = self._queue.keyed(key) if key else None
        if key and holder not in (None, job):
            self._refuse(name, Stage.INBOX, f"{name}: {same_key(key, holder)}")
            return
        waiting[job] = Waiting(
            rank=manifest.priority.rank, age=file.written_ns, id=job, engines=self._meaning.engines(manifest),
            locks=self._meaning.mutexes(manifest), deps=manifest.deps, soft=manifest.deps_mode is DepsMode.SOFT,
            next_eligible=self._queue.past(job).eligible, fallback=self._meaning.fallback(manifest),
            profile=manifest.profile or "",
        )  # fmt: skip

    def _refuse(self, name: str, stage: Stage, problem: str) -> None:
        self.invalid.append(Invalid(name=name, stage=stage, problem=problem))
