"""One supervisor per queue: its lock, and the note by which others find it."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agent_queue.core.errors import BusyError
from agent_queue.system import kernel
from agent_queue.system.files import Disk
from agent_queue.system.layout import Layout
from agent_queue.system.records import alive, read_object
from agent_queue.system.storage import storage_error

if TYPE_CHECKING:
    import signal


def note_path(layout: Layout) -> str:
    return f"{layout.own}/supervisor.json"


@contextmanager
def supervise(layout: Layout, disk: Disk, *, slots: int, started_at: float) -> Iterator[Callable[[], None]]:
    """Be the supervisor of this queue while the context is open. Its value says so to others, who may send signals from
    then on.

    Raises:
        BusyError: another one is. StorageError: the queue cannot be written.
    """
    from agent_queue.system import locks  # not above: whoever only looks for a supervisor has no use for it

    lock = locks.take([f"{layout.own}/supervisor.lock"])
    if lock is None:
        found = find(layout) or {}
        raise BusyError(
            f"another supervisor runs this queue (pid {found.get('shim', '?')})",
            hint="`aq status` shows what it does; `aq stop` ends it",
        )
    pid = os.getpid()
    note = {"shim": pid, "shim_start": kernel.start_time(pid), "boot_id": kernel.boot_id(), "slots": slots,
            "started_at": started_at}  # fmt: skip

    def announce() -> None:
        with _refusing(layout):
            disk.put(note_path(layout), json.dumps(note).encode(), durable=False)

    try:
        with _refusing(layout):
            disk.sweep(lambda pid: kernel.start_time(pid) != "")
        yield announce
    finally:
        disk.remove(note_path(layout))
        lock.close()


@contextmanager
def _refusing(layout: Layout) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(error, layout.root) from error


def find(layout: Layout) -> Mapping[str, Any] | None:
    """The note of the supervisor that lives, None when none does."""
    note = read_object(note_path(layout))
    return note if note is not None and alive(note) else None


def tell(layout: Layout, number: "signal.Signals") -> bool:
    """Signal the supervisor after checking that it is the one the note names; False when none lives."""
    from agent_queue.system.processes import signal_process

    note = read_object(note_path(layout))
    return note is not None and signal_process(note, number)
