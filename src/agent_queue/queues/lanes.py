"""What aq remembers of lanes: `lanes/<lane>.json`, beside the `.paused` files of a person. Satisfies `LaneFiles`."""

import json
import os
import time
from collections.abc import Mapping
from typing import Any

from agent_queue.core.lanes import Cause, Lane
from agent_queue.system.files import Disk
from agent_queue.system.records import read_object
from agent_queue.system.storage import storage_error

SUFFIX = ".json"
SURE_NS = 2_000_000_000
"""A folder's time is trusted only when it was this long past at the time of reading: clocks tick coarsely."""


class LaneFolder:
    """The files of one folder. They are read again only when the folder changed: it is asked for at every start."""

    def __init__(self, folder: str, disk: Disk) -> None:
        self._folder = folder
        self._disk = disk
        self._read_at = -1
        self._lanes: dict[str, Lane] = {}

    def read(self) -> Mapping[str, Lane]:
        """Every lane that something is remembered of. A file that is torn or foreign counts as an open lane."""
        modified = os.stat(self._folder).st_mtime_ns
        if modified != self._read_at:
            names = [name.removesuffix(SUFFIX) for name in os.listdir(self._folder) if name.endswith(SUFFIX)]
            found = {name: _lane(read_object(f"{self._folder}/{name}{SUFFIX}")) for name in sorted(names)}
            self._lanes = {name: lane for name, lane in found.items() if lane is not None}
            self._read_at = modified if time.time_ns() - modified > SURE_NS else -1
        return self._lanes

    def put(self, name: str, lane: Lane) -> None:
        """Remember a lane, durably."""
        path = f"{self._folder}/{name}{SUFFIX}"
        record = {"cause": lane.cause, "since": lane.since, "until": lane.until, "pauses": lane.pauses,
                  "crashed": lane.crashed, "tried_at": lane.tried_at}  # fmt: skip
        try:
            self._disk.put(path, json.dumps(record).encode() + b"\n")
        except OSError as error:
            raise storage_error(error, path) from error
        self._read_at = -1

    def forget(self, name: str) -> None:
        """Open a lane, and forget what was."""
        self._disk.remove(f"{self._folder}/{name}{SUFFIX}")
        self._disk.sync_folder(self._folder)
        self._read_at = -1


def _lane(record: Mapping[str, Any] | None) -> Lane | None:
    if record is None:
        return None
    try:
        return Lane(
            cause=Cause(record["cause"]) if record["cause"] is not None else None, since=float(record["since"]),
            until=float(record["until"]), pauses=int(record["pauses"]), crashed=tuple(map(str, record["crashed"])),
            tried_at=float(record["tried_at"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        return None
