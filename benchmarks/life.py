"""The full life of a job that does nothing: durable claim, shim, agent, log, exit record, settlement; no git.

The floor is a bare `posix_spawn` of the same program, as many at a time. A shim and its agent are two programs to
start, so what an interpreter and a shell cost on this machine bounds the CPU time.
"""

import os
import shutil
import time
from pathlib import Path

from benchmarks.figures import Figure, median, milliseconds
from benchmarks.running import Spent, base_python, run
from benchmarks.setting import AQ, Queue, Setting, job

SLOTS = 4
JOBS = 1_000
TRACED = 100


def measure(setting: Setting) -> list[Figure]:
    count, floor, spent, python, shell = setting.count(JOBS, 60), [], [], [], []
    for _ in range(setting.count(5, 3)):
        floor.append(_spawned(count))
        python.append(_start([base_python(), "-I", "-S", "-c", "pass"]))
        shell.append(_start(["/bin/sh", "-c", "exec sh -c :"]))
        spent.append(_drained(_filled(setting, count), count))
    per_second = count / median([one.wall_s for one in spent])
    cpu = median([one.cpu_s for one in spent]) / count
    started = f"`python3 -I -S -c pass` {milliseconds(median(python))}, two shells {milliseconds(median(shell))}"
    slow = f"{os.cpu_count()} cores, shared with other programs; {setting.flush()}"
    bare = f"bare spawn of `true` {median(floor):,.0f}/s"
    return [
        Figure(
            figure=f"full life of a `shell` job doing `true`, {SLOTS} slots, fsync on", measured=f"{per_second:.0f}/s",
            target=">= 150/s", met=per_second >= 150, beside=bare, cause=slow,
        ),
        Figure(
            figure="its CPU time, all processes", measured=milliseconds(cpu), target="<= 10 ms", met=cpu <= 0.010,
            beside=f"CPU time of {started}", cause="the two starts beside it are most of it",
        ),
        _flushes(setting),
    ]  # fmt: skip


def _filled(setting: Setting, count: int) -> Queue:
    """A queue with so many jobs; twice as many folders as slots, so that none waits for its folder's lock."""
    queue, places = setting.queue("life"), setting.places(2 * SLOTS)
    source = setting.space("source")
    for number in range(count):
        (source / f"job-{number:05}.md").write_text(job(places[number % len(places)]))
    queue.aq("add", str(source))
    return queue


def _drained(queue: Queue, count: int) -> Spent:
    spent = queue.aq("run", "--once", "--slots", str(SLOTS))
    assert len(os.listdir(queue.root / "review")) == count
    return spent


def _flushes(setting: Setting) -> Figure:
    name, target = "its flushes to the disk", "<= 8 fsyncs"
    strace = shutil.which("strace")
    if strace is None:
        return Figure(figure=name, measured="", target=target, met=None, cause="strace is not installed")
    queue, counts = _filled(setting, TRACED), Path(setting.space("strace") / "counts")
    options = ["-f", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range", "-o", str(counts)]
    run([strace, *options, *AQ, "run", "--once", "--slots", str(SLOTS)], queue.environment)
    assert len(os.listdir(queue.root / "review")) == TRACED
    each = sum("sync" in line and "resumed" not in line for line in counts.read_text().splitlines()) / TRACED
    return Figure(
        figure=name, measured=f"{each:.1f}", target=target, met=each <= 8, beside="shared by what is handled at once",
        cause="the slower a process runs under strace, the fewer jobs end at once",
    )  # fmt: skip


def _spawned(count: int) -> float:
    """Bare processes a second."""
    program = shutil.which("true") or "/bin/true"
    began, alive = time.perf_counter(), 0
    for _ in range(count):
        if alive == SLOTS:
            os.wait()
            alive -= 1
        os.posix_spawn(program, [program], {})
        alive += 1
    for _ in range(alive):
        os.wait()
    return count / (time.perf_counter() - began)


def _start(argv: list[str]) -> float:
    """CPU seconds of one start."""
    return sum(run(argv, {}).cpu_s for _ in range(20)) / 20
