"""Where runs of finished jobs and replaced texts are put away: `archive/<label>/`. Nothing there is written over."""

import os

from agent_queue.core.job import JobId
from agent_queue.system.files import Disk
from agent_queue.system.layout import SUFFIX, Layout


def supplant(layout: Layout, disk: Disk, job: JobId, path: str, data: bytes, label: str) -> None:
    """Give a job's file another text; the old one is kept."""
    kept = _free(layout, label, f"{job}{SUFFIX}")
    disk.folder(os.path.dirname(kept))
    disk.supplant(path, data, kept)


def put_away(layout: Layout, disk: Disk, job: JobId, label: str) -> bool:
    """Move a job's run folders; False when it has none."""
    source = f"{layout.root}/runs/{job}"
    if not os.path.isdir(source):
        return False
    target = _free(layout, label, job)
    disk.folder(os.path.dirname(target))
    disk.relocate(source, target)
    return True


def _free(layout: Layout, label: str, name: str) -> str:
    """Where nothing lies yet: a label may be no finer than a second, in which a job can be put away twice."""
    above, number = f"{layout.root}/archive/{label}", 1
    while os.path.lexists(found := f"{above}/{name}" if number == 1 else f"{above}-{number}/{name}"):
        number += 1
    return found
