"""What lies below a folder and matches a glob: `**` does not go through links, which may lead back up without end."""

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase

GIT = ".git"
"""Git's own folder is in no glob, unless it is named."""
_WILD = frozenset("*?[")


def matching(folder: str, pattern: str) -> Iterator[str]:
    """The paths below `folder`, some of them perhaps twice. `*` stays within a folder, `**` does not.

    A name that begins with a dot is one like others.
    """
    parts: list[str] = []
    for part in pattern.split("/"):
        if part not in ("", ".", *(parts[-1:] if part == "**" else ())):
            parts.append(part)
    todo = [("", 0)]  # a list of our own: folders may lie deeper than any recursion
    while todo:
        at, number = todo.pop()
        if number == len(parts):
            yield from [at] if at else ()
        elif parts[number] == "**":
            todo.append((at, number + 1))
            for entry in _entries(folder, at):
                if entry.is_dir(follow_symlinks=False):
                    todo.append((os.path.join(at, entry.name), number))
                elif number + 1 == len(parts):
                    yield os.path.join(at, entry.name)
        elif _WILD.isdisjoint(parts[number]):
            path = os.path.join(at, parts[number])
            todo += [(path, number + 1)] if os.path.lexists(os.path.join(folder, path)) else []
        else:
            names = (entry.name for entry in _entries(folder, at))
            todo += [(os.path.join(at, name), number + 1) for name in names if fnmatchcase(name, parts[number])]


def _entries(folder: str, at: str) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(os.path.join(folder, at)) as found:
            return [entry for entry in found if entry.name != GIT]
    except OSError:
        return []  # a file, or a folder that is closed to us, or gone meanwhile
