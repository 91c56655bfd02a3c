"""Harnesses A and B: SIGKILL before a call that counts, or an error instead of it; then recovery.

    python -m crash.faults FOLDER kill|error SHARD SHARDS PERCENT ROUND [ONLY]

tries so many of the faults that there are in every SHARDS-th case, in FOLDER, and prints a tally as JSON. In a ROUND
after 0 it tries others, every other one with a second fault of the same kind in the recovery. ONLY: cases whose name
begins so, or CASE@CALL, until the first bad one.
"""

import json
import random
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from .cases import CASES, RUN, SHIM_CASES, Case, Templates, acknowledge, after, before_recovery, listed
from .real import Bench, Done, preload
from .strace import CHANGING, Call, wrapper
from .tally import Tally

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
SHIM_CALLS = {"write": 3, "fsync": 2, "renameat": 3, "pidfd_open": 1, "sendmsg": 1}
"""What a shim does and how often; the last two are its warm parent's, which has forked it and is about to say so."""
SHIM_CALLS_LATE = SHIM_CALLS | {"write": 4, "fsync": 4, "linkat": 1, "unlinkat": 1}
SHIM_ERRORS = {
    "write": ("ENOSPC", "EIO"),
    "fsync": ("EIO",),
    "renameat": ("ENOSPC", "EIO"),
    "linkat": ("ENOSPC",),
    "pidfd_open": ("EMFILE",),
    "sendmsg": ("EPIPE",),
}

GOLDEN = 0.618034
"""By this much of a step the faults of a round lie beside those of the round before: no two rounds choose alike."""


class Fault(NamedTuple):
    """SIGKILL before, or an error instead of, the `number`-th call of this name."""

    case: Case
    name: str
    number: int
    error: str = ""

    def inject(self) -> str:
        deed = f"error={self.error}" if self.error else "signal=SIGKILL"
        return f"{self.name}:{deed}:when={self.number}"

    def __str__(self) -> str:
        return f"{self.case.name}, {self.error or 'killed'} at {self.name} {self.number}"


def kills(templates: Templates, case: Case) -> Iterator[Fault]:
    if case in SHIM_CASES:
        for name, count in (SHIM_CALLS_LATE if case.late else SHIM_CALLS).items():
            yield from (Fault(case, name, number + 1) for number in range(count))
    else:
        yield from (Fault(case, call.name, call.number) for call in listed(templates, case))


def errors(templates: Templates, case: Case) -> Iterator[Fault]:
    if case in SHIM_CASES:
        for fault in kills(templates, case):
            yield from (fault._replace(error=error) for error in SHIM_ERRORS.get(fault.name, ()))
    else:
        for call in filter(_counts, listed(templates, case, tuple(ERRORS))):
            yield from (Fault(case, call.name, call.number, error) for error in ERRORS[call.name])


def _counts(call: Call) -> bool:
    """False for files that are only read, and for what is said to people."""
    if call.name == "openat":
        return "O_CREAT" in call.text
    return call.name != "write" or ("/aq.out>" not in call.text and "/aq.err>" not in call.text)


class Faults:
    def __init__(self, folder: Path, kind: str) -> None:
        self._templates = Templates(folder)
        self._kind = kind
        self._names = CHANGING if kind == "kill" else tuple(ERRORS)
        self.tally = Tally()

    def run(self, shard: int, shards: int, percent: int, round_: int, only: str = "") -> None:
        listing = kills if self._kind == "kill" else errors
        begin, _, call = only.partition("@")
        cases = [case for case in (*SHIM_CASES, *CASES)[shard::shards] if case.name.startswith(begin)]
        found = [fault for case in cases for fault in listing(self._templates, case) if fault.name.startswith(call)]
        count, shift = round(len(found) * percent / 100), round_ * GOLDEN % 1.0
        for index in range(count):
            second = round_ > 0 and index % 2 == 1
            fault = found[int((index + shift) * len(found) / count)]
            self.try_fault(fault, random.Random(f"{round_} {index}") if second else None)
            if only and self.tally.bad:
                return

    def try_fault(self, fault: Fault, second: random.Random | None) -> None:
        bench = self._templates.fresh(fault.case.template)
        done, hit = self._suffered(bench, fault)
        if hit:
            self.tally.tried += 1
            found = judged(bench, fault, done) or before_recovery(bench, fault.case, done.err)
            if not found and second is not None and fault.case.template is not None:
                self.tally.again += 1
                bench.aq(*RUN, names=self._names, inject=self._another(second))
            # The second one may hit a git that was started, and not us: then its job fails, and says so.
            may_fail = bool(fault.error) or second is not None
            self.tally.add(str(fault), found or after(bench, fault.case, done.err, may_fail=may_fail))
        shutil.rmtree(bench.folder, ignore_errors=True)

    def _suffered(self, bench: Bench, fault: Fault) -> tuple[Done, bool]:
        """What became of the command, and whether the fault came about."""
        if fault.case in SHIM_CASES:
            log = bench.folder / "shim.strace"
            python = wrapper(bench.folder / "python", log, tuple(SHIM_CALLS_LATE), fault.inject())
            done = bench.aq(*fault.case.command, python=python)
        else:
            log = bench.trace
            done = bench.aq(*fault.case.command, names=self._names, inject=fault.inject())
        lines = log.read_text(errors="replace").splitlines()
        if not fault.error:
            return done, any("+++ killed by SIGKILL" in line for line in lines)
        # A fault in an import, or in what is said to people, is none of the queue's.
        ours = (bench.root, "sendmsg(", "clone3(") if fault.case not in SHIM_CASES else ("",)
        return done, any("(INJECTED)" in line and any(text in line for text in ours) for line in lines)

    def _another(self, dice: random.Random) -> str:
        name = dice.choice(("write", "fsync", "rename", "renameat2", "unlink"))
        deed = "signal=SIGKILL" if self._kind == "kill" else f"error={dice.choice(ERRORS[name])}"
        return f"{name}:{deed}:when={dice.randrange(1, 12)}"


def judged(bench: Bench, fault: Fault, done: Done) -> list[str]:
    """A failed command says so in words; one that succeeds has done what it says, and never after a failed flush."""
    if not fault.error:
        return acknowledge(bench, fault.case, done.code, done.out)
    texts = [path.read_text()[-400:] for path in bench.folder.glob("aq-error-*")]
    if texts or "defect of aq" in done.err:
        return [f"it broke off: {done.err[-200:]} {texts}"]
    if done.code < 0:
        return [f"it died of signal {-done.code}"]
    if done.code == 0 and fault.name == "fsync" and fault.case not in SHIM_CASES:
        return ["a failed flush was acknowledged"]
    return acknowledge(bench, fault.case, done.code, done.out)


def main(folder: str, kind: str, shard: int, shards: int, percent: int, round_: int, only: str = "") -> None:
    preload()
    harness = Faults(Path(folder), kind)
    harness.run(shard, shards, percent, round_, only)
    print(json.dumps(asdict(harness.tally)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:7]), *sys.argv[7:])
