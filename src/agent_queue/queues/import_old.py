"""Carrying out the import of an old queue: each job's logs, then its journal, then, visible at last, its file."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime

from agent_queue.queues.import_plan import Planned, Step, pending
from agent_queue.queues.old_queue import pieces
from agent_queue.system import journal
from agent_queue.system.files import Disk
from agent_queue.system.layout import Layout
from agent_queue.system.storage import storage_error

BATCH = 100
"""Jobs that are flushed together; each has an open file meanwhile."""


def carry_out(planned: Sequence[Planned], layout: Layout, disk: Disk, now: datetime) -> list[Planned]:
    """Copy what is not there yet; returns the jobs whose file came into being now.

    A crash leaves a job either unseen, to be finished by the next import, or whole.

    Raises:
        StorageError: the disk did not take it.
    """
    todo = pending(planned)
    made: list[Planned] = []
    try:
        for start in range(0, len(todo), BATCH):
            made += _batch(todo[start : start + BATCH], layout, disk, now)
    except OSError as error:
        raise storage_error(error, layout.root) from error
    return made


def _batch(jobs: Sequence[Planned], layout: Layout, disk: Disk, now: datetime) -> list[Planned]:
    for each in jobs:
        for path, name in log_names(each.old.stem, each.old.logs):
            folder = layout.run(each.job, 1)
            disk.folder(folder)
            disk.put(f"{folder}/{name}", pieces(path))
    new = [each for each in jobs if each.step is Step.COPY]
    disk.append((layout.journal(each.job), journal.line(each.entry, now)) for each in new)
    made = disk.create([(layout.job(each.stage, each.job), each.text.data) for each in jobs])
    line = journal.line({"event": "moved", "seq": 0}, now)
    disk.append(((layout.journal(each.job), line) for each in jobs), durable=False)
    return [each for each, done in zip(jobs, made, strict=True) if done]


def log_names(stem: str, paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Where each log goes: the agent's and the verify's to the names that they have here, others to their own."""
    verify = next((path for path in paths if "verify" in _rest(path, stem)), None)
    others = [path for path in paths if path != verify]
    agent = max(others, key=lambda path: (_rest(path, stem) == ".log", _written_ns(path), path), default=None)
    used = {"agent.log", "verify.log"}
    for path in paths:
        name = os.path.basename(path)
        if path in (agent, verify):
            name = "agent.log" if path == agent else "verify.log"
        elif name in used:
            name = f"{len(used)}-{name}"
        used.add(name)
        yield path, name


def _rest(path: str, stem: str) -> str:
    return os.path.basename(path).removeprefix(stem)


def _written_ns(path: str) -> int:
    with suppress(OSError):
        return os.stat(path).st_mtime_ns
    return 0
