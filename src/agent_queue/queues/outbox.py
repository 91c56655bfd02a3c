"""Jobs whose items wait for news: a small file for each in `outbox/`. Satisfies `ports_tracker.Outbox`."""

import json
import os
from dataclasses import asdict

from agent_queue.core.job import JobId, bad_id
from agent_queue.core.owed import Owed
from agent_queue.system import locks, records
from agent_queue.system.files import Disk
from agent_queue.system.layout import Layout
from agent_queue.system.storage import storage_error

SUFFIX, JOURNAL, CURSOR = ".json", ".jsonl", ".cursor"


class FolderOutbox:
    """A file may be deleted by hand: then nothing is told, until the job moves again."""

    def __init__(self, layout: Layout, disk: Disk) -> None:
        self._folder = layout.outbox
        self._journals = os.path.dirname(layout.journal(JobId("")))
        self._disk = disk

    def put(self, owed: Owed) -> None:
        try:
            self._disk.put(self._path(owed.job), json.dumps(asdict(owed)).encode())
        except OSError as error:
            raise storage_error(error, self._folder) from error

    def drop(self, job: JobId) -> None:
        if os.path.exists(self._path(job)):
            self._disk.remove(self._path(job))
            self._disk.sync_folder(self._folder)

    def get(self, job: JobId) -> Owed | None:
        return _owed(self._path(job), f"{job}{SUFFIX}")

    def owed(self) -> list[Owed]:
        return read(self._folder)

    def lock(self, job: JobId) -> "OutboxLock | None":
        path = f"{self._folder}/.{job}.lock"
        lock = locks.take([path])
        return OutboxLock(lock, path, self._disk) if lock is not None else None

    def _path(self, job: JobId) -> str:
        return f"{self._folder}/{job}{SUFFIX}"

    def since(self) -> float | None:
        """Up to when every journal was looked at, epoch seconds; None when that was never noted."""
        value = (records.read_object(f"{self._folder}/{CURSOR}") or {}).get("until")
        return float(value) if _is_number(value) and value is not None else None

    def note_since(self, until: float | None) -> None:
        """Note it; None forgets it."""
        if until is None:
            self._disk.remove(f"{self._folder}/{CURSOR}")
        else:
            self._disk.put(f"{self._folder}/{CURSOR}", json.dumps({"until": until}).encode(), durable=False)

    def journaled(self, since: float) -> list[JobId]:
        """The jobs whose journals grew since then, epoch seconds."""
        with os.scandir(self._journals) as found:
            names = [entry.name for entry in found if entry.name.endswith(JOURNAL) and entry.stat().st_mtime >= since]
        return sorted(JobId(name.removesuffix(JOURNAL)) for name in names if bad_id(name.removesuffix(JOURNAL)) is None)


class OutboxLock:
    """Satisfies `ports.Lock`; its file goes with it."""

    def __init__(self, lock: locks.FileLocks, path: str, disk: Disk) -> None:
        self._lock = lock
        self._path = path
        self._disk = disk

    def filenos(self) -> tuple[int, ...]:
        return self._lock.filenos()

    def close(self) -> None:
        self._disk.remove(self._path)
        self._lock.close()


def read(folder: str) -> list[Owed]:
    """What waits, oldest first. A file that is torn or foreign is passed over."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    found = [_owed(f"{folder}/{name}", name) for name in names if name.endswith(SUFFIX) and not name.startswith(".")]
    return sorted((owed for owed in found if owed is not None), key=lambda owed: (owed.since, owed.job))


def _owed(path: str, name: str) -> Owed | None:
    value = records.read_object(path) or {}
    job, item = value.get("job"), value.get("item")
    if not isinstance(job, str) or f"{job}{SUFFIX}" != name or bad_id(job) or not isinstance(item, str) or not item:
        return None
    numbers = {key: value[key] for key in ("since", "tries", "next_try") if _is_number(value.get(key))}
    texts = {key: value[key] for key in ("problem", "sending") if isinstance(value.get(key), str)}
    return Owed(**{"since": 0.0, **numbers, **texts, "job": JobId(job), "item": item})


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12
