"""The part of the cgroup tree that systemd gave this supervisor to divide, and a group for each agent in it.

Only where systemd says so (`Delegate=` and `DelegateSubgroup=supervisor`, 254 or newer; `aq service install` asks for
both): elsewhere the tree is not ours to change, and a unit whose own group has groups below it could not be started
again while agents wait for the next supervisor. Linux with cgroup v2 only.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress

from agent_queue.system import cgroup
from agent_queue.system.kernel import LINUX

PREFIX = "agent-"
_UNIT = ".service"


class Delegation:
    """`folder` is the group that was given to us. Agents may hold `memory` bytes each, None for any."""

    def __init__(self, folder: str, memory: int | None) -> None:
        self._folder = folder
        self._memory = memory if memory is not None and self._limits_memory() else None

    def group(self) -> str:
        """The folder of a new group for one agent; '' when the kernel gives none."""
        group = f"{self._folder}/{PREFIX}{secrets.token_hex(6)}"
        try:
            os.mkdir(group)
            if self._memory is not None:
                _write(group, "memory.max", str(self._memory))
                _write(group, "memory.oom.group", "1")
                with suppress(OSError):  # a kernel without swap has no such file
                    _write(group, "memory.swap.max", "0")
        except OSError:
            cgroup.remove(group)
            return ""
        return group

    def tidy(self) -> None:
        """Take away the groups of agents that have ended, and whose shims were killed before they could."""
        for name in os.listdir(self._folder):
            if name.startswith(PREFIX):
                cgroup.remove(f"{self._folder}/{name}")

    def _limits_memory(self) -> bool:
        try:
            _write(self._folder, "cgroup.subtree_control", "+memory")
        except OSError:
            return False
        return True


def delegated(own: str | None = None) -> str | None:
    """The group that was given to us to divide; None when there is none. `own` is the group that we are in.

    systemd's mark of what it gives away, an extended attribute, is not to be relied on: 257 sets none for a user's
    units. That it put us into a group of this name below that of the unit, and that both are ours, is as clear.
    """
    own = own if own is not None else next(_own(), "")
    folder, name = os.path.split(own)
    given = name == cgroup.SUPERVISOR and folder.endswith(_UNIT)
    return folder if LINUX and given and os.access(f"{folder}/cgroup.procs", os.W_OK) else None


def _own() -> Iterator[str]:
    """The folder of the group that this process is in."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            paths = [line.rstrip("\n").removeprefix("0::") for line in file if line.startswith("0::")]
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [fields[1] for line in file if (fields := line.split(" "))[2] == "cgroup2"]
    except OSError:
        return
    yield from (mount + path for mount in mounts for path in paths)


def _write(group: str, name: str, text: str) -> None:
    """
    Raises:
        OSError: the kernel says no.
    """
    number = os.open(f"{group}/{name}", os.O_WRONLY)
    try:
        os.write(number, text.encode())
    finally:
        os.close(number)
