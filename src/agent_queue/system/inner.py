"""git in a repository that lies inside a job's workspace. Its configuration may be an agent's: nothing that it names is
run, and where its files lie is told to git, for it might name any folder of the disk.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace

from agent_queue.core.job import JobId
from agent_queue.system.before import Before, filters
from agent_queue.system.checkpoint import known
from agent_queue.system.files import Disk
from agent_queue.system.filters import as_before
from agent_queue.system.git import Git, GitError, lines
from agent_queue.system.mend import LINK, text

ALONE = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}
"""Nothing is fetched by what a configuration says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    """The workspace that they lie in. `own`: it is the job's, so that their stores go with it."""

    root: str
    job: JobId
    branch: str
    own: bool
    run_folder: str | None
    before: Before | None
    disk: Disk
    keep_open: tuple[int, ...] = ()


def git_of(top: str, folder: str, keep_open: tuple[int, ...] = ()) -> Git:
    """git for the files in `top`, its own folder being `folder`."""
    return Git(top, keep_open, env={"GIT_DIR": folder, "GIT_WORK_TREE": top, **ALONE})


def inner(root: str, path: str, keep_open: tuple[int, ...] = ()) -> Git | None:
    """git in the repository at this path of a workspace; None where there is none that is whole."""
    top = os.path.join(root, path)
    own = os.path.join(top, ".git")
    if os.path.isfile(own):
        own = os.path.join(top, text(own).removeprefix(LINK))
    if not os.path.isfile(os.path.join(own, "HEAD")):
        return None
    return git_of(top, os.path.realpath(own), keep_open)


def there(root: str, paths: Iterable[str]) -> dict[str, Git]:
    """git in each of these that is whole."""
    found = {path.rstrip("/"): inner(root, path.rstrip("/")) for path in paths}
    return {path: git for path, git in found.items() if git is not None}


def trusted(outer: Outer, path: str, git: Git | None = None) -> tuple[Git, tuple[str, ...]]:
    """git in one of them with the filters that it had before an agent ran, and the names of those that differ now.

    Raises:
        GitError: there is none that is whole.
    """
    git = git or inner(outer.root, path, outer.keep_open)
    if git is None:
        raise GitError("git's folder of it is not whole")
    settings, off = as_before(outer.before.of(path) if outer.before else None, filters(git))
    return replace(git, settings=settings), off


def own_work(git: Git, commit: str) -> bool:
    """True when there is a commit that none of its remotes has; uncommitted changes are in one by now."""
    ends = ("--branches", "--glob=refs/stash", "--not", "--remotes")
    return git.run("rev-list", "--max-count=1", commit, *ends) != ""


def refs_of(git: Git) -> dict[str, str]:
    """All that it refers to. Snapshots are aq's own."""
    rows = lines(git.run("for-each-ref", "--format=%(objectname) %(refname)"))
    refs = {name: value for value, _, name in (row.partition(" ") for row in rows)}
    (head,) = known(git, "HEAD")
    return {**{name: refs[name] for name in refs if not name.startswith("refs/aq/")}, "HEAD": head or ""}
