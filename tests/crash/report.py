"""Where the harnesses write down what they did."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any


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
