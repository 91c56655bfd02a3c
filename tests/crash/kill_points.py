"""Harness A: SIGKILL at every call that counts, then recovery.

    python -m crash.kill_points FOLDER SHARD SHARDS COUNT

tries its share of COUNT kill points in FOLDER and prints a tally as JSON.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from .cases import CASES, RUN, Case, Templates, acknowledge, after, late, listed, one, verified
from .real import preload
from .tally import Tally
from .strace import CHANGING, wrapper

SHIM_CALLS = ("write", "fsync", "renameat", "linkat", "unlinkat")
SHIM_CASES = (Case("shim", one, RUN), Case("shim, verify", verified, RUN), Case("shim, deadline", late, RUN))
SHIM_MOST = 6
"""A shim makes fewer calls of each name than this."""


def points(templates: Templates) -> Iterator[tuple[Case, str, int]]:
    """(case, call, number) of every kill point; a case of a shim has its name begin with `shim`."""
    for case in SHIM_CASES:
        for name in SHIM_CALLS:
            yield from ((case, name, number) for number in range(1, SHIM_MOST))
    for case in CASES:
        yield from ((case, call.name, call.number) for call in listed(templates, case))


class KillPoints:
    def __init__(self, folder: Path) -> None:
        self._templates = Templates(folder)
        self.tally = Tally()

    def run(self, shard: int, shards: int, count: int, only: str = "") -> None:
        chosen = [point for point in points(self._templates) if point[0].name.startswith(only)]
        step = max(len(chosen) / count, 1.0) if count else 1.0
        picked = [chosen[int(index * step)] for index in range(int(len(chosen) / step))]
        over: set[tuple[Case, str]] = set()
        for case, name, number in picked[shard::shards]:
            if (case, name) not in over and not self.try_point(case, name, number):
                over.add((case, name))  # it does not make that many of these calls

    def try_point(self, case: Case, name: str, number: int) -> bool:
        """Kill, recover, check; False when the command ended before it came to this call."""
        bench = self._templates.fresh(case.template)
        inject = f"{name}:signal=SIGKILL:when={number}"
        if case in SHIM_CASES:
            log = bench.folder / "shim.strace"
            done = bench.aq(*case.command, python=wrapper(bench.folder / "python", log, SHIM_CALLS, inject))
            hit = "killed by SIGKILL" in log.read_text(errors="replace")
        else:
            done = bench.aq(*case.command, names=CHANGING, inject=inject)
            hit = done.code == -9
        if hit:
            self.tally.tried += 1
            found = acknowledge(bench, case, done.code, done.out) or after(bench, case, done.err)
            self.tally.add(f"{case.name}, killed at {name} {number}", found)
        shutil.rmtree(bench.folder, ignore_errors=True)
        return hit


def main(folder: str, shard: int, shards: int, count: int, only: str = "") -> None:
    preload()
    harness = KillPoints(Path(folder))
    harness.run(shard, shards, count, only)
    print(json.dumps(asdict(harness.tally)))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]), *sys.argv[5:])
