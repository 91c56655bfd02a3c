"""Whether a folder is a queue of the original tool, which kept its notes elsewhere; and whether its processes live."""

import os

from agent_queue.core.errors import SettingsError
from agent_queue.system import kernel

STATE = ".state"
META = ".meta"
PID_FILES = ("daemon.pid", f"{STATE}/daemon.pid")


def is_old(root: str) -> bool:
    """True when it has notes or a daemon of the original tool, and no journal."""
    if os.path.isdir(f"{root}/journal"):
        return False
    if any(os.path.lexists(f"{root}/{name}") for name in PID_FILES):
        return True
    try:
        return any(name.endswith(META) for name in os.listdir(f"{root}/{STATE}"))
    except OSError:
        return False


def refuse_old(root: str) -> None:
    """
    Raises:
        SettingsError: it is a queue of the original tool: there its notes would be passed over.
    """
    if is_old(root):
        hint = f"`aq --root NEW import {root}` copies it into a new queue; nothing in it is changed"
        raise SettingsError(f"{root} is a queue folder of the original tool", hint=hint)


def lives(pid: int, began: str = "", boot: str = "") -> bool:
    """True while a process of this number lives, unless what was noted of it shows that it is another one by now."""
    now = kernel.start_time(pid)
    # What is not told in the same form as here says nothing: better one refusal too many.
    other_boot = len(boot) == len(kernel.boot_id()) and boot != kernel.boot_id()
    other_start = bool(began) and began.isdigit() == now.isdigit() and began.split() != now.split()
    return bool(now) and not other_boot and not other_start
