"""Beginning again as the same process: memory, locks and open files go, as in a crash, which recovery is made for."""

import os
import sys
from typing import NoReturn

LEAST = 16 << 20


def again() -> NoReturn:
    """Replace this program by itself, called as it was called.

    Raises:
        OSError: the interpreter or the program is not where it was.
    """
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - our own program


def has_room(folder: str) -> bool:
    """True when the disk takes more than a few records again."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize >= min(LEAST, disk.f_blocks * disk.f_frsize // 8) and disk.f_favail != 0
