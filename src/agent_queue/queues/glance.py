"""The whole queue at a glance, fast: files that did not change since the last time are not read again.

The cache lies in `.aq/` and may be deleted at any time. A file is read again when its size or time changed; a final
stage, where nothing is edited, is listed again when its folder's time changed.
"""

import json
import os
import time
from collections.abc import Callable
from typing import Any

from agent_queue.core.board import Board, Glimpse, Row
from agent_queue.core.history import NEW
from agent_queue.core.job import ACTIVE, FINAL, JobId, Stage
from agent_queue.system import journal
from agent_queue.system.files import Disk
from agent_queue.system.layout import SUFFIX, Layout

VERSION = 1
RECENT = 20
SURE_NS = 2_000_000_000
"""A folder's time is trusted only when it was this long past at the time of the listing: clocks tick coarsely."""


class Glance:
    """Lists the queue. `read` tells what one file says; `settings_key` changes whenever that could change it."""

    def __init__(
        self, layout: Layout, disk: Disk, read: Callable[[str, str, Stage], Glimpse], settings_key: str
    ) -> None:
        self._layout = layout
        self._disk = disk
        self._read = read
        self._key = [VERSION, settings_key]

    def board(self) -> Board:
        """Every active job and the latest finished ones."""
        cached = self._load()
        files: dict[str, Any] = {}
        folders: dict[str, Any] = {}
        rows: list[Row] = []
        counts: dict[Stage, int] = {}
        for stage in ACTIVE:
            found = self._active(stage, cached.get("files", {}), files)
            counts[stage] = len(found)
            rows += found
        for stage in FINAL:
            count, names = self._final(stage, cached.get("folders", {}), folders)
            counts[stage] = count
            rows += [row for name in names if (row := self._row(stage, name, cached.get("files", {}), files))]
        if files != cached.get("files") or folders != cached.get("folders"):
            self._save({"key": self._key, "files": files, "folders": folders})
        return Board(rows=rows, counts=counts)

    def _active(self, stage: Stage, known: dict[str, Any], files: dict[str, Any]) -> list[Row]:
        names = sorted(name for name in os.listdir(self._layout.stage(stage)) if _is_job(name))
        return [row for name in names if (row := self._row(stage, name, known, files)) is not None]

    def _row(self, stage: Stage, name: str, known: dict[str, Any], files: dict[str, Any]) -> Row | None:
        path = f"{self._layout.stage(stage)}/{name}"
        try:
            found = os.stat(path)
        except FileNotFoundError:
            if not os.path.lexists(path):
                return None
            found = os.lstat(path)
        key = f"{stage.value}/{name}"
        entry = known.get(key)
        if not entry or entry[0] != found.st_mtime_ns or entry[1] != found.st_size:
            entry = [found.st_mtime_ns, found.st_size, list(self._read(path, name, stage))]
        files[key] = entry
        title, engine, profile, priority, locks, deps, tracker_item, invalid = entry[2]
        glimpse = Glimpse(title, engine, profile, priority, tuple(locks), tuple(deps), tracker_item, invalid)
        job = JobId(name.removesuffix(SUFFIX))
        past = NEW if invalid and stage is Stage.INBOX else journal.read(self._layout.journal(job))
        return Row(id=job, stage=stage, age=found.st_mtime_ns, glimpse=glimpse, past=past)

    def _final(self, stage: Stage, known: dict[str, Any], folders: dict[str, Any]) -> tuple[int, list[str]]:
        """How many jobs lie in a final stage, and the names of the latest to come there."""
        folder = self._layout.stage(stage)
        modified = os.stat(folder).st_mtime_ns
        entry = known.get(stage.value)
        if entry and entry[0] == modified:
            folders[stage.value] = entry
            return entry[1], entry[2]
        listed_at = time.time_ns()
        with os.scandir(folder) as found:
            jobs = [item for item in found if _is_job(item.name)]
            arrived = sorted((item.stat(follow_symlinks=False).st_ctime_ns, item.name) for item in jobs)
        names = [name for _, name in arrived[-RECENT:]]
        if listed_at - modified > SURE_NS:
            folders[stage.value] = [modified, len(arrived), names]
        return len(arrived), names

    def _load(self) -> dict[str, Any]:
        try:
            with open(f"{self._layout.own}/glance.json", "rb") as file:
                value = json.load(file)
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) and value.get("key") == self._key else {}

    def _save(self, value: dict[str, Any]) -> None:
        try:
            self._disk.put(f"{self._layout.own}/glance.json", json.dumps(value).encode(), durable=False)
        except OSError:
            return  # a queue that may only be read can still be looked at


def _is_job(name: str) -> bool:
    return name.endswith(SUFFIX) and not name.startswith(".")


def read_glimpse(path: str, name: str, stage: Stage, defaults: Any, mutexes: Any) -> Glimpse:
    """What one file says. Only here the YAML parser is needed, and so only here it is imported."""
    from agent_queue.core.errors import ManifestError
    from agent_queue.core.manifest import parse
    from agent_queue.queues.examine import bad_name, problem_of

    bad = bad_name(name.removesuffix(SUFFIX), stage)
    if bad is not None:
        return Glimpse(invalid=bad.problem)
    try:
        with open(path, "rb") as file:
            found = parse(file.read(), name)
    except (ManifestError, OSError) as error:
        return Glimpse(invalid=str(error))
    manifest = found.manifest.under(defaults())
    invalid = problem_of(name, manifest, found.body) if stage is Stage.INBOX else ""
    return Glimpse(
        title=title_of(found.body), engine=manifest.engine or "", profile=manifest.profile or "",
        priority=manifest.priority.value, locks=mutexes(manifest) if not invalid else (), deps=manifest.deps,
        tracker_item=manifest.tracker_item or "", invalid=invalid,
    )  # fmt: skip


def title_of(body: str) -> str:
    """The first line that says something, without heading marks and control characters."""
    line = next((line for line in body.splitlines() if line.strip(" #\t")), "")
    return "".join(c if c.isprintable() else " " for c in line.strip(" #\t"))[:120]
