"""Finding profiles: in a person's own folders, then among the ones shipped with the package."""

import os
from collections.abc import Iterable

from agent_queue.core.errors import ManifestError
from agent_queue.core.job import bad_id
from agent_queue.core.profile import Found, Profile, parse
from agent_queue.system import regular_file
from agent_queue.system.layout import SUFFIX

SHIPPED = os.path.join(os.path.dirname(os.path.dirname(__file__)), "profiles")


class Profiles:
    """Those of `folders`, in order of search, and the shipped ones. A file is parsed again when it has changed."""

    def __init__(self, folders: Iterable[str]) -> None:
        self._folders = [*folders, SHIPPED]
        self._known: dict[str, tuple[tuple[int, int], Profile]] = {}

    def names(self) -> list[str]:
        return sorted({entry.name.removesuffix(SUFFIX) for folder in self._folders for entry in _entries(folder)})

    def find(self, name: str) -> Profile | None:
        """The profile of this name, None when there is none.

        Raises:
            ManifestError: its file cannot be read, with the place.
        """
        path = self._path(name)
        return None if path is None else self._read(name, path)

    def all(self) -> list[Found]:
        """Every profile that a job can name, each where it is found first."""
        found = []
        for name in self.names():
            path = self._path(name)
            try:
                found += [Found(name, path, self._read(name, path))] if path else []
            except ManifestError as error:
                found.append(Found(name, path or "", None, str(error)))
        return found

    def _path(self, name: str) -> str | None:
        if bad_id(name) is not None:
            return None  # no name of a file of ours, and no way out of the folder
        paths = (os.path.join(folder, f"{name}{SUFFIX}") for folder in self._folders)
        return next((path for path in paths if os.path.exists(path)), None)

    def _read(self, name: str, path: str) -> Profile:
        try:
            data, found = regular_file.read(path)
            stamp = (found.st_mtime_ns, found.st_size)
            if path not in self._known or self._known[path][0] != stamp:
                self._known[path] = (stamp, parse(data, name, path))
        except OSError as error:
            raise ManifestError(f"{path}: cannot be read: {error.strerror}") from error
        return self._known[path][1]


def _entries(folder: str) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.name.endswith(SUFFIX) and not entry.name.startswith(".")]
    except OSError:
        return []
