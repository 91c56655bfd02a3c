"""Repositories inside a job's workspace, submodules among them: of each the job's commit holds a link at most.

What lies in one is saved as a commit in its own store, by the same plumbing. That store may lie in the workspace, or in
git's folder of it, and goes with it; so it is kept beside the run, and from there it comes back into a new worktree.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha1

from agent_queue.core.job import snapshots_ref
from agent_queue.system import nested_copies
from agent_queue.system.before import Before, distrusting
from agent_queue.system.checkpoint import BEAT_LIMIT_S, LAST_LIMIT_S, folders, known, look_at, snapshot
from agent_queue.system.content import Content
from agent_queue.system.filters import paths_of
from agent_queue.system.git import GitError
from agent_queue.system.inner import Outer, own_work, refs_of, trusted
from agent_queue.system.nested_copies import One
from agent_queue.system.own_index import remove_locks


@dataclass(slots=True, kw_only=True)
class Inside:
    """What became of them. Paths are those of the workspace."""

    saved: list[str] = field(default_factory=list)
    """Those that hold work which no link and no remote of theirs has."""
    missed: list[str] = field(default_factory=list)
    """What could not be saved, and why."""
    left_out: list[str] = field(default_factory=list)
    off: list[str] = field(default_factory=list)
    distrusted: dict[str, Before] = field(default_factory=dict)
    """What is known of the filters of each now."""


def save(outer: Outer, paths: Iterable[str], message: str, *, living: bool = False) -> Inside:
    """Save what lies in each of these, and in those inside them; git's folders of all that would go with the workspace
    are kept beside the run. `living`: an agent still works there.
    """
    found, inside, waiting = Inside(), list[One](), list(paths)
    while waiting:
        path = waiting.pop(0)
        try:
            one, content = _snapshot(outer, path, message, living, found)
        except (GitError, OSError) as error:
            found.missed.append(f"the repository {path}: {error}")
            continue
        inside.append(one)
        waiting += [os.path.join(path, name) for name in content.nested]
    found.saved += [one.path for one in inside if one.own_work]
    if not outer.own or outer.run_folder is None:
        return found
    for one in inside:
        try:
            nested_copies.keep(outer, one)
        except (GitError, OSError) as error:
            found.missed.append(f"the repository {one.path}, but in the workspace itself: {error}")
    if not living and not found.missed:
        nested_copies.forget(outer, {one.path for one in inside})
    return found


def _snapshot(outer: Outer, path: str, message: str, living: bool, found: Inside) -> tuple[One, Content]:
    git, off = trusted(outer, path)
    mark = sha1(os.fsencode(path), usedforsecurity=False).hexdigest()[:12]
    ref = f"{snapshots_ref(outer.branch)}+{mark}"
    if outer.own and not living:
        remove_locks(*folders(git), ref, own_worktree=True)
    limit_s = BEAT_LIMIT_S if living else LAST_LIMIT_S
    saved = snapshot(git, ref=ref, branch="HEAD", message=message, limit_s=limit_s)
    if outer.before is not None and off:
        found.distrusted[path] = distrusting(outer.before.of(path), replace(git, settings=()))
        found.off += [os.path.join(path, name) for name in paths_of(git, off)]
    found.left_out += [os.path.join(path, name) for name in saved.content.left_out]
    found.missed += [f"in the repository {path}: {told}" for told in saved.content.missed]
    return One(
        path=path, git=git, commit=saved.commit, tree=saved.content.tree, own_work=own_work(git, saved.commit),
    ), saved.content  # fmt: skip


def unsaved(outer: Outer, paths: Iterable[str], beside: Callable[[str], bool]) -> list[str]:
    """Those of these that hold what is neither kept beside the run nor to be had from their remotes.

    `beside` says whether a file that no commit should hold is kept.
    """
    kept = {told["path"]: told for _, told in nested_copies.records(outer.run_folder)} if outer.run_folder else {}
    found, waiting = [], list(paths)
    while waiting:
        path = waiting.pop(0)
        try:
            git = trusted(outer, path)[0]
            content = look_at(git)
            same = kept.get(path, {}).get("tree") == content.tree and kept[path]["refs"] == refs_of(git)
            own = not same and (content.tree != known(git, "HEAD^{tree}")[0] or own_work(git, "HEAD"))
        except GitError:
            found.append(path)
            continue
        waiting += [os.path.join(path, name) for name in content.nested]
        if own or content.missed or not all(beside(os.path.join(path, name)) for name in content.left_out):
            found.append(path)
    return found


def removed(outer: Outer, paths: Iterable[str]) -> None:
    """Remove those that hold nothing which is not kept elsewhere: the job begins again without them."""
    for path in set(paths) - set(unsaved(outer, paths, lambda _: True)):
        with suppress(OSError):  # not ours to remove: it stays
            shutil.rmtree(os.path.join(outer.root, path))
