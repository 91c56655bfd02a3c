"""Beside a run, git's folders of the repositories inside its workspace, which come back from there."""

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha1
from typing import Any

from agent_queue.system.checkpoint import folders
from agent_queue.system.git import Git, GitError
from agent_queue.system.inner import Outer, git_of, refs_of, trusted
from agent_queue.system.mend import LINK, put
from agent_queue.system.mirror import COPYING, mirror, moved_in, restored
from agent_queue.system.own_index import own_index

FOLDER = "nested"
RECORD = "aq-nested.json"
"""In each copy: which repository it is of. A copy without it was of one that the agent removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class One:
    """A repository inside, by its path in the workspace. `commit` and `tree` are what lies in it now."""

    path: str
    git: Git
    commit: str
    tree: str
    own_work: bool
    """It holds what none of its remotes has."""


def keep(outer: Outer, one: One) -> None:
    """Bring the copy of git's folder up to what is there; on the disk when it returns."""
    assert outer.run_folder is not None
    folder, _ = folders(one.git)
    where = _where(outer.root, folder)
    if where is None or (where[0] == "record" and not one.own_work):
        return  # it stays when the workspace goes, or can be had again by the link
    target = os.path.join(outer.run_folder, FOLDER, _name(one.path))
    mirror(folder, target, outer.disk)
    record = {"path": one.path, "where": where, "commit": one.commit, "tree": one.tree, "refs": refs_of(one.git)}
    data = json.dumps(record, indent=1).encode(errors="surrogateescape")
    outer.disk.put(os.path.join(target, RECORD), data)


def forget(outer: Outer, there: Collection[str]) -> None:
    """The copies of others were of repositories that are gone: they stay, and do not come back by themselves."""
    for copy, told in records(outer.run_folder or ""):
        if told["path"] not in there:
            outer.disk.remove(os.path.join(copy, RECORD))


def _where(root: str, folder: str) -> tuple[str, str] | None:
    """Where git's folder of one lies: below the workspace, or below git's own folder of that; None for elsewhere."""
    for name, top in (("work", os.path.realpath(root)), ("record", folders(Git(root))[0])):
        if folder.startswith(f"{top}{os.sep}"):
            return name, os.path.relpath(folder, top)
    return None


def _name(path: str) -> str:
    mark = sha1(os.fsencode(path), usedforsecurity=False).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9._-]', '-', path)[:60]}-{mark}.git"


def records(run_folder: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each copy of a run with its record, the outer ones first."""
    folder = os.path.join(run_folder, FOLDER)
    found = []
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        with suppress(OSError, ValueError), open(os.path.join(folder, name, RECORD), "rb") as file:
            found.append((os.path.join(folder, name), json.loads(file.read())))
    yield from sorted(found, key=lambda one: one[1]["where"][1].count(os.sep))


def latest(runs: Collection[str]) -> str | None:
    """The last of these run folders that holds a copy."""
    return next((run for run in reversed(list(runs)) if next(records(run), None) is not None), None)


def put_back(outer: Outer) -> tuple[str, ...]:
    """Make those anew that this run's folder holds and that are not there; a sentence for each that could not be."""
    lost = []
    for copy, told in records(outer.run_folder or ""):
        try:
            _put_back(outer, copy, told)
        except (GitError, OSError) as error:
            lost.append(f"the repository {told['path']}, whose git folder is kept at {copy}: {error}")
    return tuple(lost)


def _put_back(outer: Outer, copy: str, told: Mapping[str, Any]) -> None:
    """By its `.git`, made last, a repository counts as there: a death in the middle is gone over again."""
    top, (where, below) = os.path.join(outer.root, told["path"]), told["where"]
    link = os.path.join(top, ".git")
    if os.path.lexists(link):
        return
    folder = os.path.join(outer.root if where == "work" else folders(Git(outer.root))[0], below)
    made = folder + COPYING if folder == link else folder
    if made != folder or not os.path.isdir(folder):
        restored(copy, made)
    config = os.path.join(made, "config")
    if made == folder and os.path.exists(config):
        Git(outer.root).run("config", "--file", config, "core.worktree", os.path.relpath(top, folder))
    git, _ = trusted(outer, told["path"], git_of(top, made, outer.keep_open))
    with own_index(made) as index:
        own = replace(git, env={**git.env, "GIT_INDEX_FILE": index})
        own.run("read-tree", "--reset", "-u", told["commit"], limit_s=600)
    if made == folder:
        put(link, f"{LINK}{folder}\n")
    else:
        moved_in(made, link)
