"""A folder of small files that people edit too. Satisfies `ports_tracker.Shelf`."""

import os
from collections.abc import Callable

from agent_queue.core.trouble import TrackerError, Trouble
from agent_queue.system import locks
from agent_queue.system.files import Disk

LARGEST = 4 << 20


class FolderShelf:
    """Changes are made by one process at a time, and never leave half a file."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._disk = Disk(folder)

    def names(self) -> list[str]:
        try:
            return sorted(os.listdir(self._folder))
        except OSError as error:
            raise self._unusable(error) from error

    def read(self, name: str) -> bytes | None:
        self.names()
        try:
            with open(f"{self._folder}/{name}", "rb") as file:
                return file.read(LARGEST)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from error

    def change(self, name: str, change: Callable[[bytes], bytes]) -> None:
        """Nothing is changed where there is no such file."""
        try:
            lock = locks.take([f"{self._folder}/.lock"], wait=True)
            assert lock is not None
            try:
                before = self.read(name)
                if before is not None:
                    self._disk.put(f"{self._folder}/{name}", change(before))
            finally:
                lock.close()
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> TrackerError:
        text = f"{error.filename or self._folder}: {error.strerror}"
        return TrackerError(Trouble.UNREACHABLE, text, hint="[tracker] folder names the folder of items")
