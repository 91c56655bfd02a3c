"""The lanes of a queue: which engines take jobs now, and what an agent's end means for its engine."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from agent_queue.core.allowance import ALL
from agent_queue.core.job import JobId
from agent_queue.core.lanes import (
    OPEN,
    Closed,
    Ended,
    Lane,
    begun,
    closed,
    judged,
    lane_name,
    out_of_hours,
    passed_over,
)
from agent_queue.core.outcome import Outcome
from agent_queue.core.schedule import Waiting
from agent_queue.core.settings import Settings, engine_settings
from agent_queue.flow.allowance import Allowance
from agent_queue.ports import Clock, LaneFiles

SCRIPTS = ("shell",)
"""Engines that run what the job itself says: their crashes say nothing about an agent program."""


@dataclass(slots=True)
class Lanes:
    """What is on disk of the lanes, and the settings for them. Every change is on disk when the call returns."""

    files: LaneFiles
    settings: Settings
    clock: Clock
    tell: Callable[[str], None]
    on_change: Callable[[str, Closed | None], None] = lambda *_: None
    """Called with a lane that was parked, or, with None, opened again."""
    allowance: Allowance | None = None
    """The day's money; only a supervisor keeps count of it."""
    _known: dict[str, Closed] = field(default_factory=dict)

    def closed(self) -> dict[str, Closed]:
        """The engines that take no job now, a person's pauses left aside."""
        now, found = self.clock.now().timestamp(), {}
        for name, lane in self.files.read().items():
            engine = name.partition("@")[0]
            if name == self._name(engine) and (shut := closed(lane, now)) is not None:
                found[engine] = shut
        for engine, said in self.settings.lanes.items():
            if said.hours is not None and (shut := out_of_hours(said.hours, self.clock.local())) is not None:
                found[engine] = max(found.get(engine, shut), shut, key=lambda one: one.until)
        return {**found, **(self.allowance.closed() if self.allowance is not None else {})}

    def profiles(self) -> Mapping[str, str]:
        """The profiles whose jobs do not start, with the reason."""
        return self.allowance.profiles() if self.allowance is not None else {}

    def look(self) -> dict[str, Closed]:
        """The same; and say which lanes closed or opened since the last look."""
        found = self.closed()
        for engine, shut in found.items():
            if engine not in self._known:
                self.tell(f"{_all_or(engine)}: starts no jobs until {_local(self.clock, shut.until)}: {shut.reason}")
                self.on_change(engine, shut)
        for engine in self._known.keys() - found.keys():
            self.tell(f"{_all_or(engine)}: starts jobs again")
            self.on_change(engine, None)
        self._known = found
        return found

    def admitted(self, engine: str) -> None:
        """A job of this engine is about to start."""
        name, lane = self._lane(engine)
        now = begun(lane, self.clock.now().timestamp())
        if now != lane:
            self.files.put(name, now)

    def judge(self, engine: str, job: JobId, outcome: Outcome, started_at: float) -> Outcome:
        """What becomes of the job, and, first, of its lane."""
        name, lane = self._lane(engine)
        ended = Ended(
            job=job, started_at=started_at, now=self.clock.now(), roll=self.clock.roll(), breaks=engine not in SCRIPTS
        )
        now, outcome = judged(name, lane, outcome, ended, self.settings.run.breaker)
        if now != lane:
            self.files.put(name, now)
        return outcome

    def reopen(self, engine: str) -> None:
        """Forget what was wrong with an engine: whatever waits for it may start."""
        for name in list(self.files.read()):
            if name.partition("@")[0] == engine:
                self.files.forget(name)

    def passed_over(self, waiting: Iterable[Waiting]) -> frozenset[JobId]:
        """Jobs that let others try a broken lane before them."""
        lanes, now = self.files.read(), self.clock.now().timestamp()
        broken = {engine: lane for engine in {name.partition("@")[0] for name in lanes}
                  if (lane := lanes.get(self._name(engine))) is not None and passed_over(lane, now, ("",))}  # fmt: skip
        if not broken:
            return frozenset()
        jobs: dict[str, list[str]] = {}
        for row in waiting:
            for engine in row.engines[:1]:
                jobs.setdefault(engine, []).append(row.id)
        names = frozenset[str]().union(*(passed_over(lane, now, jobs.get(name, ())) for name, lane in broken.items()))
        return frozenset(map(JobId, names))

    def _lane(self, engine: str) -> tuple[str, Lane]:
        name = self._name(engine)
        return name, self.files.read().get(name, OPEN)

    def _name(self, engine: str) -> str:
        return lane_name(engine, engine_settings(self.settings, engine).account)


def _all_or(engine: str) -> str:
    return "aq" if engine == ALL else engine


def reasons(shut: Mapping[str, Closed]) -> dict[str, str]:
    return {engine: one.reason for engine, one in shut.items()}


def opens(shut: Mapping[str, Closed]) -> dict[str, float]:
    """When each opens, epoch seconds."""
    return {engine: one.until for engine, one in shut.items()}


def _local(clock: Clock, seconds: float) -> str:
    from datetime import datetime

    return f"{datetime.fromtimestamp(seconds, clock.local().tzinfo):%Y-%m-%d %H:%M:%S}"
