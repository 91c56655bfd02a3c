"""Keeps the log of a run that never stops printing from filling the disk: its middle becomes a hole.

The agent writes straight to the file, so that a dead supervisor loses no line; nobody stands between to count. A hole
leaves the file's size, and every reader's place in it, as they are; only the blocks are given back. A line in front of
the hole says so.
"""

import os
from contextlib import suppress

from agent_queue.system import kernel

DROPPED = b"\n[aq: a part of this log was dropped here, it grew over [limits] log]\n"
BLOCK = 4096


def cap_log(path: str, most: int) -> None:
    """Keep a log within `most` bytes of disk: a quarter of that of its beginning, half of it of its end.

    Where the file system knows no holes, and where there is no log, nothing happens.
    """
    with suppress(OSError):
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            found = os.fstat(fd)
            start, end = most // 4 // BLOCK * BLOCK, (found.st_size - most // 2) // BLOCK * BLOCK
            if found.st_blocks * 512 > most and end - start > 2 * BLOCK:
                kernel.punch_hole(fd, start, end - start)
                os.pwrite(fd, DROPPED, start)
                os.pwrite(fd, b"\n", end - 1)  # what follows is the end of a line of which the beginning is gone
        finally:
            os.close(fd)
