"""Claims with 100,000 jobs waiting against 100: choosing, journal, rename, settlement, by the real loop and queue.

The processes alone are stood in for, by ones that have ended at once: what a shim costs does not depend on the depth.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from agent_queue.core.outcome import Exit, StopReason
from agent_queue.flow.loop import Loop
from agent_queue.ports import Lock, Start, Woken
from agent_queue.wiring import App
from benchmarks.figures import Figure, median
from benchmarks.setting import Setting, job

DEEP, SHALLOW = 100_000, 100
WINDOW = 50


class Turns:
    """Lets two loops work in turns, so that whatever else the machine does meets both alike."""

    def __init__(self) -> None:
        self._loaded = threading.Barrier(2)
        self._changed = threading.Condition()
        self._whose = 0

    def begin(self, me: int) -> None:
        self._loaded.wait()
        self._wait(me)

    def swap(self, me: int, *, last: bool) -> None:
        """Give the turn away, and wait for the next one unless this was the last."""
        with self._changed:
            self._whose = 1 - me
            self._changed.notify_all()
        if not last:
            self._wait(me)

    def _wait(self, me: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._whose == me)


class Ended:
    """Processes that end well at once; satisfies `ports.Processes`. Measures the seconds from one start to the next,
    as means of windows."""

    def __init__(self, turns: Turns, me: int, windows: int) -> None:
        self.seconds: list[float] = []
        self.cpu: list[float] = []
        self._turns, self._me, self._windows = turns, me, windows
        self._count = 0
        self._began = self._cpu_began = 0.0

    def enough(self) -> bool:
        return len(self.seconds) == self._windows

    def start(self, start: Start, lock: Lock) -> None:
        if self._count == 0:
            self._turns.begin(self._me)
        elif self._count % WINDOW == 0 and not self.enough():
            self.seconds.append((time.perf_counter() - self._began) / WINDOW)
            self.cpu.append((time.thread_time() - self._cpu_began) / WINDOW)
            self._turns.swap(self._me, last=self.enough())
        if self._count % WINDOW == 0:
            self._began, self._cpu_began = time.perf_counter(), time.thread_time()
        self._count += 1

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

    def expecting(self) -> bool:
        return False

    def wait(self, timeout_s: float | None) -> Woken:
        ended, self._ended = self._ended, []
        return Woken(ended=ended, signals=["SIGINT"] if self._enough() else [])


def measure(setting: Setting) -> list[Figure]:
    deep, windows, turns = setting.count(DEEP, 3_000), setting.count(20, 4), Turns()
    loops = [
        _loop(setting, depth + windows * WINDOW, Ended(turns, me, windows)) for me, depth in enumerate((SHALLOW, deep))
    ]
    threads = [threading.Thread(target=loop.run) for loop, _ in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (_, few), (_, many) = loops
    ratio, cpu = _ratio(many.seconds, few.seconds), _ratio(many.cpu, few.cpu)
    shallow, deeper = median(few.seconds) * 1e3, median(many.seconds) * 1e3
    return [
        Figure(
            figure=f"claims with {deep:,} jobs waiting, pick included", measured=f"{ratio:.2f} x",
            target=f"<= 1.2 x of with {SHALLOW}", met=ratio <= 1.2,
            beside=f"{deeper:.2f} ms against {shallow:.2f} ms each, with settlement, without a process; "
            f"CPU time alone {cpu:.2f} x", cause=setting.flush(),
        )
    ]  # fmt: skip


def _ratio(many: list[float], few: list[float]) -> float:
    """The median over windows that followed each other."""
    return median([one / other for one, other in zip(many, few, strict=True)])


def _loop(setting: Setting, jobs: int, ended: Ended) -> tuple[Loop, Ended]:
    """A supervisor with one slot, and so many jobs at the beginning."""
    queue, place = setting.queue("claims"), setting.places(1)[0]
    for number in range(jobs):
        queue.put("inbox", f"job-{number:06}", job(place))
    os.sync()  # else the first flushes of the measurement carry all these files
    tools = replace(App(str(queue.root)).tools, processes=ended)
    return Loop(tools, Until(ended.enough), slots=1), ended
