"""Start-up: `aq status`, the whole process, against the bare interpreter."""

import sys
import time

from benchmarks.figures import Figure, median, milliseconds
from benchmarks.running import run
from benchmarks.setting import SHIPPED, Queue, Setting, job

WAITING, FINISHED = 1_000, 100_000
JOURNALED = 1_000
"""The latest finished jobs have a journal; those of the others are never looked at."""
SURE_S = 2.5
"""A listing is cached only when its folder has not changed for two seconds."""


def measure(setting: Setting) -> list[Figure]:
    more = setting.count(FINISHED, 5_000)
    small, large = _queue(setting, 0), _queue(setting, more)
    time.sleep(SURE_S)
    for queue in (small, large):
        queue.aq("status")
    python, thousand, finished = [], [], []
    for _ in range(setting.count(21, 5)):
        python.append(run([sys.executable, "-c", "pass"], small.environment).wall_s)
        thousand.append(small.aq("status").wall_s)
        finished.append(large.aq("status").wall_s)
    floor, first, second = median(python), median(thousand), median(finished)
    return [
        Figure(
            figure="`aq status` with 1,000 jobs, whole process",
            measured=f"{milliseconds(first)} = {first / floor:.1f} x", target="<= 7 x `python3 -c pass`",
            met=first <= 7 * floor, beside=f"`python3 -c pass` {milliseconds(floor)}",
            cause=f"{milliseconds(first - floor)} beyond the interpreter's own start",
        ),
        Figure(
            figure=f"the same with {more:,} finished jobs more",
            measured=f"{milliseconds(second)} = {second / first:.2f} x", target="<= 1.3 x of that",
            met=second <= 1.3 * first, cause="the folder of finished jobs is listed again",
        ),
    ]  # fmt: skip


def _queue(setting: Setting, finished: int) -> Queue:
    queue, place = setting.queue("status"), setting.places(1)[0]
    for number in range(WAITING):
        queue.put("inbox", f"job-{number:06}", job(place, body=f"Mend number {number}"))
    for number in range(finished):
        queue.put("shipped", f"done-{number:06}", job(place), SHIPPED if finished - number <= JOURNALED else "")
    return queue
