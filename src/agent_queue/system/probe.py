"""Looking at this machine and at a queue on it: facts only, as plain values; `flow.doctor` judges them."""

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from agent_queue.core.errors import StorageError
from agent_queue.core.job import ACTIVE, Stage
from agent_queue.system import host, journal, kernel, records, supervisor
from agent_queue.system.files import Disk
from agent_queue.system.layout import SUFFIX, Layout
from agent_queue.system.leftovers import leftovers
from agent_queue.system.storage import storage_error
from agent_queue.system.watch import FolderWatch

JOURNALS = 20_000
STALE_S = 3600.0
AT_ONCE = 8
INOTIFY = "/proc/sys/fs/inotify"


def probe(layout: Layout, programs: Iterable[str]) -> dict[str, Any]:
    """Facts about the machine, the queue, and the version of each of these programs."""
    facts: dict[str, Any] = {"machine": _machine(), "queue": _queue(layout), "versions": _versions(programs)}
    return facts | ({"leftovers": leftovers(layout)} if facts["queue"]["is_queue"] else {})


def _machine() -> dict[str, Any]:
    """What the system offers, apart from any queue."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "git": _git(),
        "pidfd": _pidfd(),
        "max_user_watches": _number(f"{INOTIFY}/max_user_watches"),
        "max_user_instances": _number(f"{INOTIFY}/max_user_instances"),
    }


def _queue(layout: Layout) -> dict[str, Any]:
    """What there is of a queue, and whether it can be worked on. Leaves nothing behind."""
    missing = [folder for folder in layout.folders() if not os.path.isdir(folder)]
    above = layout.root
    while not os.path.isdir(above):
        above = os.path.dirname(above)
    kind, found, space = kernel.file_system(above), os.stat(above), shutil.disk_usage(above)
    facts: dict[str, Any] = {
        "root": layout.root, "missing": missing, "is_queue": os.path.isdir(layout.stage(Stage.INBOX)),
        "file_system": kind, "network": kind in kernel.NETWORK_FILE_SYSTEMS, "free_bytes": space.free,
        "free_inodes": _free_inodes(above), "mode": found.st_mode & 0o777, "mine": found.st_uid == os.geteuid(),
    }  # fmt: skip
    return facts | _inside(layout) if not missing else facts


def _inside(layout: Layout) -> dict[str, Any]:
    note = records.read_object(supervisor.note_path(layout))
    living = supervisor.find(layout)
    skipped, read, journals = _skipped(layout)
    return {
        **_write(layout),
        "watch": _watch(layout),
        "supervisor": living["shim"] if living else None,
        "supervisor_died": note is not None and living is None,
        "stale": sorted(_stale(layout)),
        "idle_locks": sum(1 for name in os.listdir(f"{layout.root}/locks/jobs") if not _active(layout, name)),
        "journals": journals,
        "journals_read": read,
        "skipped": skipped,
    }


def _versions(programs: Iterable[str]) -> dict[str, str]:
    """What each program says for `--version`, '' when it says nothing. Nothing else is ever run."""
    wanted = sorted(set(programs))
    with ThreadPoolExecutor(AT_ONCE) as workers:
        return dict(zip(wanted, workers.map(host.version, wanted), strict=True))


def _write(layout: Layout) -> dict[str, Any]:
    """Whether a durable write works here, how long it takes, and whether two files can be swapped."""
    disk = Disk(layout.scratch)
    one, other = (f"{layout.scratch}/doctor-{os.getpid()}-{number}" for number in (1, 2))
    began = time.perf_counter()
    try:
        disk.put(one, b"1")
        took = time.perf_counter() - began
        disk.put(other, b"2")
        try:
            disk.exchange(one, other)
            exchange = True
        except OSError:
            exchange = False
        return {"write_problem": "", "write_ms": took * 1000, "exchange": exchange}
    except OSError as error:
        return {"write_problem": str(storage_error(error, one)), "write_ms": None, "exchange": None}
    except StorageError as error:
        return {"write_problem": str(error), "write_ms": None, "exchange": None}
    finally:
        for path in (one, other):
            _removed(disk, path)


def _removed(disk: Disk, path: str) -> None:
    if os.path.lexists(path):
        disk.remove(path)


def _watch(layout: Layout) -> str:
    """Why folders cannot be watched; '' when they can."""
    try:
        FolderWatch([layout.stage(stage) for stage in Stage]).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _stale(layout: Layout) -> Iterator[str]:
    """Files in the scratch folder that nobody will rename into place any more."""
    with os.scandir(layout.scratch) as found:
        files = [item for item in found if not item.is_dir(follow_symlinks=False)]
    for item in files:
        pid = item.name.partition("-")[0]
        try:
            old = time.time() - item.stat(follow_symlinks=False).st_mtime > STALE_S
        except FileNotFoundError:
            continue  # its writer has just put it into its place
        if old or (pid.isdecimal() and not kernel.start_time(int(pid))):
            yield item.path


def _active(layout: Layout, job: str) -> bool:
    return any(os.path.lexists(f"{layout.stage(stage)}/{job}{SUFFIX}") for stage in ACTIVE)


def _skipped(layout: Layout) -> tuple[dict[str, int], int, int]:
    """Journals with lines that are torn or foreign, how many of the latest were read, and how many there are."""
    with os.scandir(f"{layout.root}/journal") as found:
        paths = sorted(((item.stat().st_mtime_ns, item.path) for item in found), reverse=True)
    skipped: dict[str, int] = {}
    for _, path in paths[:JOURNALS]:
        try:
            with open(path, "rb") as file:
                count = journal.entries(file.read())[1]
        except OSError:
            count = 1
        if count:
            skipped[path] = count
    return skipped, min(len(paths), JOURNALS), len(paths)


def _git() -> str:
    """git's version as it says it, '' when there is none."""
    try:
        done = subprocess.run(["git", "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().removeprefix("git version ")


def _pidfd() -> bool:
    if not hasattr(os, "pidfd_open"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


def _free_inodes(path: str) -> int | None:
    """None where the file system makes them as it needs them."""
    found = os.statvfs(path)
    return found.f_favail if found.f_files else None


def _number(path: str) -> int | None:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None
