"""Harness B: an error instead of a call that counts; nothing may be acknowledged that did not happen.

    python -m crash.errors FOLDER SHARD SHARDS COUNT

tries its share of COUNT injections in FOLDER and prints a tally as JSON.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from .cases import CASES, Case, Templates, acknowledge, after, listed
from .kill_points import SHIM_CASES
from .real import Bench, Done, preload
from .tally import Tally
from .strace import Call, wrapper

ERRORS = {
    "write": ("ENOSPC", "EIO", "EINTR"),
    "fsync": ("EIO", "ENOSPC"),
    "rename": ("EIO", "ENOSPC", "EACCES"),
    "renameat2": ("EIO", "ENOSPC", "EXDEV", "EACCES", "EINTR"),
    "link": ("EIO", "ENOSPC", "EXDEV", "EACCES"),
    "unlink": ("EIO", "EACCES"),
    "mkdir": ("ENOSPC", "EACCES"),
    "openat": ("ENOSPC", "EACCES", "EIO"),
    "flock": ("EINTR", "ENOLCK"),
    "clone3": ("EAGAIN",),
    "sendmsg": ("EPIPE",),
}
SHIM_ERRORS = {"write": ("ENOSPC", "EIO"), "fsync": ("EIO",), "renameat": ("ENOSPC", "EIO"), "linkat": ("ENOSPC",)}
SHIM_MOST = 4


def points(templates: Templates) -> Iterator[tuple[Case, str, int, str]]:
    """(case, call, number, error) of every injection."""
    for case in SHIM_CASES:
        for name, errors in SHIM_ERRORS.items():
            yield from ((case, name, number, error) for number in range(1, SHIM_MOST) for error in errors)
    for case in CASES:
        for call in listed(templates, case, tuple(ERRORS)):
            if changes(call):
                yield from ((case, call.name, call.number, error) for error in ERRORS[call.name])


def changes(call: Call) -> bool:
    """False for files that are only read, and for what is said to people."""
    if call.name == "openat":
        return "O_CREAT" in call.text
    return call.name != "write" or ("/aq.out>" not in call.text and "/aq.err>" not in call.text)


class Errors:
    def __init__(self, folder: Path) -> None:
        self._templates = Templates(folder)
        self.tally = Tally()

    def run(self, shard: int, shards: int, count: int, only: str = "") -> None:
        chosen = [point for point in points(self._templates) if point[0].name.startswith(only)]
        step = max(len(chosen) / count, 1.0) if count else 1.0
        picked = [chosen[int(index * step)] for index in range(int(len(chosen) / step))]
        for point in picked[shard::shards]:
            self.try_error(*point)

    def try_error(self, case: Case, name: str, number: int, error: str) -> None:
        bench = self._templates.fresh(case.template)
        inject = f"{name}:error={error}:when={number}"
        if case in SHIM_CASES:
            log = bench.folder / "shim.strace"
            python = wrapper(bench.folder / "python", log, tuple(SHIM_ERRORS), inject)
            done = bench.aq(*case.command, python=python)
        else:
            log = bench.trace
            done = bench.aq(*case.command, names=tuple(ERRORS), inject=inject)
        if "(INJECTED)" in log.read_text(errors="replace"):
            self.tally.tried += 1
            found = judged(bench, case, name, done) or after(bench, case, done.err)
            self.tally.add(f"{case.name}, {error} at {name} {number}", found)
        shutil.rmtree(bench.folder, ignore_errors=True)


def judged(bench: Bench, case: Case, name: str, done: Done) -> list[str]:
    """A failed command says so in words; one that succeeds has done what it says, and never after a failed flush."""
    if "defect of aq" in done.err or list(bench.folder.glob("aq-error-*")):
        texts = [path.read_text()[-400:] for path in bench.folder.glob("aq-error-*")]
        return [f"it broke off: {done.err[-200:]} {texts}"]
    if done.code < 0:
        return [f"it died of signal {-done.code}"]
    if done.code == 0 and name == "fsync" and case not in SHIM_CASES:
        return ["a failed flush was acknowledged"]
    return acknowledge(bench, case, done.code, done.out)


def main(folder: str, shard: int, shards: int, count: int, only: str = "") -> None:
    preload()
    harness = Errors(Path(folder))
    harness.run(shard, shards, count, only)
    print(json.dumps(asdict(harness.tally)))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]), *sys.argv[5:])
