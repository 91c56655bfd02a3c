"""Harness F: real processes are killed; nothing survives that should not, nothing runs twice, no exit code is lost.

    python -m crash.processes FOLDER COUNT ROUND DEED...

does each DEED (see DEEDS) COUNT times in FOLDER and prints a tally of all as JSON. Another ROUND, other moments.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Self

from . import invariants
from .patience import PATIENCE_S
from .real import MAKE, Bench, Done, body, until
from .strace import wrapper
from .tally import Tally

KINDS = 4
FAMILY = """\
case "$0" in */1/prompt.md) ;; *) exit 0 ;; esac
sleep {token} &
nohup sleep {token} >/dev/null 2>&1 &
setsid sleep {token} &
(setsid sh -c 'sleep {token} & exit 0' &)
wait"""
"""A child, one that ignores a hangup, one in a session of its own, and a daemon; the second run has none."""
AT_ONCE = 4
ATTEMPTS = 20
DEADLINE_S = PATIENCE_S
STARTS_S = 4 * PATIENCE_S
"""How long to wait for what a deed begins with: a busy machine is no answer to the question that it asks."""
SLOW_S = 4
"""For how long a shim's disk is slow; a supervisor that is started meanwhile must have looked by then."""


class Live:
    """A queue with one job, and a supervisor in a process of its own."""

    def __init__(self, folder: Path, text: str, *keys: str, repository: bool = False) -> None:
        folder.mkdir()
        self.bench = Bench(folder)
        self.folder = folder
        cwd = self.bench.make_repository() if repository else "/"
        assert self.command("init").code == 0
        done = self.command("add", self.bench.write_job("live", text, *keys, cwd=cwd))
        self.job = done.out.strip()
        self.bench.accept([self.job])
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no process behind, whatever went wrong."""
        for process in self.processes:
            process.kill()
            process.wait()
        for pid in carriers(str(self.folder)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def spawn(self, *arguments: str, python: str = "") -> subprocess.Popen[bytes]:
        before = f"sys._base_executable = {python!r}; " if python else ""
        with (self.folder / f"{arguments[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", f"import sys; {before}from agent_queue.cli import main; main()", *arguments],
                cwd=self.folder, env=self.bench.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def command(self, *arguments: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "agent_queue", *arguments], cwd=self.folder, env=self.bench.environment(),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=4 * PATIENCE_S,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def run_folder(self, run: int = 1) -> Path:
        return Path(self.bench.root, "runs", self.job, str(run))

    def record(self, name: str, run: int = 1) -> dict[str, object]:
        """A record of the run, {} until it is there and whole."""
        with suppress(OSError, ValueError):
            value = json.loads((self.run_folder(run) / name).read_bytes())
            return value if isinstance(value, dict) else {}
        return {}

    def agent_runs(self) -> bool:
        return "pid" in self.record("run.json")

    def supervisor(self) -> object:
        """The pid that the note of the supervisor names."""
        with suppress(OSError, ValueError):
            return json.loads(Path(self.bench.root, ".aq/supervisor.json").read_bytes())["shim"]
        return None

    def stage(self) -> str:
        return "".join(invariants.places(self.bench.root).get(self.job, []))

    def state(self, key: str) -> object:
        entries = invariants.journal(Path(self.bench.root, "journal", f"{self.job}.jsonl")).entries
        return next((entry[key] for entry in reversed(entries) if key in entry), None)

    def starts(self) -> int:
        return sum(word == "start" for word, _ in self.bench.ledger())


def carriers(text: str) -> list[int]:
    """Processes that have this text in a word of their command line or in their environment."""
    found = []
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit() and int(name) != os.getpid():
                data = Path("/proc", name, "cmdline").read_bytes() + Path("/proc", name, "environ").read_bytes()
                if text.encode() in data:
                    found.append(int(name))
    return found


def sleepers(token: str) -> list[int]:
    """The members of an agent's family that are alive."""
    wanted = f"sleep\0{token}\0".encode()
    found = []
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit() and Path("/proc", name, "cmdline").read_bytes() == wanted:
                found.append(int(name))
    return found


def kill(pid: object) -> None:
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGKILL)


def warm_parent(supervisor: int) -> list[int]:
    """The process from which a supervisor has its shims forked."""
    found = []
    with suppress(OSError):
        for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
            with suppress(OSError):
                if b"warm_parent" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(int(pid))
    return found


Victim = Callable[[Live, "subprocess.Popen[bytes]"], None]

# Who is killed, or what ends the run. Each returns once the run is over.


def kill_agent(live: Live, supervisor: subprocess.Popen[bytes]) -> None:
    kill(live.record("run.json")["pid"])
    supervisor.wait(DEADLINE_S)


def kill_shim(live: Live, supervisor: subprocess.Popen[bytes]) -> None:
    kill(live.record("run.json")["shim"])
    supervisor.wait(DEADLINE_S)


def kill_supervisor(live: Live, supervisor: subprocess.Popen[bytes]) -> None:
    supervisor.kill()
    supervisor.wait()
    after = live.spawn("run", "--once")
    live.command("cancel", live.job)
    after.wait(DEADLINE_S)


def kill_both(live: Live, supervisor: subprocess.Popen[bytes]) -> None:
    shim = live.record("run.json")["shim"]
    supervisor.kill()
    supervisor.wait()
    kill(shim)
    live.spawn("run", "--once").wait(DEADLINE_S)


def kill_all_of_ours(live: Live, supervisor: subprocess.Popen[bytes]) -> None:
    for pid in warm_parent(supervisor.pid):
        kill(pid)
    kill_both(live, supervisor)


def kill_warm_parent(live: Live, supervisor: subprocess.Popen[bytes]) -> None:
    for pid in warm_parent(supervisor.pid):
        kill(pid)
    live.command("cancel", live.job)
    supervisor.wait(DEADLINE_S)


def cancel_without_supervisor(live: Live, supervisor: subprocess.Popen[bytes]) -> None:
    supervisor.kill()
    supervisor.wait()
    live.command("cancel", live.job)


def stop_now(live: Live, supervisor: subprocess.Popen[bytes]) -> None:
    supervisor.send_signal(signal.SIGTERM)
    supervisor.wait(DEADLINE_S)


VICTIMS = (kill_agent, kill_shim, kill_supervisor, kill_both, kill_all_of_ours, kill_warm_parent,
           cancel_without_supervisor, stop_now)  # fmt: skip


def survivors(folder: Path, number: int) -> list[str]:
    """Kill somebody, each in turn."""
    return _survive(VICTIMS[number % len(VICTIMS)], folder, number)


def _survive(victim: Victim, folder: Path, number: int) -> list[str]:
    """Not one of the agent's family survives, and the job is settled."""
    token = f"1{random.Random(f'{folder}').randrange(10**9):09d}"
    with Live(folder, body(work=FAMILY.format(token=token))) as live:
        supervisor = live.spawn("run", "--once")
        until(lambda: len(sleepers(token)) == KINDS and live.agent_runs(), seconds=STARTS_S, what="the family")
        victim(live, supervisor)
        with suppress(TimeoutError):
            until(lambda: not sleepers(token), seconds=1.0)
        found = [f"{victim.__name__}: {len(sleepers(token))} survive"] if sleepers(token) else []
        if live.stage() == "building":
            found.append(f"{victim.__name__}: it stays in building")
        return found + [f"{victim.__name__}: {problem}" for problem in live.bench.problems(recovered=True)]


def moments(folder: Path, number: int) -> list[str]:
    """Kill the supervisor at a random moment from the claim on; another adopts the run, or goes on from its record."""
    with Live(folder, body(code=7, work="sleep 0.15")) as live:
        _killed_at_a_moment(live, 0.3)
        return _ended_once(live, live.spawn("run", "--once"))


def git_moments(folder: Path, number: int) -> list[str]:
    """The same for a job in a git repository, whose worktree is made before and whose work is saved after it."""
    with Live(folder, body(work=MAKE), repository=True) as live:
        _killed_at_a_moment(live, 0.5)
        live.spawn("run", "--once").wait(DEADLINE_S)
        return [*live.bench.unsaved(may_fail=False), *live.bench.problems(recovered=True)]


class MissedError(Exception):
    """It was over before the moment came: that says nothing."""


def _killed_at_a_moment(live: Live, within_s: float) -> None:
    supervisor = live.spawn("run", "--once")
    until(lambda: live.stage() != "inbox", seconds=STARTS_S, what="the claim")
    moment = time.monotonic() + random.Random(live.folder.name).uniform(0, within_s)
    until(lambda: time.monotonic() >= moment or supervisor.poll() is not None)
    supervisor.kill()
    if supervisor.wait() != -signal.SIGKILL:
        raise MissedError


def adopted(folder: Path, number: int) -> list[str]:
    """Kill the supervisor while its agent runs, and let another one look at it for a while before the end comes."""
    gate = folder / "gate"
    with Live(folder, body(code=7, work=f"while [ ! -e {gate} ]; do sleep 0.02; done")) as live:
        supervisor = live.spawn("run", "--once")
        until(lambda: live.starts() > 0, seconds=STARTS_S, what="the agent")
        supervisor.kill()
        supervisor.wait()
        after = live.spawn("run", "--once")
        until(lambda: live.supervisor() == after.pid, seconds=STARTS_S, what="the next supervisor")
        with suppress(TimeoutError):
            until(lambda: live.starts() > 1, seconds=0.5)
        gate.touch()
        return _ended_once(live, after)


def _ended_once(live: Live, after: subprocess.Popen[bytes]) -> list[str]:
    try:
        after.wait(DEADLINE_S)
    except subprocess.TimeoutExpired:
        return ["the next supervisor never ended"]
    found = live.bench.problems(recovered=True)
    if live.starts() != 1:
        found.append(f"it was started {live.starts()} times")
    if (live.stage(), live.state("exit"), live.state("result")) != ("failed", 7, "crash"):
        found.append(f"it lies in {live.stage()} with exit {live.state('exit')}, {live.state('result')}")
    return found


def alone(folder: Path, number: int) -> list[str]:
    """A timeout falls due while no supervisor lives; the agent says 0 when told to end, and that changes nothing."""
    work = "trap 'exit 0' TERM; sleep 60 & wait"
    with Live(folder, body(work=work), "timeout: 0.6s") as live:
        supervisor = live.spawn("run", "--once")
        until(live.starts, seconds=STARTS_S, what="the agent")
        supervisor.kill()
        supervisor.wait()
        until(lambda: live.record("exit.json"), seconds=DEADLINE_S, what="the deadline")
        why, code = live.record("stop.json").get("why"), live.record("exit.json").get("exit")
        live.spawn("run", "--once").wait(DEADLINE_S)
        seen = (why, code, live.stage(), live.state("result"))
        found = [] if seen == ("timeout", 0, "failed", "timeout") else [f"it ended as {seen}"]
        return found + live.bench.problems(recovered=True)


def stopped_early(folder: Path, number: int) -> list[str]:
    """Cancelled after the claim, before its shim could be signalled: the shim looks for stop.json before it waits."""
    with Live(folder, body(work="sleep 60")) as live:
        python = _slow_shim(live, "renameat", 1)
        supervisor = live.spawn("run", "--once", python=python)
        until((live.run_folder() / "agent.log").exists, seconds=STARTS_S, what="the shim")
        assert not live.record("run.json")
        cancel = live.spawn("cancel", live.job)
        try:
            cancel.wait(DEADLINE_S)
            supervisor.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            return ["the agent was never told to stop"]
        return [] if (live.stage(), live.state("result")) == ("failed", "cancelled") else [f"it lies in {live.stage()}"]


def slow_record(folder: Path, number: int) -> list[str]:
    """The disk is slow when the shim records the end, and a new supervisor looks: the job is alive until then."""
    with Live(folder, body(code=7)) as live:
        supervisor = live.spawn("run", "--once", python=_slow_shim(live, "fsync", 1))
        until(lambda: any(word == "end" for word, _ in live.bench.ledger()), seconds=STARTS_S, what="the agent's end")
        supervisor.kill()
        supervisor.wait()
        return _ended_once(live, live.spawn("run", "--once"))


def _slow_shim(live: Live, call: str, number: int) -> str:
    inject = f"{call}:delay_enter={SLOW_S * 1_000_000}:when={number}"
    return wrapper(live.folder / "python", live.folder / "shim.strace", (call,), inject)


DEEDS: dict[str, Callable[[Path, int], list[str]]] = {
    deed.__name__: deed for deed in (survivors, moments, git_moments, adopted, alone, stopped_early, slow_record)
} | {victim.__name__: partial(_survive, victim) for victim in VICTIMS}


def tallied(folder: Path, count: int, round_: int, names: Sequence[str]) -> Tally:
    tally = Tally()
    for name in names:

        def one(number: int, name: str = name) -> list[str]:
            for attempt in range(ATTEMPTS):
                try:
                    return DEEDS[name](folder / f"{name}-{round_}-{number}-{attempt}", number)
                except MissedError:
                    continue
                except (TimeoutError, subprocess.TimeoutExpired) as error:
                    return [str(error)]
            return [f"missed {ATTEMPTS} times"]

        with ThreadPoolExecutor(AT_ONCE) as pool:
            for number, found in enumerate(pool.map(one, range(count))):
                tally.tried += 1
                tally.add(f"{name} {number}", found)
    return tally


def main(folder: str, count: int, round_: int, names: Sequence[str]) -> None:
    print(json.dumps(asdict(tallied(Path(folder), count, round_, names))))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
