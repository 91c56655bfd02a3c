"""Start-up recovery: `aq run` on 10,000 jobs of which 50 were running when machine and supervisor died; no git."""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

from agent_queue.flow.launch import Opened
from agent_queue.ports import Place
from benchmarks.figures import Figure, median
from benchmarks.running import running, wait_for
from benchmarks.setting import AQ, SHIPPED, Queue, Setting, job

JOBS, ORPHANS, WAITING = 10_000, 50, 1_000
CLAIMED = "".join(SHIPPED.splitlines(keepends=True)[:2])
"""What a journal holds when its job was claimed, and nothing after."""


def measure(setting: Setting) -> list[Figure]:
    queue, places = setting.queue("recovery"), setting.places(ORPHANS)
    finished = setting.count(JOBS, 1_000) - WAITING - ORPHANS
    for number in range(WAITING):
        queue.put("inbox", f"waiting-{number:05}", job(places[0]))
    for number in range(finished):
        queue.put("shipped", f"done-{number:05}", job(places[0]), SHIPPED)
    queue.aq("pause")  # what is recovered goes back to the inbox, and stays there for us to see
    seconds = [_recovered(queue, places, number) for number in range(setting.count(7, 3))]
    middle = median(seconds)
    return [
        Figure(
            figure=f"start-up recovery, {JOBS:,} jobs on disk, {ORPHANS} orphans without git",
            measured=f"{middle:.2f} s", target="< 1 s warm", met=middle < 1,
            beside=f"from the start of `aq run` to the last orphan's move; {WAITING:,} of the jobs wait",
        )
    ]  # fmt: skip


def _recovered(queue: Queue, places: list[Path], number: int) -> float:
    """Seconds from the start of a supervisor until it has put so many new orphans back."""
    for orphan, place in enumerate(places):  # none waits for its folder's lock
        _orphaned(queue, place, f"orphan-{number}-{orphan:02}")
    os.sync()
    building = queue.root / "building"
    began = time.perf_counter()
    with running([*AQ, "run"], queue.environment):
        wait_for(lambda: not os.listdir(building), "the orphans to be recovered")
        return time.perf_counter() - began


def _orphaned(queue: Queue, place: Path, name: str) -> None:
    """A job whose agent ran under a shim that is gone without a record."""
    queue.put("building", name, job(place), CLAIMED)
    folder = queue.root / "runs" / name / "1"
    folder.mkdir(parents=True)
    opened = Opened(place=Place(cwd=str(place)), marker=str(uuid4()), session=str(uuid4()), engine="shell")
    (folder / "place.json").write_text(json.dumps(asdict(opened)))
    (folder / "agent.log").write_text("")
