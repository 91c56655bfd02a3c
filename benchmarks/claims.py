"""Claims with 100,000 jobs waiting against 100: choosing, journal, rename, settlement, by the real loop and queue.

The processes alone are stood in for, by ones that have ended at once: what a shim costs does not depend on the depth.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from agent_queue.core.outcome import Exit, StopReason
from agent_queue.flow.loop import Loop
from agent_queue.ports import Lock, Start, Woken
from agent_queue.wiring import App
from benchmarks.figures import Figure, median
from benchmarks.setting import Setting, job

DEEP, SHALLOW = 100_000, 100
WINDOW = 100


class Ended:
    """Processes that end well at once; satisfies `ports.Processes`. Remembers when each was started."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def start(self, start: Start, lock: Lock) -> None:
        self.times.append(time.perf_counter())

    def running(self, folder: str) -> Mapping[str, Any] | None:
        return None

    def exit(self, folder: str) -> Exit | None:
        return Exit(code=0, signal=None, duration_s=0.0)

    def stopped(self, folder: str) -> StopReason | None:
        return None

    def ask_stop(self, folder: str, why: StopReason) -> None:
        raise NotImplementedError

    def sweep(self, marker: str) -> int:
        return 0


class Until:
    """Says that each process has ended, then tells the supervisor to stop; satisfies `ports.Events`."""

    def __init__(self, enough: Callable[[], bool]) -> None:
        self._enough = enough
        self._ended: list[str] = []

    def watch_process(self, folder: str) -> bool:
        self._ended.append(folder)
        return True

    def later(self, key: str, deed: Callable[[], Any]) -> None:
        raise NotImplementedError

    def wait(self, timeout_s: float | None) -> Woken:
        ended, self._ended = self._ended, []
        return Woken(ended=ended, signals=["SIGINT"] if self._enough() else [])


def measure(setting: Setting) -> list[Figure]:
    deep = setting.count(DEEP, 3_000)
    place = setting.places(1)[0]
    before = _claims(setting, place, SHALLOW)
    deeper, looked_s = _claims_of(setting, place, deep)
    after = _claims(setting, place, SHALLOW)
    shallow = median(before + after)
    ratio = median(deeper) / shallow
    return [
        Figure(
            figure=f"claims with {deep:,} jobs waiting, pick included", measured=f"{ratio:.2f} x",
            target=f"<= 1.2 x of with {SHALLOW}", met=ratio <= 1.2,
            beside=f"{median(deeper) * 1e3:.2f} ms against {shallow * 1e3:.2f} ms each, without a process; "
            f"taking the {deep:,} in took {looked_s:.0f} s",
        )
    ]  # fmt: skip


def _claims(setting: Setting, place: Path, depth: int) -> list[float]:
    return _claims_of(setting, place, depth)[0]


def _claims_of(setting: Setting, place: Path, depth: int) -> tuple[list[float], float]:
    """Seconds per claim, as means of windows, with so many jobs left waiting at the end; and the first look's."""
    windows = setting.count(5, 3)
    claims = windows * WINDOW
    queue = setting.queue("claims")
    for number in range(depth + claims):
        queue.put("inbox", f"job-{number:06}", job(place))
    app = App(str(queue.root))
    ended = Ended()
    loop = Loop(replace(app.tools, processes=ended), Until(lambda: len(ended.times) > claims), slots=1)
    began = time.perf_counter()
    loop.run()
    assert len(os.listdir(queue.root / "inbox")) <= depth
    starts = ended.times[::WINDOW]
    return [(later - one) / WINDOW for one, later in pairwise(starts)], ended.times[0] - began
