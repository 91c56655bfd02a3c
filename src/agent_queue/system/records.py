"""What processes leave on disk for others: small JSON objects, and whose process still lives.

Apart from the modules that start and signal processes, because a list of jobs needs only this, and fast.
"""

import json
from collections.abc import Mapping
from typing import Any

from agent_queue.system import kernel


def read_object(path: str) -> dict[str, Any] | None:
    """A file that holds one JSON object; None when it is not there or torn."""
    try:
        with open(path, "rb") as file:
            value = json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def alive(record: Mapping[str, Any]) -> bool:
    """True while the shim or supervisor of this record lives: same boot, same pid, same start time."""
    pid = record.get("shim")
    return (
        isinstance(pid, int)
        and record.get("boot_id") == kernel.boot_id()
        and record.get("shim_start") == kernel.start_time(pid)
    )
