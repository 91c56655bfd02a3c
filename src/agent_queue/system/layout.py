"""The folders of a queue: which file lies where. Paths only; nothing is read or written here."""

import os
from dataclasses import dataclass

from agent_queue.core.job import JobId, Stage

SUFFIX = ".md"


@dataclass(frozen=True, slots=True)
class Layout:
    """A queue's root and everything below it."""

    root: str

    def stage(self, stage: Stage) -> str:
        return f"{self.root}/{stage.value}"

    def job(self, stage: Stage, job: JobId) -> str:
        return f"{self.root}/{stage.value}/{job}{SUFFIX}"

    def journal(self, job: JobId) -> str:
        return f"{self.root}/journal/{job}.jsonl"

    def run(self, job: JobId, run: int) -> str:
        return f"{self.root}/runs/{job}/{run}"

    def job_lock(self, job: JobId) -> str:
        return f"{self.root}/locks/jobs/{job}"

    def mutex(self, name: str) -> str:
        return f"{self.root}/locks/names/{name}"

    @property
    def work(self) -> str:
        return f"{self.root}/work"

    @property
    def scratch(self) -> str:
        return f"{self.root}/.aq/tmp"

    @property
    def own(self) -> str:
        """What aq keeps for itself: locks of the whole queue and caches."""
        return f"{self.root}/.aq"

    @property
    def outbox(self) -> str:
        """Jobs whose tracker items wait for news."""
        return f"{self.root}/outbox"

    @property
    def settings(self) -> str:
        return f"{self.root}/config.toml"

    def lane(self, engine: str) -> str:
        """The file by which a person keeps an engine from starting."""
        return f"{self.root}/lanes/{engine}.paused"

    def folders(self) -> tuple[str, ...]:
        """Every folder that a queue has from the start."""
        names = (*(stage.value for stage in Stage), "journal", "runs", "work", "profiles", "locks/jobs", "locks/names",
                 "lanes", "outbox", "archive", ".aq/tmp")  # fmt: skip
        return tuple(f"{self.root}/{name}" for name in names)

    def exists(self) -> bool:
        """True when every folder is there."""
        return all(os.path.isdir(folder) for folder in self.folders())

    def holds_jobs(self) -> bool:
        """True when the folders are there that hold what cannot be made again."""
        return all(os.path.isdir(folder) for folder in (*map(self.stage, Stage), f"{self.root}/journal"))

    def made_by_hand(self) -> bool:
        """True for a folder with an inbox in which no aq has worked yet: nothing that is missing can have been lost."""
        worked = ("journal", "runs", "work")
        return os.path.isdir(self.stage(Stage.INBOX)) and not any(
            os.path.exists(f"{self.root}/{name}") for name in worked
        )
