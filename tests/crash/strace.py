"""Stopping a real process at an exact system call, with strace: SIGKILL before it, or an error instead of it."""

import functools
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from .patience import PATIENCE_S

HOW_TO_GET_IT = "apt-get install strace (dnf install strace)"
CHANGING = ("write", "fsync", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir",
            "rmdir", "flock", "sendmsg", "clone", "clone3", "vfork")  # fmt: skip
"""Calls that change the disk, take a lock or start a process: between two of them nothing happens that counts."""
_LINE = re.compile(r"(\d+) +([a-z0-9_]+)\((.*)")


@functools.cache
def missing() -> str:
    """Why strace cannot be used here, and what helps; '' when it can."""
    if sys.platform != "linux":
        return "strace is for Linux"
    if shutil.which("strace") is None:
        return f"strace is not installed: {HOW_TO_GET_IT}"
    tried = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"strace cannot trace here: {tried.stderr.strip()[:200]}"


class Call(NamedTuple):
    """The `number`-th call of this name that the process makes, from 1."""

    name: str
    number: int
    text: str = ""


def calls(log: Path, names: Sequence[str] = CHANGING) -> list[Call]:
    """What the first process of a trace did, in order."""
    found: list[Call] = []
    counts: Counter[str] = Counter()
    first = ""
    for line in log.read_text(errors="replace").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        first = first or match[1]
        if match[1] == first and match[2] in names:
            counts[match[2]] += 1
            found.append(Call(match[2], counts[match[2]], match[3]))
    return found


@contextmanager
def attached(pid: int, log: Path, names: Sequence[str], inject: str = "") -> Iterator[None]:
    """Trace a process, and what it starts, until all of them have ended.

    Injections are counted for each process by itself: the first one makes the calls that count before others do.
    """
    options = ["-e", f"inject={inject}"] if inject else []
    argv = ["strace", "-f", "-qq", "-y", "-o", str(log), "-e", f"trace={','.join(names)}", *options, "-p", str(pid)]
    tracer = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
        tracer.wait(3 * PATIENCE_S)
    finally:
        tracer.kill()
        tracer.wait()


def wait_for_tracer(limit_s: float = PATIENCE_S) -> None:
    """Called by a process that is to be traced: go on only once it is.

    Raises:
        TimeoutError: nobody came.
    """
    end = time.monotonic() + limit_s
    while b"TracerPid:\t0\n" in Path("/proc/self/status").read_bytes():
        if time.monotonic() > end:
            raise TimeoutError("strace did not attach")
        time.sleep(0.001)


def wrapper(path: Path, log: Path, names: Sequence[str], inject: str) -> str:
    """A program that is Python under strace, for processes that the product itself starts."""
    python = os.path.realpath(sys.executable)
    path.write_text(
        "#!/bin/sh\n"
        f"exec {shutil.which('strace')} -f -D -qq -A -o {log} -e trace={','.join(names)} "
        f"-e inject={inject} {python} \"$@\"\n"
    )  # fmt: skip
    path.chmod(0o700)
    return str(path)
