"""Undoing what an agent did to refs that are not its job's, where it went round the guard. Nothing is thrown away.

A person works in the same repository meanwhile, and theirs must stay: what the log of another work tree's HEAD shows,
they did; what aq writes, it signs. The rest is put back by compare-and-set, and its tip kept under a name of its own.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase

from agent_queue.core.job import JobId
from agent_queue.system.before import Before, stash_log
from agent_queue.system.checkpoint import written_by_us
from agent_queue.system.git import Git, GitError, lines
from agent_queue.system.guard import full
from agent_queue.system.mend import REASON, put, text

STASH = "refs/stash"


@dataclass(frozen=True, slots=True)
class Undo:
    """Where: the repository, its own folder, and that of the job's worktree ('' when it works in the checkout)."""

    git: Git
    common: str
    worktree: str
    job: JobId
    branch: str


def put_back(here: Undo, before: Before, now: Mapping[str, str], allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Put back every ref that the agent moved, of those that are there `now`; their names.

    Raises:
        GitError: git refused.
    """
    theirs = _seen_elsewhere(here, before.at)
    patterns = tuple(map(full, allowed))
    done = []
    for name, old in before.refs.items():
        new = now.get(name)
        if new == old or name == STASH or any(fnmatchcase(name, pattern) for pattern in patterns):
            continue
        if new and (theirs is None or new in theirs or written_by_us(here.common, name)):
            continue  # a person's, aq's for another job or for a person who merged, or nobody can tell
        if new:
            _keep(here, name, new)
        with suppress(GitError):  # somebody moves it right now
            message = "aq: put back what a job's agent moved"
            here.git.run("update-ref", "--no-deref", "-m", message, name, old, new or "0" * len(old))
            done.append(name)
    return (*done, *_stash(here, before, now))


def _keep(here: Undo, name: str, commit: str) -> None:
    kept = f"refs/aq/rescued/{here.job}/{name.removeprefix('refs/')}-{commit[:12]}"
    here.git.run("update-ref", kept, commit)


def _seen_elsewhere(here: Undo, since: float) -> set[str] | None:
    """What HEAD was moved to in the work trees of persons since then; None when git keeps no log of that."""
    logs = [os.path.join(here.common, "logs/HEAD")]
    records = os.path.join(here.common, "worktrees")
    for name in os.listdir(records) if os.path.isdir(records) else ():
        record = os.path.join(records, name)
        if record != here.worktree and text(os.path.join(record, "locked")).strip() != REASON:
            logs.append(os.path.join(record, "logs/HEAD"))
    if not here.worktree:
        return set()  # the agent works in the checkout itself: its HEAD says nothing about who moved it
    found: set[str] = set()
    told = [text(log) for log in logs]
    for line in lines("\n".join(told)):
        moved, _, _ = line.partition("\t")
        words = moved.split(" ")
        if len(words) > 4 and words[-2].isdigit() and int(words[-2]) >= int(since):
            found.add(words[1])
    return found if told[0] else None


def _stash(here: Undo, before: Before, now: Mapping[str, str]) -> tuple[str, ...]:
    """Take what the agent stashed out of the user's stash, and put back what it dropped of it."""
    was, is_ = lines(before.stash), lines(stash_log(here.common))
    old, new = before.refs.get(STASH), now.get(STASH)
    if was == is_ and old == new:
        return ()
    fresh, gone = [line for line in is_ if line not in was], [line for line in was if line not in is_]
    mine = [line for line in fresh if f"n {here.branch}: " in line or f"n {here.branch}:" in line]
    for line in gone + mine:
        _keep(here, STASH, line.split(" ")[1])
    if len(mine) < len(fresh) or (gone and old != new and not mine):
        return ()  # a person stashed or unstashed meanwhile: theirs stays, and what is gone from it is kept
    if old and old != new:
        here.git.run("update-ref", "--no-deref", STASH, old)
    elif new and not old:
        here.git.run("update-ref", "--no-deref", "-d", STASH, new)
    if before.stash:
        put(os.path.join(here.common, "logs", STASH), before.stash)  # the log of a stash is its list
    return (STASH,)
