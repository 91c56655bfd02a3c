"""Files that a job is to leave beside its work: found by glob, inside its workspace only."""

import glob
import os
from collections.abc import Iterator, Sequence


def find(folder: str, globs: Sequence[str]) -> list[tuple[str, str]]:
    """Each regular file that matches, by its path below `folder` and its full path. A folder means all that is in it.

    Links are not followed: what they name may lie anywhere.
    """
    found: dict[str, str] = {}
    for pattern in globs:
        for name in glob.iglob(pattern.rstrip("/"), root_dir=folder, recursive=True, include_hidden=True):
            found |= _files(folder, os.path.normpath(name))
    return sorted(found.items())


def _files(folder: str, name: str) -> Iterator[tuple[str, str]]:
    path = os.path.join(folder, name)
    parts = name.split(os.sep)
    if parts[0] in (os.pardir, "") or ".git" in parts or _through_a_link(folder, parts):
        return
    if os.path.isfile(path):
        yield name, path
    elif os.path.isdir(path):
        for above, folders, files in os.walk(path):
            folders[:] = [one for one in folders if one != ".git"]
            for one in files:
                if os.path.isfile(whole := os.path.join(above, one)) and not os.path.islink(whole):
                    yield os.path.relpath(whole, folder), whole


def _through_a_link(folder: str, parts: list[str]) -> bool:
    return any(os.path.islink(os.path.join(folder, *parts[: number + 1])) for number in range(len(parts)))
