"""Bringing a job's branch into a branch of the person's: the result is made in git's store, and then taken over in one
step. Files of a checkout are written only where that checkout has the branch and nothing uncommitted in their place.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from agent_queue.core.capabilities import version
from agent_queue.core.errors import AqError, BusyError
from agent_queue.system import persons_git
from agent_queue.system.git import Git, GitError

OLDEST_GIT = (2, 38)
"""The first whose `merge-tree` merges without a checkout."""
SHOWN = 20


class MergeError(AqError):
    """It cannot be merged; nothing was changed."""


class How(StrEnum):
    FAST_FORWARD = "fast-forward"
    MERGE = "merge"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What was done. `checkout` is the folder whose files were updated, '' where only the branch moved."""

    branch: str
    into: str
    before: str
    after: str
    how: How
    checkout: str
    files: tuple[str, ...]


def target(repository: str, base: str | None, into: str | None) -> str:
    """The local branch to merge into: as asked for, else the job's `base`, else the one that is checked out.

    Raises:
        MergeError: that is no local branch.
    """
    git = Git(repository)
    found = into or base or (git.ask("symbolic-ref", "-q", "--short", "HEAD") or "")
    hint = "name one with --into BRANCH"
    if not found:
        raise MergeError(f"{repository} has no branch checked out to merge into", hint=hint)
    if git.ask("show-ref", "--verify", "--quiet", f"refs/heads/{found}") is None:
        what = "" if into else "its base "
        raise MergeError(f"{what}{found} is no branch of {repository}", hint=hint)
    if found.startswith("aq/"):
        raise MergeError(f"{found} is a branch of a job", hint=hint)
    return found


def merge(repository: str, branch: str, into: str) -> Merged:
    """Merge by fast-forward where that is possible, else by a merge commit in the person's name.

    Raises:
        MergeError: there are conflicts, or uncommitted changes where files would be written; it lists them.
        BusyError: the person is in the middle of a rebase or bisect of `into`.
    """
    git = Git(repository, env=persons_git.identity(repository))
    ours, theirs = (git.run("rev-parse", "--verify", f"refs/heads/{name}^{{commit}}") for name in (into, branch))
    how, after = _result(git, ours, theirs, branch, into)
    files = tuple(_paths(git.read("diff", "--name-only", "--no-renames", "-z", ours, after)))
    checkout = _checkout(git, into)
    if how is not How.NOTHING:
        if checkout:
            _update(checkout, into, ours, after, files)
        else:
            git.run("update-ref", "-m", f"aq merge {branch}", f"refs/heads/{into}", after, ours)
    return Merged(branch=branch, into=into, before=ours, after=after, how=how, checkout=checkout, files=files)


def _result(git: Git, ours: str, theirs: str, branch: str, into: str) -> tuple[How, str]:
    """The commit that `into` is to point at."""
    if git.ask("merge-base", "--is-ancestor", theirs, ours) is not None:
        return How.NOTHING, ours
    if git.ask("merge-base", "--is-ancestor", ours, theirs) is not None:
        return How.FAST_FORWARD, theirs
    found = git.run("version").removeprefix("git version ")
    if version(found)[:2] < OLDEST_GIT:
        raise MergeError(f"git {found} cannot merge without a checkout", hint="install git 2.38 or newer")
    tree, *conflicts = _tried(git, ours, theirs)
    if conflicts:
        hint = f"merge it by hand, `git merge {branch}`, or requeue the job so that its agent does"
        raise MergeError(f"{branch} and {into} are in conflict over{_listed(conflicts)}", hint=hint)
    message = f"Merge branch '{branch}'" + ("" if into in ("main", "master") else f" into {into}")
    return How.MERGE, git.run("commit-tree", tree, "-p", ours, "-p", theirs, "-m", message)


def _tried(git: Git, ours: str, theirs: str) -> list[str]:
    """The merged tree, then the files with conflicts. Conflicts are no error of git: it prints them."""
    how = ("--write-tree", "--name-only", "--no-messages", "-z")
    said = persons_git.call(git.folder, "-c", "core.fsync=all", "merge-tree", *how, ours, theirs)
    if said.code not in (0, 1):
        raise GitError(f"git merge-tree in {git.folder}: {said.complaint}")
    return [part for part in said.output.split("\0") if part]


def _checkout(git: Git, into: str) -> str:
    """The work tree that has the branch checked out, '' when none has.

    Raises:
        BusyError: one has it in hand without having it checked out.
    """
    for record in os.fsdecode(git.read("worktree", "list", "--porcelain", "-z")).split("\0\0"):
        lines = record.strip("\0").split("\0")
        path = lines[0].removeprefix("worktree ")
        if f"branch refs/heads/{into}" in lines and "bare" not in lines:
            return git.ask("-C", path, "rev-parse", "--show-toplevel") or path  # of a submodule, git's folder is listed
        if "detached" in lines and into in _in_hand(path):
            raise BusyError(f"{path} is in the middle of a rebase or bisect of {into}", hint="end that first")
    return ""


def _in_hand(path: str) -> Iterator[str]:
    """The branches that a rebase or bisect in this work tree will come back to."""
    folder = Git(path).ask("rev-parse", "--absolute-git-dir")
    for name in ("rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START") if folder else ():
        with suppress(OSError), open(f"{folder}/{name}", encoding="utf-8", errors="surrogateescape") as file:
            yield file.read().strip().removeprefix("refs/heads/")


def _update(checkout: str, into: str, before: str, after: str, files: tuple[str, ...]) -> None:
    """Move the branch with its checkout: git writes all the files or none, and keeps every other change there."""
    blocked = sorted(set(_in_the_way(Git(checkout), before, files)))
    hint = f"commit or stash them in {checkout}, then merge again"
    if blocked:
        raise MergeError(f"{checkout} has {into} checked out, with uncommitted changes in{_listed(blocked)}", hint=hint)
    safe = ("-c", "core.hooksPath=/dev/null", "-c", "merge.autoStash=false", "-c", "commit.gpgSign=false")
    said = persons_git.call(
        checkout, *safe, "merge", "--ff-only", "--no-overwrite-ignore", "--no-stat", "--quiet", after
    )  # fmt: skip
    if said.code:
        raise MergeError(f"git merge in {checkout}: {said.complaint}", hint=hint)


def _in_the_way(git: Git, before: str, files: tuple[str, ...]) -> Iterator[str]:
    """Files of the merge that differ from HEAD in the checkout, or lie there without being in git."""
    changed = set(_paths(git.read("diff", "--name-only", "--no-renames", "--ignore-submodules=dirty", "-z", "HEAD")))
    known = set(_paths(git.read("ls-tree", "-r", "--name-only", "-z", before)))
    folders = {folder for path in known for folder in _above(path)}
    for path in files:
        if path in changed:
            yield path
        elif path not in known:
            unknown = [place for place in (*_above(path), path) if place not in known | folders]
            yield from (place for place in unknown if _taken(f"{git.folder}/{place}", folder=place != path))


def _taken(path: str, *, folder: bool) -> bool:
    """True when what lies there is in the way of the `folder` or file that is to be."""
    if os.path.isdir(path) and not os.path.islink(path):
        return not folder and bool(os.listdir(path))
    return os.path.lexists(path)


def _above(path: str) -> list[str]:
    """The folders that a path lies in."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _paths(data: bytes) -> list[str]:
    return [os.fsdecode(part) for part in data.split(b"\0") if part]


def _listed(paths: list[str]) -> str:
    more = len(paths) - SHOWN
    return "".join(f"\n    {path}" for path in paths[:SHOWN]) + (f"\n    and {more} more" if more > 0 else "")
