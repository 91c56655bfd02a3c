"""How much the harnesses do, and where they write down what they did."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any


def scaled(count: int) -> int:
    """A count at commit size, times AQ_CRASH_SCALE: 10 and more for a nightly run, below 1 for a quick look."""
    return max(1, round(count * float(os.environ.get("AQ_CRASH_SCALE", "1"))))


def record(harness: str, **counts: Any) -> None:
    """Print the counts of a harness, and add them to the JSON file that AQ_CRASH_REPORT names."""
    print(f"{harness}: " + ", ".join(f"{name} {value}" for name, value in counts.items()))
    path = os.environ.get("AQ_CRASH_REPORT")
    if not path:
        return
    with Path(f"{path}.lock").open("w") as lock:  # several test processes may end at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        file = Path(path)
        report = json.loads(file.read_text()) if file.exists() else {}
        report[harness] = counts
        file.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
