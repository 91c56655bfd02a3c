"""Reading a file that a person put there: whatever lies under its name, reading it comes to an end."""

import errno
import os
import stat


def read(path: str) -> tuple[bytes, os.stat_result]:
    """The bytes of a regular file, links followed, and what it was like when it was opened.

    Raises:
        OSError: it is gone, may not be read, or is no regular file.
    """
    # Opened without waiting: a named pipe would have us wait for its writer for ever.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        return file.read(), found
