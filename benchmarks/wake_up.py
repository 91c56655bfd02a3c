"""Wake-up: from a file in the inbox to the exec of its agent, against other queues' commands.

The agent is a copy of `true`, and inotify tells when it is opened to be executed: no clock of the agent's own, whose
start would take longer than what is measured.
"""

import ctypes
import os
import select
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Figure, median, milliseconds, percentile
from benchmarks.running import run, running, wait_for
from benchmarks.setting import AQ, Queue, Setting, job

IN_OPEN = 0x20
LIMIT_S = 20.0


class Executed:
    """Tells when a program file is opened."""

    def __init__(self, program: Path) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._fd = int(library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        assert library.inotify_add_watch(self._fd, os.fsencode(program), IN_OPEN) > 0

    def forget(self) -> None:
        """Drop what was told so far."""
        while select.select([self._fd], [], [], 0)[0]:
            os.read(self._fd, 65536)

    def wait(self) -> float:
        """The time of the next opening, in seconds of `perf_counter`."""
        ready, _, _ = select.select([self._fd], [], [], LIMIT_S)
        now = time.perf_counter()
        if not ready:
            raise TimeoutError(f"the agent was not started within {LIMIT_S:.0f} s")
        return now


def measure(setting: Setting) -> list[Figure]:
    space, rounds = setting.space("agent"), setting.count(200, 20)
    agent = Path(shutil.copy(shutil.which("true") or "/bin/true", space / "agent"))
    executed = Executed(agent)
    queue = setting.queue("wake-up", SHELL_BIN=str(agent))
    place = setting.places(1)[0]
    with running([*AQ, "run"], queue.environment):
        wait_for((queue.root / ".aq" / "supervisor.json").exists, "the supervisor")
        renamed = [_dropped(queue, place, f"renamed-{n:04}", executed, by_rename=True) for n in range(rounds)]
        closed = [_dropped(queue, place, f"closed-{n:04}", executed, by_rename=False) for n in range(rounds)]
    peers = _peers(space, agent, executed, setting.count(50, 10))
    cause = f"the claim is flushed four times; {setting.flush()}"
    return [
        _figure("renamed into the inbox", renamed, peers, cause),
        _figure("written and closed there", closed, peers, cause),
    ]


def _figure(how: str, seconds: list[float], peers: str, cause: str) -> Figure:
    middle, slow = median(seconds), percentile(seconds, 99)
    return Figure(
        figure=f"wake-up: a file {how}, to the agent's exec ({len(seconds)} times)",
        measured=f"median {milliseconds(middle)}, p99 {milliseconds(slow)}", target="median <= 10 ms, p99 <= 25 ms",
        met=middle <= 0.010 and slow <= 0.025, beside=peers, cause=cause,
    )  # fmt: skip


def _dropped(queue: Queue, place: Path, name: str, executed: Executed, *, by_rename: bool) -> float:
    """Drop one job, and give the seconds until its agent is executed; returns once it has ended."""
    target = queue.root / "inbox" / f"{name}.md"
    written = queue.root.parent / "home" / name if by_rename else target
    executed.forget()
    file = written.open("w")
    file.write(job(place))
    if by_rename:
        file.close()
        began = time.perf_counter()
        written.rename(target)
    else:
        file.flush()
        began = time.perf_counter()
        file.close()
    seconds = executed.wait() - began
    wait_for((queue.root / "review" / f"{name}.md").exists, f"{name} to end")
    time.sleep(0.005)  # it journals the end of the move, then waits again
    return seconds


def _peers(space: Path, agent: Path, executed: Executed, rounds: int) -> str:
    base = {"PATH": os.environ["PATH"], "HOME": str(space)}
    found: list[str] = []
    if shutil.which("tsp"):
        environment = {**base, "TS_SOCKET": str(space / "tsp.socket"), "TMPDIR": str(space)}
        found.append(f"task-spooler {_peer(['tsp', str(agent)], environment, executed, rounds)}")
        run(["tsp", "-K"], environment)
    if shutil.which("nq"):
        found.append(f"nq {_peer(['nq', str(agent)], {**base, 'NQDIR': str(space)}, executed, rounds)}")
    return "; ".join(found) or "task-spooler and nq are not installed"


def _peer(argv: list[str], environment: dict[str, str], executed: Executed, rounds: int) -> str:
    """The median of a command that queues the agent, its own start included, as that is how one drops a job there."""

    def once() -> float:
        time.sleep(0.02)
        executed.forget()
        began = time.perf_counter()
        run(argv, environment)
        return executed.wait() - began

    return milliseconds(median(_all(once, rounds)))


def _all(deed: Callable[[], float], rounds: int) -> list[float]:
    return [deed() for _ in range(rounds)]
