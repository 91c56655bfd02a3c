"""Harness G: the real `aq run` under load, while supervisors, shims, agents and adders are killed at random moments.

    python -m crash.soak FOLDER JOBS SEED

works through so many jobs in FOLDER and prints a tally as JSON. Of the jobs, two thirds are done while supervisors are
killed, the rest by one that lives, so that what it holds can be measured twice.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple, Self

from agent_queue.system import records

from . import invariants, soak_history
from .patience import PATIENCE_S
from .processes import carriers, warm_parent
from .real import Bench, preload, until
from .soak_jobs import drawn, write
from .tally import Tally

SLOTS = 6
SETTINGS = '[run]\nstop_grace = "0.5s"\n'
BATCH = 10
ADD_S = (0.02, 0.2)
KILL_S = (0.1, 0.7)
ADDER_LIVES_S = (0.005, 0.06)
"""How long until jobs are added again, until somebody is killed again, and how long an adder lives that is killed."""
KILLED_ADDERS = 0.15
ASKED = {"detached": signal.SIGUSR1, "stopped": signal.SIGTERM}
"""Ends of a supervisor that it is asked for, in between. The first is what `aq stop --detach` sends: under nohup, as a
night may be, a hangup is passed over."""
BESIDE = {"agent": 6, "shim": 4, "warm parent": 1}
VICTIMS = {**BESIDE, "supervisor": 8, "supervisor and shim": 3, "detached": 2, "stopped": 1}
STUCK_S = 3 * PATIENCE_S
BROKE_OFF = r"(?:Traceback|[^\n]*defect of aq).*"
GROWTH = 1.1
"""What a supervisor's memory may have become once it has done as many jobs again: caches of the interpreter fill."""


class Held(NamedTuple):
    """What a supervisor holds while it has nothing to do; memory in KB."""

    descriptors: int
    memory: int

    @classmethod
    def of(cls, pid: int) -> Self:
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        (memory,) = (int(line.split()[1]) for line in status if line.startswith("RssAnon:"))
        return cls(len(os.listdir(f"/proc/{pid}/fd")), memory)


class Soak:
    """One queue, its supervisor, and whoever kills."""

    def __init__(self, folder: Path, jobs: int, seed: int) -> None:
        self.bench = Bench(folder)
        self.dice = random.Random(seed)
        self.kinds = iter(drawn(jobs, self.dice))
        self.numbers = count(1)
        self.files: list[Path] = []
        """Written, and not yet in the queue."""
        self.counts = Counter[str]()
        self.killed = Counter[str]()
        self.found: list[str] = []
        self.supervisor: subprocess.Popen[bytes] | None = None
        self.log = folder / "run.log"
        self.bench.make_repository()
        assert self.bench.aq("init").code == 0
        with Path(self.bench.root, "config.toml").open("a") as file:
            file.write(SETTINGS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no process behind, whatever went wrong."""
        if self.supervisor is not None:
            self.supervisor.kill()
            self.supervisor.wait()
        for pid in carriers(str(self.bench.folder)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    # The work.

    def work_off(self, jobs: int, victims: Mapping[str, int]) -> None:
        """Have so many more jobs done, while one of these is killed now and then, by their weight."""
        self.files += [write(self.bench, next(self.numbers), kind, self.dice) for kind in islice(self.kinds, jobs)]
        add_at = kill_at = time.monotonic()
        moved_at, before = time.monotonic(), ""
        while self.files or soak_history.jobs_left(self.bench.root):
            self.supervised()
            now = time.monotonic()
            if self.files and now >= add_at:
                self.add(killed=self.dice.random() < KILLED_ADDERS)
                add_at = now + self.dice.uniform(*ADD_S)
            if now >= kill_at:
                self.end(*self.dice.choices(list(victims), list(victims.values())))
                kill_at = now + self.dice.uniform(*KILL_S)
            if (lie := str(invariants.places(self.bench.root))) != before:
                moved_at, before = now, lie
            elif now - moved_at > STUCK_S:
                self.found.append(f"nothing moves: {soak_history.jobs_left(self.bench.root)}")
                return
            self.pause(0.02)

    def supervised(self) -> int:
        """See that a supervisor lives; its pid."""
        if self.supervisor is not None and self.supervisor.poll() is not None:
            if self.supervisor.returncode not in (-signal.SIGKILL, 130):
                self.found.append(f"a supervisor ended with {self.supervisor.returncode}")
            self.supervisor = None
        if self.supervisor is None:
            with self.log.open("ab") as log:
                self.supervisor = subprocess.Popen(
                    [sys.executable, "-m", "agent_queue", "run", "--slots", str(SLOTS)], cwd=self.bench.folder,
                    env=self.bench.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                )  # fmt: skip
            self.counts["supervisors"] += 1
        return self.supervisor.pid

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than the supervisor lives."""
        if self.supervisor is not None:
            with suppress(subprocess.TimeoutExpired):
                self.supervisor.wait(seconds)

    def add(self, *, killed: bool) -> None:
        """Add some jobs. Those that a killed adder did not get in are added again."""
        batch, self.files = self.files[:BATCH], self.files[BATCH:]
        limit_s = self.dice.uniform(*ADDER_LIVES_S) if killed else STUCK_S
        done = self.bench.aq("add", *map(str, batch), limit_s=limit_s)
        if done.code == 0:
            self.bench.created |= {job: file.read_bytes() for job, file in zip(done.out.split(), batch, strict=True)}
            return
        if not killed:
            self.found.append(f"aq add ended with {done.code}: {done.err}")
            return
        self.counts["adder killed"] += 1
        self.files += [file for file in batch if not self.is_in(file.stem)]

    def is_in(self, name: str) -> bool:
        """True for a job that was created. It waits, or its claim was journaled before it left the inbox."""
        root = Path(self.bench.root)
        return any(root.glob(f"inbox/*{name}.md")) or any(root.glob(f"journal/*{name}.jsonl"))

    # Who is killed.

    def end(self, victim: str) -> None:
        """Kill one of this kind, when there is one."""
        pid = self.supervised()
        assert self.supervisor is not None
        if victim in ASKED:
            self.ask(victim, ASKED[victim])
        elif victim == "warm parent":
            for parent in warm_parent(pid):
                self.signal(victim, parent, start_of(parent))
        elif victim in ("agent", "shim", "supervisor and shim"):
            self.kill_one(victim)
        if victim in ("supervisor", "supervisor and shim"):
            self.supervisor.kill()
            self.supervisor.wait()
            self.counts["supervisor killed"] += 1

    def ask(self, what: str, number: signal.Signals) -> None:
        """Ask the supervisor to end, as `aq stop` does: by the note that it leaves once it is one."""
        assert self.supervisor is not None
        note = records.read_object(f"{self.bench.root}/.aq/supervisor.json")
        if note is not None and note["shim"] == self.supervisor.pid:
            self.supervisor.send_signal(number)
            try:
                self.supervisor.wait(STUCK_S)
            except subprocess.TimeoutExpired:
                lie = soak_history.jobs_left(self.bench.root)
                self.found.append(f"a supervisor was {what} and did not end: {lie}; {self.log.read_text()[-2000:]}")
                self.supervisor.kill()
                self.supervisor.wait()
            self.counts[what] += 1

    def asked_to_end(self) -> bool:
        self.supervised()
        self.ask("ended", signal.SIGINT)
        return self.counts["ended"] > 0

    def kill_one(self, victim: str) -> None:
        running = sorted(self.running())
        if not running:
            return
        job, record = self.dice.choice(running)
        told = json.loads(record)
        pid, start = ("pid", "pidstart") if victim == "agent" else ("shim", "shim_start")
        if pid in told and self.signal("agent" if victim == "agent" else "shim", told[pid], told[start]):
            self.killed[job] += 1

    def running(self) -> Iterator[tuple[str, str]]:
        """The jobs whose agent or verify runs, each with the record of its process."""
        for job, stages in invariants.places(self.bench.root).items():
            if not {"building", "review"}.isdisjoint(stages):
                for path in Path(self.bench.root, "runs", job).rglob("run.json"):
                    if not path.with_name("exit.json").exists():
                        with suppress(OSError):
                            yield job, path.read_text()

    def signal(self, victim: str, pid: int, start: str) -> bool:
        """Kill a process, if it is still the one that was meant."""
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            try:
                if start_of(pid) == start:
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    self.counts[f"{victim} killed"] += 1
                    return True
            finally:
                os.close(handle)
        return False

    # What is so at the end.

    def held(self) -> Held:
        """What the supervisor holds, once that has come to rest."""
        pid = self.supervised()
        seen = [Held.of(pid)]

        def rests() -> bool:
            self.pause(0.2)
            seen.append(Held.of(pid))
            return seen[-1].descriptors == seen[-2].descriptors

        until(rests, what="rest")
        return seen[-1]

    def measured(self, jobs: int) -> None:
        """Have one supervisor do so many jobs, and as many again: in the second half it must hold no more."""
        self.work_off(jobs // 2, BESIDE)
        before, pid = self.held(), self.supervised()
        self.work_off(jobs - jobs // 2, BESIDE)
        after = self.held()
        if self.supervised() != pid:
            self.found.append("the supervisor that was measured is gone")
        self.counts["most descriptors more"] = after.descriptors - before.descriptors
        self.counts["most KB more"] = after.memory - before.memory
        if after.descriptors > before.descriptors or after.memory > before.memory * GROWTH:
            self.found.append(f"a supervisor grew: {before} became {after}")

    def finished(self) -> None:
        """End the supervisor, and look at what is left; a recovery finds nothing to do."""
        try:
            until(self.asked_to_end, seconds=STUCK_S)
        except TimeoutError:
            self.found.append("no supervisor could be asked to end")
        with suppress(TimeoutError):
            until(lambda: not carriers(str(self.bench.folder)), seconds=5.0)
        if left := carriers(str(self.bench.folder)):
            self.found.append(f"{len(left)} processes survive")
        said = self.log.read_text(errors="replace")
        self.found += [f"a supervisor broke off: {text[:800]}" for text in re.findall(BROKE_OFF, said, re.DOTALL)]
        self.bench.aq("recover")  # what a killed adder left is swept by the next supervisor
        self.found += soak_history.problems(self.bench, self.killed, said) + soak_history.unsaved(self.bench)
        before = invariants.snapshot(self.bench.root)
        self.bench.aq("recover")
        self.found += invariants.differences(before, invariants.snapshot(self.bench.root))
        self.counts["runs"] = sum(word == "start" for word, _ in self.bench.ledger())


def start_of(pid: int) -> str:
    """Field 22 of its stat: with the pid, it names a process for as long as the machine is up."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def soaked(folder: Path, jobs: int, seed: int) -> Tally:
    began = time.monotonic()
    with Soak(folder, jobs, seed) as soak:
        soak.work_off(jobs - jobs // 3, VICTIMS)
        if not soak.found:
            soak.measured(jobs // 3)
        soak.finished()
        ended = len(invariants.places(soak.bench.root))
        if ended != jobs:
            soak.found.append(f"{jobs} jobs became {ended}")
        kills = sum(number for name, number in soak.counts.items() if name.endswith(" killed") or name in ASKED)
        tally = Tally(tried=ended, again=kills, counts=dict(soak.counts))
        tally.counts["seconds"] = round(time.monotonic() - began)
        for problem in soak.found:
            tally.add(f"seed {seed}", [problem])
    return tally


def main(folder: str, jobs: int, seed: int) -> None:
    preload()
    print(json.dumps(asdict(soaked(Path(folder), jobs, seed))))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
