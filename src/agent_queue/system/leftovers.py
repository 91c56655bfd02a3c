"""What lies about of jobs that are over or gone: worktrees, run folders, snapshots; and how much disk they take."""

import json
import os
import time
from collections.abc import Iterator
from typing import Any

from agent_queue.core.job import FINAL, JobId, Stage
from agent_queue.system.git import Git, GitError, lines
from agent_queue.system.layout import SUFFIX, Layout

LOOK_S = 5.0
"""How long the sizes of one folder are added up at most."""
SNAPSHOTS = "refs/aq/snapshots/"


def leftovers(layout: Layout) -> dict[str, Any]:
    """Of whom nothing is in work any more, as paths and as (repository, ref); with what the folders take, in bytes."""
    stages = {job: stage for stage in Stage for job in _names(layout.stage(stage), SUFFIX)}
    over = {job for job, stage in stages.items() if stage in FINAL}
    worktrees, runs = _names(layout.work), _names(f"{layout.root}/runs")
    return {
        "lone_worktrees": [f"{layout.work}/{job}" for job in worktrees if job not in stages],
        "lone_runs": [f"{layout.root}/runs/{job}" for job in runs if job not in stages],
        "over_worktrees": [f"{layout.work}/{job}" for job in worktrees if job in over],
        "snapshots": sorted(_snapshots(layout, worktrees, runs, stages.keys() - over)),
        "disk": disk(layout),
    }


def disk(layout: Layout) -> dict[str, Any]:
    """What worktrees, runs and the archive take, in bytes; `whole` is False where it is at least that."""
    sizes = {name: _size(f"{layout.root}/{name}") for name in ("work", "runs", "archive")}
    return {
        **{name: taken for name, (taken, _) in sizes.items()},
        "worktrees": len(_names(layout.work)), "whole": all(whole for _, whole in sizes.values()),
    }  # fmt: skip


def _size(path: str) -> tuple[int, bool]:
    """The blocks of all that lies below; where links lead is not counted. Stops when it takes too long."""
    total, until, waiting = 0, time.monotonic() + LOOK_S, [path]
    while waiting:
        if time.monotonic() > until:
            return total, False
        try:
            with os.scandir(waiting.pop()) as found:
                for item in found:
                    total += item.stat(follow_symlinks=False).st_blocks * 512
                    if item.is_dir(follow_symlinks=False):
                        waiting.append(item.path)
        except OSError:
            continue  # it went meanwhile, or is not ours to read
    return total, True


def _snapshots(layout: Layout, worktrees: list[str], runs: list[str], living: set[str]) -> Iterator[tuple[str, str]]:
    """Snapshot refs of jobs that are over or gone, in every repository that a job here is known to have worked in."""
    for repository in {*_of_worktrees(layout, worktrees), *_of_runs(layout, runs)}:
        try:
            refs = lines(Git(repository).run("for-each-ref", "--format=%(refname)", SNAPSHOTS))
        except GitError:
            continue
        for ref in refs:
            job = ref.removeprefix(SNAPSHOTS).partition("+")[0]
            if job not in living and (job in worktrees or job in runs or os.path.exists(layout.journal(JobId(job)))):
                yield repository, ref


def _of_worktrees(layout: Layout, worktrees: list[str]) -> Iterator[str]:
    for job in worktrees:
        try:
            with open(f"{layout.work}/{job}/.git", encoding="utf-8", errors="surrogateescape") as file:
                folder = file.read().strip().removeprefix("gitdir: ")
        except OSError:
            continue
        yield os.path.dirname(os.path.dirname(folder))


def _of_runs(layout: Layout, runs: list[str]) -> Iterator[str]:
    for job in runs:
        latest = max((int(name) for name in _names(f"{layout.root}/runs/{job}") if name.isdecimal()), default=0)
        try:
            with open(f"{layout.root}/runs/{job}/{latest}/place.json", encoding="utf-8") as file:
                found = json.load(file)["place"].get("repository")
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            continue
        if isinstance(found, str):
            yield os.path.join(found, ".git")


def _names(folder: str, suffix: str = "") -> list[str]:
    """What lies in a folder, dotfiles left out, names without the suffix."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted(name.removesuffix(suffix) for name in names if name.endswith(suffix) and not name.startswith("."))
