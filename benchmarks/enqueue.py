"""Enqueue: `aq add` of 1,000 files in one call, against the bare system calls for as many durable files."""

import os
import time
from pathlib import Path

from benchmarks.figures import Figure, median
from benchmarks.setting import Setting

FILES = 1_000
TEXT = "---\nengine: shell\n---\nMend number {}\n"


def measure(setting: Setting) -> list[Figure]:
    count = setting.count(FILES, 200)
    source = setting.space("source")
    for number in range(count):
        (source / f"mend-{number:04}.md").write_text(TEXT.format(number))
    added, raw = [], []
    for _ in range(setting.count(7, 3)):
        raw.append(count / _raw(setting.space("raw"), count))
        queue = setting.queue("add")
        added.append(count / queue.aq("add", str(source)).wall_s)
        assert len(os.listdir(queue.root / "inbox")) == count
    return [
        Figure(
            figure=f"enqueue, `aq add` of {count:,} files in one call, fsync on", measured=f"{median(added):,.0f}/s",
            target=">= 1,000/s", met=median(added) >= 1_000,
            beside=f"the bare calls (create, fsync, link; one fsync of the folder): {median(raw):,.0f}/s",
            cause=setting.flush(),
        )
    ]  # fmt: skip


def _raw(folder: Path, count: int) -> float:
    """Seconds to create so many durable files by the bare calls."""
    (folder / "tmp").mkdir()
    (folder / "inbox").mkdir()
    began = time.perf_counter()
    for number in range(count):
        temporary = str(folder / "tmp" / str(number))
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, TEXT.format(number).encode())
        os.fsync(fd)
        os.close(fd)
        os.link(temporary, str(folder / "inbox" / f"{number}.md"))
        os.unlink(temporary)
    fd = os.open(str(folder / "inbox"), os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    return time.perf_counter() - began
