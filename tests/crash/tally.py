"""What a harness did, and how its parts are run in processes of their own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import report

EXAMPLES = 20
WORKERS = 3
"""More than two cores have: much of the time is spent in waiting for processes."""


@dataclass(slots=True)
class Tally:
    """How many crashes were tried, and after how many of them something was wrong."""

    tried: int = 0
    again: int = 0
    """Those among them that crashed a recovery."""
    bad: int = 0
    examples: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """What else there is to tell, by name. A name that begins with "most" is the largest of its kind, not a sum."""

    def add(self, where: str, found: Sequence[str]) -> None:
        if found:
            self.bad += 1
            if len(self.examples) < EXAMPLES:
                self.examples.append(f"{where}: {'; '.join(found)}")

    def take(self, other: "Tally") -> None:
        self.tried += other.tried
        self.again += other.again
        self.bad += other.bad
        self.examples = [*self.examples, *other.examples][:EXAMPLES]
        for name, number in other.counts.items():
            before = self.counts.get(name)
            most = number if before is None else max(before, number)
            self.counts[name] = most if name.startswith("most ") else (before or 0) + number


def harness(name: str, *arguments: str, path: str = "", patience_s: float = 20.0) -> dict[str, Any]:
    """Run `python -m crash.NAME FOLDER ARGUMENT...` with `path` as PYTHONPATH; the JSON that it prints.

    `patience_s`: how long it waits for what should happen at once.
    """
    with tempfile.TemporaryDirectory(prefix=f"aq-crash-{name}-") as folder:
        environment: Mapping[str, str] = {
            "PATH": os.environ["PATH"], "HOME": folder, "LC_ALL": "C.UTF-8", "PYTHONPATH": path or python_path(),
            "TMPDIR": folder, "GIT_CONFIG_NOSYSTEM": "1", "AQ_CRASH_PATIENCE_S": str(patience_s),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", f"crash.{name}", folder, *arguments], cwd=folder, env=environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=7200,
        )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"harness {name} {arguments} ended with {done.returncode}: {done.stderr[-3000:]}")
    value = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(value, dict)
    return value


def together(parts: Sequence[Sequence[str]]) -> Tally:
    """Run several parts, each a harness and its arguments, a few at a time, and add them up."""
    total = Tally()
    with ThreadPoolExecutor(WORKERS) as pool:
        for found in pool.map(lambda part: harness(*part), parts):
            total.take(Tally(**found))
    return total


def source() -> str:
    """The folder that the product under test is imported from; a planted bug lies in another one."""
    import agent_queue

    return str(Path(agent_queue.__file__).resolve().parent.parent)


def python_path() -> str:
    return f"{source()}:{Path(__file__).resolve().parent.parent}"


def judge(name: str, total: Tally, least: int) -> None:
    """Write the counts down, and fail with examples when one was bad, or when too little was tried to mean anything."""
    report.record(name, tried=total.tried, again=total.again, bad=total.bad, **total.counts)
    assert not total.bad, f"{total.bad} of {total.tried + total.again}:\n" + "\n".join(total.examples)
    assert total.tried >= least, f"only {total.tried} were tried"
