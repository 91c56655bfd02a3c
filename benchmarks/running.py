"""Starting processes and reading what they cost."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process took, in seconds; `cpu_s` holds all its descendants that were waited for."""

    wall_s: float
    cpu_s: float
    code: int


def spawn(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Start a program that says nothing; returns its process id."""
    program = shutil.which(argv[0]) or argv[0]
    silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    return os.posix_spawn(program, list(argv), dict(environment), file_actions=silent)


def ended(process: int, began: float) -> Spent:
    """Wait for a process's end."""
    _, status, usage = os.wait4(process, 0)
    return Spent(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, os.waitstatus_to_exitcode(status))


def run(argv: Sequence[str], environment: Mapping[str, str], *, check: bool = True) -> Spent:
    """Run a program to its end.

    Raises:
        RuntimeError: it failed, and `check` is set.
    """
    began = time.perf_counter()
    spent = ended(spawn(argv, environment), began)
    if check and spent.code:
        raise RuntimeError(f"{' '.join(argv)} ended with {spent.code}")
    return spent


@contextmanager
def running(argv: Sequence[str], environment: Mapping[str, str]) -> Iterator[int]:
    """A process that runs while the context is open, then is ended by SIGTERM."""
    process = spawn(argv, environment)
    try:
        yield process
    finally:
        os.kill(process, signal.SIGTERM)
        os.waitpid(process, 0)


def wait_for(ready: Callable[[], bool], what: str, *, every_s: float = 0.002) -> None:
    """Look until something is so.

    Raises:
        TimeoutError: it did not come.
    """
    end = time.monotonic() + LIMIT_S
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {LIMIT_S:.0f} s for {what}")
        time.sleep(every_s)


def base_python() -> str:
    """The interpreter that shims run with: not a virtual environment's link to it, which makes it look for more."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)
