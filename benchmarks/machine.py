"""What the figures were measured on, in words."""

import os
import platform
import resource
import shutil
import subprocess
import sysconfig
from pathlib import Path

from agent_queue.system.kernel import file_system


def description(folder: Path) -> list[str]:
    """Lines of a list: processor, system, disk, interpreter."""
    build = "" if _profiled() else ", not optimised by profile"
    return [
        f"processor: {_processor()}, {os.cpu_count()} cores",
        f"system: {platform.system()} {platform.release()}, {_memory()} of memory",
        f"file system: {file_system(str(folder))}, fsync on",
        f"Python {platform.python_version()} ({platform.python_implementation()}{build}), {_version('git')}",
    ]


class Others:
    """How busy other programs kept the machine since this was made."""

    def __init__(self) -> None:
        self._total, self._busy = _ticks()
        self._ours = _ours()

    def share(self) -> str:
        """In words. What ended without being waited for counts as theirs."""
        total, busy = _ticks()
        theirs = (busy - self._busy) - (_ours() - self._ours)
        return f"other programs used {max(theirs, 0) / max(total - self._total, 1):.0%} of the processor meanwhile"


def _ticks() -> tuple[float, float]:
    """Seconds that all cores had, and those in which they worked; nothing where there is no /proc."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            fields = [int(field) / os.sysconf("SC_CLK_TCK") for field in file.readline().split()[1:9]]
    except OSError:
        return 0.0, 0.0
    return sum(fields), sum(fields) - fields[3] - fields[4]


def _ours() -> float:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, kinds))


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB"


def _profiled() -> bool:
    """True when the interpreter was built with profile-guided optimisation, as Debian's and python.org's are."""
    return "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS"))


def _version(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        return f"no {program}"
    return subprocess.run([found, "--version"], capture_output=True, text=True).stdout.strip()
