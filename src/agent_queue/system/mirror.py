"""A copy of git's folder of one repository, beside a run: it outlives the workspace that the repository lies in.

It is a repository itself, without files. Objects never change, so they are the same files on the disk where that is
possible; all else is copied. What refers to objects is read before them and written after them, so that a copy made
while an agent works there, or cut short, misses nothing that it names.
"""

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress

from agent_queue.system.files import Disk

OBJECTS = "objects"
APART = (OBJECTS, "modules", "worktrees", "hooks")
"""Folders that are no part of it: objects come last, repositories further inside are copied by themselves."""
UNFINISHED = (".lock", "tmp_", "aq-index-", "multi-pack-index")
"""Begin or end the name of a file that is being written, or that git can make again and replaces in place."""
WORKTREE = re.compile(rb"^\s*worktree\s*=.*\n?", re.MULTILINE)
"""The line of a submodule's configuration that names the folder of its files: git goes nowhere once that is gone."""
COPYING = ".aq-copying"
"""Ends the name of a folder that is not whole yet."""
ALTERNATES = os.path.join(OBJECTS, "info", "alternates")


def mirror(source: str, target: str, disk: Disk) -> None:
    """Bring the copy at `target` up to what lies in `source`; on the disk when it returns."""
    small = {name: _bytes(os.path.join(source, name)) for name in (*_names(source), ALTERNATES)}
    small["config"] = WORKTREE.sub(b"", small.get("config") or b"")
    disk.folder(os.path.join(target, OBJECTS))
    _objects(os.path.join(source, OBJECTS), os.path.join(target, OBJECTS), disk)
    for name, data in small.items():
        path = os.path.join(target, name)
        if data is not None and data != _bytes(path):
            disk.folder(os.path.dirname(path))
            disk.put(path, data)
    for name in _names(target):
        if name not in small and os.path.dirname(name):
            disk.remove(os.path.join(target, name))  # a ref, or its log, that is not there any more


def restored(mirror: str, target: str) -> None:
    """Make git's folder anew from its copy, whole or not at all; the folder above it is made too."""
    half = target if target.endswith(COPYING) else target + COPYING
    if os.path.isdir(half):
        shutil.rmtree(half)
    os.makedirs(os.path.dirname(half), exist_ok=True)
    shutil.copytree(mirror, half, copy_function=_linked)
    for name in ("refs", "objects"):  # git knows a repository by these, also where they are empty
        os.makedirs(os.path.join(half, name), exist_ok=True)
    if half != target:
        moved_in(half, target)


def moved_in(half: str, target: str) -> None:
    """Give a folder its own name, now that it is whole."""
    os.replace(half, target)


def _linked(source: str, target: str) -> None:
    if f"{os.sep}{OBJECTS}{os.sep}" in source:
        with suppress(OSError):
            os.link(source, target)
            return
    shutil.copy2(source, target)


def _names(folder: str) -> Iterator[str]:
    """All files of git's folder but for objects, as paths of it."""
    for above, folders, names in os.walk(folder):
        if above == folder:
            folders[:] = [name for name in folders if name not in APART]
        for name in names:
            if not _unfinished(name) and stat.S_ISREG(os.lstat(os.path.join(above, name)).st_mode):
                yield os.path.relpath(os.path.join(above, name), folder)


def _objects(source: str, target: str, disk: Disk) -> None:
    for above, _, names in os.walk(source):
        inside = os.path.normpath(os.path.join(target, os.path.relpath(above, source)))
        if os.path.basename(above) == "info":
            continue
        there = set(os.listdir(inside)) if os.path.isdir(inside) else set()
        new = [name for name in names if name not in there and not _unfinished(name)]
        if not new:
            continue
        disk.folder(inside)
        for name in new:
            with suppress(FileNotFoundError):  # packed meanwhile: the pack is listed later, or at the next time
                _same(os.path.join(above, name), os.path.join(inside, name), disk)
        disk.sync_folder(inside)


def _same(source: str, target: str, disk: Disk) -> None:
    """The same file under a second name, a copy on another file system. An agent's git may not have flushed it."""
    disk.sync_file(source)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        with open(source, "rb") as file:
            disk.put(target, iter(lambda: file.read(1 << 20), b""), mode=0o400)


def _unfinished(name: str) -> bool:
    return name.startswith(UNFINISHED) or name.endswith(UNFINISHED)


def _bytes(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None
