"""What a worktree needs besides what git brings: files copied or linked from the user's checkout, and its own setup.

None of it is the job's work, so none gets into a commit: git's own folder of the worktree holds a list of what is left
out there. Git knows no such list for one worktree; it is given to each git of ours, and to the agent's.
"""

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from agent_queue.core.settings import WorkspaceSettings
from agent_queue.system import persons_git
from agent_queue.system.checkpoint import folders
from agent_queue.system.git import EXCLUDE, Git
from agent_queue.system.globs import GIT, matching

PLACED, READY, BEFORE = "aq-placed.json", "aq-ready.json", "aq-before-setup.json"
COPYING = ".aq-copying"
"""Ends the name of a copy that is not whole yet."""
_SPECIAL = re.compile(r"([\\*?\[\]!# ])")

Stamp = list[int]
"""Size and time of a file that was copied."""


def equip(root: str, repository: str, wanted: WorkspaceSettings, keep_open: tuple[int, ...]) -> tuple[str, ...]:
    """Copy and link into the worktree what is not there yet; the setup commands that have still to run in it.

    What the user's checkout does not have is passed over: one list serves every repository.
    """
    here = Git(root, keep_open)
    folder, _ = folders(here)
    placed = _read(folder, PLACED, {})
    for path in _matches(repository, wanted.link):
        if _free(root, path):
            os.symlink(os.path.join(repository, path), os.path.join(root, path))
            placed[path] = "link"
    for path in _matches(repository, wanted.copy):
        if _free(root, path):
            placed[path] = _copied(os.path.join(repository, path), os.path.join(root, path))
    if placed or os.path.exists(os.path.join(folder, EXCLUDE)):
        _write(folder, PLACED, json.dumps(placed))
        _leave_out(here, folder, placed)
    if not wanted.setup or _read(folder, READY, None) == list(wanted.setup):
        return ()
    if _read(folder, BEFORE, None) is None:
        _write(folder, BEFORE, json.dumps(_untracked(here)))
    return wanted.setup


def ready(root: str, setup: tuple[str, ...], keep_open: tuple[int, ...]) -> None:
    """Note that the setup ran well here; what it made is left out from now on."""
    here = Git(root, keep_open)
    folder, _ = folders(here)
    before, placed = set(_read(folder, BEFORE, [])), _read(folder, PLACED, {})
    placed |= {path.rstrip("/"): "setup" for path in _untracked(here) if path not in before}
    _write(folder, PLACED, json.dumps(placed))
    _leave_out(here, folder, placed)
    _write(folder, READY, json.dumps(setup))
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(folder, BEFORE))


def changed(root: str) -> list[str]:
    """What was copied or linked here and is not as it was put: it is on no branch."""
    found = []
    for path, how in _read(folders(Git(root))[0], PLACED, {}).items():
        place = os.path.join(root, path)
        if how == "link":
            found += [path] if os.path.lexists(place) and not os.path.islink(place) else []
        elif isinstance(how, dict):
            now = _stamps(place)
            found += [os.path.join(path, file) if file else path for file in now if how.get(file) != now[file]]
    return found


def placed(root: str) -> list[str]:
    """What was put here, by copy, link or setup, as paths of the worktree."""
    return list(_read(folders(Git(root))[0], PLACED, {}))


def _matches(repository: str, patterns: Iterable[str]) -> Iterator[str]:
    """What there is in the user's checkout, as paths below it. git's own folder is nobody's to copy."""
    for pattern in patterns:
        for path in sorted({*matching(repository, pattern)}):
            if GIT not in path.split(os.sep) and "\n" not in path:
                yield path


def _free(root: str, path: str) -> bool:
    """True when nothing lies there yet; the folders above are made, but never beyond the worktree."""
    above = os.path.dirname(os.path.join(root, path))
    if os.path.lexists(os.path.join(root, path)) or not f"{os.path.realpath(above)}/".startswith(f"{root}/"):
        return False
    os.makedirs(above, exist_ok=True)
    return True


def _copied(source: str, target: str) -> dict[str, Stamp]:
    """Copy a file or a folder, whole or not at all; the stamps of its files."""
    half = target + COPYING
    if os.path.isdir(half) and not os.path.islink(half):
        shutil.rmtree(half)
    elif os.path.lexists(half):
        os.unlink(half)
    if os.path.isdir(source) and not os.path.islink(source):
        shutil.copytree(source, half, symlinks=True)
    else:
        shutil.copy2(source, half, follow_symlinks=False)
    os.replace(half, target)
    return _stamps(target)


def _stamps(path: str) -> dict[str, Stamp]:
    """Each file's size and time, by its path from `path` on; '' is `path` itself. Links count as what they are."""
    if not os.path.isdir(path) or os.path.islink(path):
        return {"": _stamp(path)} if os.path.lexists(path) else {}
    files = (os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)
    return {os.path.relpath(file, path): _stamp(file) for file in files}


def _stamp(path: str) -> Stamp:
    found = os.lstat(path)
    return [found.st_size, 0 if os.path.islink(path) else found.st_mtime_ns]


def _untracked(here: Git) -> list[str]:
    """What git does not know and does not ignore, whole folders as one."""
    said = here.read("ls-files", "--others", "--exclude-standard", "--directory", "-z", limit_s=600)
    return [os.fsdecode(path) for path in said.split(b"\0") if path]


def _leave_out(here: Git, folder: str, placed: Iterable[str]) -> None:
    """Write the list of what is left out, after what the user leaves out everywhere: git reads one such list."""
    lines = ["/" + _SPECIAL.sub(r"\\\1", path) for path in placed]
    theirs = persons_git.call(here.folder, "config", "--path", "core.excludesFile").output or _default()
    _write(folder, EXCLUDE, "\n".join([_text(theirs), *lines, f"*{COPYING}", ""]))


def _default() -> str:
    return os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "git", "ignore")


def _text(path: str) -> str:
    with suppress(OSError), open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()
    return ""


def _read(folder: str, name: str, default: Any) -> Any:
    """A record of ours in git's folder; one that is torn counts as none."""
    try:
        return json.loads(_text(os.path.join(folder, name)))
    except ValueError:
        return default


def _write(folder: str, name: str, text: str) -> None:
    """Replace a file of git's folder as a whole."""
    path = os.path.join(folder, name)
    with open(f"{path}.new", "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    os.replace(f"{path}.new", path)
