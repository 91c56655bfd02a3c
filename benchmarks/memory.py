"""What each running job costs in memory: its shim's proportional share (PSS)."""

import json
import os
import signal
import time

from benchmarks.figures import Figure, median
from benchmarks.running import base_python, running, spawn, wait_for
from benchmarks.setting import AQ, Queue, Setting, job

JOBS = 16


def measure(setting: Setting) -> list[Figure]:
    queue, places = setting.queue("memory"), setting.places(JOBS)
    for number, place in enumerate(places):
        queue.put("inbox", f"job-{number:02}", job(place, body="exec sleep 600"))
    with running([*AQ, "run", "--slots", str(JOBS)], queue.environment):
        wait_for(lambda: len(_shims(queue)) == JOBS, "all agents to run")
        each = median([_share_kb(shim) for shim in _shims(queue)]) / 1024
    sleepers = [spawn([base_python(), "-I", "-S", "-c", "import time; time.sleep(600)"], {}) for _ in range(JOBS)]
    time.sleep(1)
    bare = median([_share_kb(sleeper) for sleeper in sleepers]) / 1024
    for sleeper in sleepers:
        os.kill(sleeper, signal.SIGKILL)
        os.waitpid(sleeper, 0)
    return [
        Figure(
            figure=f"per running job: shim memory (PSS), {JOBS} jobs", measured=f"{each:.1f} MB", target="<= 6 MB",
            met=each <= 6, beside=f"`python3 -I -S`, as many at once: {bare:.1f} MB",
        )
    ]  # fmt: skip


def _shims(queue: Queue) -> list[int]:
    notes = (json.loads(path.read_bytes()) for path in queue.root.glob("runs/*/1/run.json"))
    return [note["shim"] for note in notes if "pid" in note]


def _share_kb(process: int) -> int:
    with open(f"/proc/{process}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
