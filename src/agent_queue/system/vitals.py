"""How a machine and the processes of a job stand: free memory, load, disk; CPU time and memory of a process tree.

Linux tells it in /proc; elsewhere `ps` does, and free memory is unknown. That path was never run here.
"""

import os
from contextlib import suppress

from agent_queue.core.limits import Machine, Vitals
from agent_queue.system import kernel
from agent_queue.system.records import alive, read_object

FIRST_TO_DIE = 300
"""Added to the badness of a job's processes: when memory runs out it is they that end, not the supervisor."""


def machine(folder: str) -> Machine:
    """How this machine stands; `folder` lies on the disk in question."""
    try:
        disk = os.statvfs(folder)
        free_disk: int | None = disk.f_bavail * disk.f_frsize
    except OSError:
        free_disk = None
    try:
        load: float | None = os.getloadavg()[0] / (os.cpu_count() or 1)
    except OSError:
        load = None
    return Machine(free_memory=_free_memory(), free_disk=free_disk, load=load)


def _free_memory() -> int | None:
    try:
        with open("/proc/meminfo", "rb") as file:
            for line in file:
                if line.startswith(b"MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def vitals(folder: str, limit: int | None = None) -> Vitals | None:
    """What the processes of a run take; None when its shim does not live.

    Memory is the sum of their resident sets, which counts what they share several times over: when that is more than
    `limit`, it is the sum of their proportional sets, which does not.
    """
    record = read_object(f"{folder}/run.json")
    if record is None or not alive(record):
        return None
    shim = int(record["shim"])
    if not kernel.LINUX:
        return _told_by_ps(shim)
    pids = _tree(shim)
    found = Vitals(cpu_s=_cpu_s(pids), memory=sum(map(_resident, pids[1:])))
    for pid in pids[1:]:
        _first_to_die(pid)
    if limit is not None and found.memory > limit:
        return Vitals(cpu_s=found.cpu_s, memory=sum(map(_proportional, pids[1:])))
    return found


def _tree(root: int) -> list[int]:
    """A process and all below it, itself first."""
    found, waiting = [root], [root]
    while waiting:
        pid = waiting.pop()
        children: list[int] = []
        with suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                with suppress(OSError), open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                    children += map(int, file.read().split())
        found += children
        waiting += children
    return found


def _cpu_s(pids: list[int]) -> float:
    """Also of those that have ended and that a parent among them has noticed."""
    ticks = 0
    for pid in pids:
        with suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/stat", "rb") as file:
            ticks += sum(map(int, file.read().rpartition(b")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _proportional(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return _resident(pid)


def _first_to_die(pid: int) -> None:
    path = f"/proc/{pid}/oom_score_adj"
    with suppress(OSError, ValueError):
        with open(path, "rb") as file:
            if int(file.read()) >= FIRST_TO_DIE:
                return
        with open(path, "wb") as file:
            file.write(str(FIRST_TO_DIE).encode())


def _told_by_ps(root: int) -> Vitals | None:
    import subprocess  # takes time, and whoever asks for the machine alone has no use for it

    try:
        argv = ("ps", "-ax", *(word for name in ("pid", "ppid", "rss", "time") for word in ("-o", f"{name}=")))
        lines = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False).stdout.splitlines()
    except (OSError, subprocess.TimeoutExpired):
        return None
    rows = {int(pid): (int(parent), int(rss), time) for pid, parent, rss, time in (line.split() for line in lines)}
    below, grown = {root}, True
    while grown:
        more = {pid for pid, (parent, _, _) in rows.items() if parent in below} - below
        grown = bool(more)
        below |= more
    mine = [rows[pid] for pid in below if pid in rows and pid != root]
    return Vitals(cpu_s=sum(_seconds(time) for _, _, time in mine), memory=sum(rss for _, rss, _ in mine) * 1024)


def _seconds(time: str) -> float:
    """`ps` says `MM:SS.hh`, `HH:MM:SS` or `DD-HH:MM:SS`."""
    days, _, clock = time.rpartition("-")
    total = 0.0
    for part in clock.split(":"):
        total = total * 60 + float(part)
    return total + 86400 * int(days or 0)


MOST_FILES = 200_000


def changed_since(folder: str, since: float) -> bool:
    """True when something below a folder was written at or after `since`, epoch seconds. Stops at the first find.

    Where there are too many files to look at it is True as well: nobody is to be stopped for what was not seen.
    """
    waiting, seen = [folder], 0
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    seen += 1
                    if seen > MOST_FILES or entry.stat(follow_symlinks=False).st_mtime >= since:
                        return True
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue
    return False
