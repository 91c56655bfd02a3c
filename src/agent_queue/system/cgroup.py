"""The cgroup of one agent, for its shim: to begin it there, kill all of it, learn what the kernel did. Linux only.

A group is its folder, '' for none; `delegation` makes it. Like the shim this stands alone: only builtin modules.
"""

import posix

SUPERVISOR = "supervisor"
"""The group beside those of the agents, where supervisor and shims are: a limit on an agent is none of theirs."""


def enter(group: str) -> bool:
    """Go there: what is started next begins there. False when there is no group, or the kernel says no."""
    return _tell(group, "cgroup.procs", "0")


def back(group: str) -> bool:
    """Go back to the supervisor's group; False when the kernel says no."""
    return _tell(f"{group}/../{SUPERVISOR}", "cgroup.procs", "0")


def kill(group: str) -> None:
    """SIGKILL to all that is in it, at once, and to what they fork meanwhile."""
    _tell(group, "cgroup.kill", "1")


def oom_kills(group: str) -> int:
    """How many processes in it the kernel killed because the group had no memory left."""
    try:
        number = posix.open(f"{group}/memory.events", posix.O_RDONLY)
    except OSError:
        return 0  # its memory is not limited
    words = posix.read(number, 4096).split()
    posix.close(number)
    return int(words[words.index(b"oom_kill") + 1]) if b"oom_kill" in words else 0


def remove(group: str) -> None:
    """Take an empty group away. One that is not empty stays until the next supervisor looks."""
    try:
        posix.rmdir(group)
    except OSError:
        return


def _tell(group: str, name: str, text: str) -> bool:
    if not group:
        return False
    try:
        number = posix.open(f"{group}/{name}", posix.O_WRONLY)
    except OSError:
        return False
    try:
        return posix.write(number, text.encode()) > 0
    except OSError:
        return False
    finally:
        posix.close(number)
