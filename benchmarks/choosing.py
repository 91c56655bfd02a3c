"""Choosing among 100,000 waiting jobs with random locks, dependencies, priorities and times, in memory."""

import random
import time
from collections.abc import Mapping

from agent_queue.core.job import JobId
from agent_queue.core.schedule import Room, Waiting, pick
from agent_queue.core.schedule import unmet as first_unmet
from agent_queue.flow.waiting import WaitingList
from benchmarks.figures import Figure, median, milliseconds
from benchmarks.setting import Setting

JOBS, LOCKS, SLOTS, ROUNDS = 100_000, 1_000, 16, 20
NOW = 1_000_000.0


def measure(setting: Setting) -> list[Figure]:
    """The median of a pick after the first, and of one among jobs that all have a lock, each of them taken."""
    dice, jobs = random.Random(1), setting.count(JOBS, 10_000)
    reasons: Mapping[str, str | None] = {f"need-{number}": dice.choice((None, "inbox")) for number in range(1_000)}

    def unmet(name: str, _soft: bool) -> str | None:
        return reasons[name]

    def room(held: set[str]) -> Room:
        return Room(slots=SLOTS, held=held, unmet=unmet)

    def waits_for(row: Waiting) -> str | None:
        found = first_unmet(row, room(set()))
        return found[0] if found else None

    def waiting(fewest_locks: int) -> WaitingList:
        rows = WaitingList(waits_for)
        for number in range(jobs):
            rows.put(_row(number, fewest_locks, dice), NOW)
        return rows

    names = [f"lock-{number}" for number in range(LOCKS)]
    usual = _picked(waiting(0), [room(set(dice.sample(names, SLOTS))) for _ in range(ROUNDS)])
    worst = _picked(waiting(1), [room(set(names)) for _ in range(ROUNDS)])
    return [
        _figure(f"a pick of {SLOTS} among {jobs:,} waiting", usual),
        _figure("one that finds every lock taken", worst),
    ]


def _figure(name: str, seconds: float) -> Figure:
    return Figure(figure=name, measured=milliseconds(seconds), target="<= 50 ms", met=seconds <= 0.05)


def _row(number: int, fewest_locks: int, dice: random.Random) -> Waiting:
    return Waiting(
        rank=dice.randrange(4), age=dice.randrange(10**9), id=JobId(f"job-{number}"), engines=("claude",),
        locks=tuple(sorted(f"lock-{dice.randrange(LOCKS)}" for _ in range(dice.randrange(fewest_locks, 3)))),
        deps=tuple(f"need-{dice.randrange(1_000)}" for _ in range(dice.choice((0, 0, 1, 2)))),
        soft=dice.random() < 0.2, next_eligible=dice.choice((0.0, 0.0, 0.0, NOW + 60)),
    )  # fmt: skip


def _picked(waiting: WaitingList, rooms: list[Room]) -> float:
    seconds = []
    for room in rooms:
        began = time.perf_counter()
        list(pick(waiting.ready(NOW), room, NOW))
        seconds.append(time.perf_counter() - began)
    return median(seconds[1:])
