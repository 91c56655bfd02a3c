"""Which processes there are, and when each began, for a program that stands alone: only builtin modules.

Linux tells it in /proc, other systems by `ps`; that path follows the manual pages of macOS and was never run here.
"""

import posix  # `os` around it brings nothing that is needed here, and costs a shim 1 ms
import sys

LINUX = sys.platform.startswith("linux")


def parents() -> list[tuple[int, int]]:
    """(process, parent) of every process."""
    if not LINUX:
        return [(int(pid), int(parent)) for pid, parent in map(str.split, _ps("-ax -o pid= -o ppid=").splitlines())]
    found = ((name, _fields(name)) for name in posix.listdir("/proc") if name.isdigit())
    return [(int(name), int(fields[1])) for name, fields in found if fields]


def start_of(pid: int) -> str:
    """When a process began: field 22 of its stat line, or what ps says; '' when it is gone."""
    if not LINUX:
        return _ps(f"-o lstart= -p {pid}").strip()
    fields = _fields(str(pid))
    return fields[19].decode() if fields else ""


def _fields(pid: str) -> list[bytes]:
    """The fields of /proc/PID/stat from the third on, [] when the process is gone."""
    try:
        number = posix.open(f"/proc/{pid}/stat", posix.O_RDONLY)
    except OSError:
        return []
    try:
        return posix.read(number, 4096).rpartition(b")")[2].split()
    except OSError:
        return []
    finally:
        posix.close(number)


def _ps(options: str) -> str:
    """What ps prints; the same whatever the agent's zone and language are."""
    import os

    return os.popen(f"LC_ALL=C TZ=UTC0 ps {options}").read()
