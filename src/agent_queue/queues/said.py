"""What every job file says about its key and its dependencies, with a cache for those that were read before.

The cache lies in `.aq/` and may be deleted at any time. A file is read again when its time or size changed; a final
stage, where nothing is edited, only when its folder's time changed.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from agent_queue.core.errors import ManifestError
from agent_queue.core.job import FINAL, JobId, Stage, bad_id
from agent_queue.core.manifest import parse
from agent_queue.core.names import Said
from agent_queue.system import regular_file
from agent_queue.system.files import Disk
from agent_queue.system.layout import SUFFIX, Layout
from agent_queue.system.records import read_object

VERSION = 1
SURE_NS = 2_000_000_000
"""A folder's time is trusted only when it was this long past at the time of the listing: clocks tick coarsely."""

Jobs = dict[str, list[Any]]
"""By id: the file's time in ns and its size, the key, the dependencies."""


def everything(layout: Layout) -> Iterator[Said]:
    """What the files of all stages say. One that cannot be read says nothing."""
    path = f"{layout.own}/names.json"
    value = read_object(path) or {}
    known = value.get("stages", {}) if value.get("version") == VERSION else {}
    found = {stage: _stage(layout, stage, known.get(stage, [0, {}])) for stage in Stage}
    if found != known:
        with suppress(OSError):  # a queue that may only be read has names all the same
            data = json.dumps({"version": VERSION, "stages": found}, separators=(",", ":")).encode()
            Disk(layout.scratch, durable=False).put(path, data, durable=False)
    for stage, (_, jobs) in found.items():
        for job, (written_ns, _, key, deps) in jobs.items():
            yield Said(stage is Stage.INBOX, written_ns, JobId(job), key, tuple(deps))


def _stage(layout: Layout, stage: Stage, known: list[Any]) -> list[Any]:
    """The folder's time, 0 where it says nothing, and what the jobs in it say."""
    folder = layout.stage(stage)
    modified, before = os.stat(folder).st_mtime_ns, known[1]
    if stage in FINAL and known[0] == modified:
        return known
    listed_at, jobs = time.time_ns(), {}
    with os.scandir(folder) as entries:
        for entry in entries:
            job = entry.name.removesuffix(SUFFIX)
            if entry.name.endswith(SUFFIX) and bad_id(job) is None:
                jobs[job] = _said(entry, before.get(job))
    return [modified if listed_at - modified > SURE_NS else 0, jobs]


def _said(entry: "os.DirEntry[str]", known: list[Any] | None) -> list[Any]:
    stamp = [0, 0]
    try:
        found = entry.stat()
        stamp = [found.st_mtime_ns, found.st_size]
        if known is not None and known[:2] == stamp:
            return known
        manifest = parse(regular_file.read(entry.path)[0], entry.name).manifest
    except (OSError, ManifestError):
        return [*stamp, "", []]
    return [*stamp, manifest.idempotency_key or "", list(manifest.deps)]
