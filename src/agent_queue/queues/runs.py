"""The files of one run. Satisfies `ports.RunFolder`."""

import os

from agent_queue.system.files import Disk
from agent_queue.system.storage import storage_error

PIECE = 1 << 20


def readable(folder: str, name: str) -> str:
    """Where a file of `ROOT/runs/<job>/<run>` is to be read: under `archive/` once `clean` has put the run away."""
    if os.path.isdir(folder):
        return f"{folder}/{name}"
    root, _, job, run = folder.rsplit("/", 3)
    labels = sorted(os.listdir(f"{root}/archive"), reverse=True) if os.path.isdir(f"{root}/archive") else []
    kept = (f"{root}/archive/{label}/{job}/{run}/{name}" for label in labels)
    return next(filter(os.path.exists, kept), f"{folder}/{name}")


class FileRunFolder:
    """`runs/<job>/<run>/`, made when the first file is written."""

    def __init__(self, path: str, disk: Disk) -> None:
        self.path = path
        self._disk = disk

    def path_of(self, name: str) -> str:
        return f"{self.path}/{name}"

    def read(self, name: str) -> bytes | None:
        """A file as a whole, None when it is not there."""
        try:
            with open(readable(self.path, name), "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, data: bytes, *, durable: bool = False) -> None:
        """Replace a file as a whole.

        Raises:
            StorageError: the disk did not take it.
        """
        try:
            self._disk.folder(os.path.dirname(self.path_of(name)), durable=durable)
            self._disk.put(self.path_of(name), data, durable=durable)
        except OSError as error:
            raise storage_error(error, self.path) from error

    def copy(self, name: str, source: str) -> None:
        """Keep a copy of a file from elsewhere, over an older one.

        Raises:
            OSError: it cannot be read, or the disk did not take it.
        """
        self._disk.folder(os.path.dirname(self.path_of(name)), durable=False)
        with open(source, "rb") as original:
            self._disk.put(self.path_of(name), iter(lambda: original.read(PIECE), b""), durable=False)

    def log(self, name: str, offset: int, limit: int) -> bytes:
        """Up to `limit` bytes of a log from `offset` on."""
        try:
            with open(readable(self.path, name), "rb") as file:
                file.seek(offset)
                return file.read(limit)
        except (FileNotFoundError, NotADirectoryError):
            return b""

    def tail(self, name: str, limit: int) -> bytes:
        """The last bytes of a log, at most `limit`."""
        try:
            with open(readable(self.path, name), "rb") as file:
                file.seek(max(file.seek(0, os.SEEK_END) - limit, 0))
                return file.read(limit)
        except (FileNotFoundError, NotADirectoryError):
            return b""

    def written_at(self, name: str) -> float | None:
        """When a log last grew, epoch seconds; None when it is not there."""
        try:
            return os.stat(readable(self.path, name)).st_mtime
        except (FileNotFoundError, NotADirectoryError):
            return None
