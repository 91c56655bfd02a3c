"""What the figures were measured on, in words."""

import os
import platform
import shutil
import subprocess
import sysconfig
from pathlib import Path

from agent_queue.system.kernel import file_system


def description(folder: Path) -> list[str]:
    """Lines of a list: processor, system, disk, interpreter, other programs."""
    load, build = os.getloadavg(), "" if _profiled() else ", not optimised by profile"
    return [
        f"processor: {_processor()}, {os.cpu_count()} cores; load average of the minute before: {load[0]:.1f}",
        f"system: {platform.system()} {platform.release()}, {_memory()} of memory",
        f"file system: {file_system(str(folder))}, fsync on",
        f"Python {platform.python_version()} ({platform.python_implementation()}{build}), {_version('git')}",
    ]


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
