"""Files that a job is to leave beside its work: found by glob, inside its workspace only."""

import os
from collections.abc import Iterator, Sequence

from agent_queue.system.globs import GIT, matching


def find(folder: str, globs: Sequence[str]) -> list[tuple[str, str]]:
    """Each regular file that matches, by its path below `folder` and its full path. A folder means all that is in it.

    Links are not followed: what they name may lie anywhere.
    """
    names = {os.path.normpath(name) for glob in globs for name in matching(folder, glob)}
    found: dict[str, str] = {}
    whole = ""
    for name in sorted(names, key=lambda name: name.split(os.sep)):
        if not whole or not name.startswith(f"{whole}{os.sep}"):  # else all of its folder is among them
            found |= _files(folder, name)
            whole = name
    return sorted(found.items())


def _files(folder: str, name: str) -> Iterator[tuple[str, str]]:
    parts, path = name.split(os.sep), os.path.join(folder, name)
    if parts[0] in (os.pardir, "") or GIT in parts or _through_a_link(folder, parts):
        return
    if os.path.isfile(path):
        yield name, path
        return
    for inner in matching(path, "**"):
        whole = os.path.join(path, inner)
        if os.path.isfile(whole) and not os.path.islink(whole):
            yield os.path.join(name, inner), whole


def _through_a_link(folder: str, parts: list[str]) -> bool:
    return any(os.path.islink(os.path.join(folder, *parts[: number + 1])) for number in range(len(parts)))
