"""A supervisor that has nothing to do: its CPU time and memory with 1,000 jobs waiting."""

import os
import time

from benchmarks.figures import Figure
from benchmarks.running import running, wait_for
from benchmarks.setting import AQ, Setting, job

WAITING = 1_000
BEGIN_S = 3.0
"""It has taken everything in by then, and looked at the folders once more."""


def measure(setting: Setting) -> list[Figure]:
    queue, place = setting.queue("idle"), setting.places(1)[0]
    for number in range(WAITING):
        queue.put("inbox", f"job-{number:04}", job(place))
    queue.aq("pause")
    with running([*AQ, "run"], queue.environment) as supervisor:
        wait_for((queue.root / ".aq" / "supervisor.json").exists, "the supervisor")
        time.sleep(BEGIN_S)
        memory, cpu, began = _memory_kb(supervisor), _cpu_s(supervisor), time.perf_counter()
        time.sleep(setting.idle_s)
        share = (_cpu_s(supervisor) - cpu) / (time.perf_counter() - began)
        growth = _memory_kb(supervisor) - memory
    met = share <= 0.001 and growth <= memory / 100
    return [
        Figure(
            figure=f"supervisor idle with {WAITING:,} jobs waiting, for {setting.idle_s:.0f} s",
            measured=f"{share:.3%} of one core, memory {growth:+,} KB of {memory / 1024:.0f} MB",
            target="<= 0.1 %, no growth (1 %)", met=met, beside="a rescan every 5 s",
        )
    ]  # fmt: skip


def _cpu_s(process: int) -> float:
    """CPU seconds since its start, to the nanosecond where the kernel counts so."""
    try:
        with open(f"/proc/{process}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e9
    except OSError:
        with open(f"/proc/{process}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_kb(process: int) -> int:
    with open(f"/proc/{process}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
