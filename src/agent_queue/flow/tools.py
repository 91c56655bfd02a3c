"""What every chapter of the story needs at hand: the ports, the settings, and what a run is made of."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from agent_queue.core.capabilities import Lookup
from agent_queue.core.job import JobId, Stage
from agent_queue.core.lifecycle import Job, Kind, Policy
from agent_queue.core.limits import Vitals
from agent_queue.core.manifest import Manifest
from agent_queue.core.settings import Settings
from agent_queue.flow.lanes import Lanes
from agent_queue.ports import Clock, Engine, Host, Lock, Plan, Prices, Processes, Queue, RunFolder, Workspaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The world, as ports. `tell` says to people what happens, never what an agent or a prompt said."""

    queue: Queue
    workspaces: Workspaces
    processes: Processes
    clock: Clock
    settings: Settings
    host: Host
    environment: Mapping[str, str]
    engine: Callable[[str], Engine | None]
    """An adapter by name or `module:Class`; None when there is none."""
    program: Callable[[str], str | None]
    """A program by name or path, absolute; None when it is not there."""
    child_environment: Callable[[Mapping[str, str], tuple[str, ...]], tuple[dict[str, str], list[str]]]
    """What of an environment a child may see, and the names it may not."""
    side_files: Callable[[str], list[tuple[str, bytes]]]
    """The side files of an agent program that match a glob, by name with their bytes, oldest first."""
    prices: Prices
    offers: Lookup
    """What this host offers, for `capabilities`."""
    mutexes: Callable[[Manifest], tuple[str, ...]]
    closed_lanes: Callable[[], Mapping[str, str]]
    """Engine name to the reason why a person lets it take no job."""
    lanes: Lanes
    tell: Callable[[str], None]
    strain: Callable[[], str | None] = lambda: None
    """Why the machine takes no further job now."""
    vitals: Callable[[str, int | None], Vitals | None] = lambda _folder, _limit: None
    """What the processes of a run folder take; exactly, where it is more than this much memory."""
    changed_since: Callable[[str, float], bool] = lambda _folder, _since: False
    """True when something below a folder was written since then, epoch seconds."""
    cap_log: Callable[[str, int], None] = lambda _path, _most: None
    """Keep a log that grows to so many bytes of disk: its beginning and its end."""
    notify: Callable[[Mapping[str, Any]], None] = lambda _: None
    """Have the person's own command called; never waits."""


@dataclass(frozen=True, slots=True)
class Deed:
    """Something slow: the loop does it beside itself and sends its value back."""

    do: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Watch:
    """Wait for the end of a run folder's process, at most `timeout_s`; the loop sends True when it ended."""

    folder: str
    timeout_s: float | None = None


Value = TypeVar("Value")
Steps = Generator[Deed | Watch, Any, Value]
"""A chapter of a job's work: it yields what it waits for, and ends in a value."""


@dataclass(slots=True, kw_only=True)
class Run:
    """A job in work. `lock` is None while another process, its shim, still holds it."""

    job: Job
    manifest: Manifest
    body: str
    persona: str = ""
    plan: Plan
    lock: Lock | None
    mutexes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    engine: str = ""
    """The engine that it was let in for, '' for a run that was taken up."""

    @property
    def id(self) -> JobId:
        return self.job.id


class Abandoned(Exception):  # noqa: N818 - an ending, not an error
    """Nothing is ours to settle any more: the job was settled elsewhere, or its work is left to the next supervisor."""


LOOK_S = 0.2


def hold(run: Run, tools: Tools, path: str) -> Steps[None]:
    """Wait until the job's lock is ours, watching the process that holds it where one is known.

    A run whose file a person took away meanwhile has work to save all the same.

    Raises:
        Abandoned: meanwhile the job left its stage in another way.
    """
    if run.lock is not None:
        return
    while run.lock is None:
        yield Watch(path, None if path else LOOK_S)
        run.lock = tools.queue.lock(run.id, run.mutexes)
        if run.lock is None:
            yield Watch("", LOOK_S)
    job = tools.queue.job(run.id)
    if job is not None and job.stage is run.job.stage:
        run.job = job
        return
    run.job = _taken_away(run.job, tools)


def _taken_away(job: Job, tools: Tools) -> Job:
    """The job whose file a person took while its agent worked, as if it still lay there.

    The journal tells it from one that another process has carried on: no move of ours led away, and no end is noted.
    """
    past = tools.queue.past(job.id)
    told = (entry.get("event") for entry in tools.queue.history(job.id) if entry.get("run", past.run) == past.run)
    here = past.stage is job.stage or past.kind == Kind.BY_HAND
    if job.stage is not Stage.BUILDING or not here or past.run != job.past.run or "ended" in told:
        raise Abandoned
    return replace(job, past=past)


def policy_of(manifest: Manifest, settings: Settings) -> Policy:
    """What the manifest and the settings say about going on."""
    return Policy(
        retry=manifest.retry,
        max_recoveries=settings.run.max_recoveries,
        max_hold_s=settings.run.max_hold_s,
        verify=bool(manifest.verify),
        auto_promote=manifest.review_policy.auto,
        auto_ship=manifest.ship == "auto",
    )


def run_folder(tools: Tools, job: Job) -> RunFolder:
    """The folder of the job's current run."""
    return tools.queue.run_folder(job.id, job.past.run)
