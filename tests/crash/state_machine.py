"""Harness D: any sequence of what people, supervisors and fate do to a queue, with a virtual clock.

    python -m crash.state_machine FOLDER EXAMPLES STEPS SEED [as-found]

tries so many sequences of so many deeds, until the first bad one, and prints a tally as JSON. A bad one is made as
short as it can be, unless it is wanted as it was found.
"""

import json
import os
import random
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Self

from hypothesis import HealthCheck, Phase, core, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agent_queue.core.errors import AqError
from agent_queue.core.job import JobId, Stage
from agent_queue.flow import requests

from .disk import ModelDisk
from .invariants import differences, snapshot, unexplained
from .machine import Machine
from .marks import Cut
from .power_cut import fresh_queue, remove_scratch, scratch_folder, wrong
from .remains import Survival, image_of
from .tally import Tally
from .virtual import KilledError

BODIES = ("exit 0", "exit 0", "exit 3")
KEYS = ((), ("verify: 'true'",), ("verify: exit 1",), ("ship: auto", "verify: 'true'"), ("review-policy: auto",),
        ("retry: {max: 1, backoff: 5m, on: [crash, verify_failed]}",))  # fmt: skip
LOCKS = ("lock: shared", "lock: one", "lock: two", "lock: three", "lock: four")
"""Without a lock, jobs of one folder wait for each other."""
WAYS = (Survival.NOTHING, Survival.ALL, Survival.NAMES, Survival.ZEROS, Survival.ORDERED, Survival.ANY)
MOST_JOBS = 6
counted = {"examples": 0, "steps": 0, "power_cuts": 0, "kills": 0}
"""What was done so far in this process."""

numbers = st.integers(0, 2**16)
crash_at = st.none() | st.integers(1, 12) | st.integers(1, 80)
"""After which of a deed's changes of the disk it is cut short; None or more than it makes: not at all."""


class QueueLife(RuleBasedStateMachine):
    """One queue on one machine, through crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.scratch = scratch_folder()
        self.boots = 0
        self.names = 0
        counted["examples"] += 1

    @initialize()
    def begin(self) -> None:
        root = self.folder()
        fresh_queue(root)
        self.machine = Machine(ModelDisk(root, image_of(root)))

    def teardown(self) -> None:
        self.machine.power_off()
        remove_scratch(self.scratch)

    def folder(self) -> str:
        self.boots += 1
        return f"{self.scratch}/{self.boots}"

    def jobs(self, *stages: Stage) -> list[str]:
        names = (name for stage in stages for name in os.listdir(f"{self.machine.root}/{stage}"))
        return sorted(name.removesuffix(".md") for name in names)

    # Deeds, each of which may be cut short.

    @precondition(lambda self: self.names < MOST_JOBS)
    @rule(
        body=st.sampled_from(BODIES), keys=st.sampled_from(KEYS), lock=st.sampled_from(LOCKS), at=crash_at,
        power=st.booleans(), seed=numbers,
    )  # fmt: skip
    def add(self, body: str, keys: tuple[str, ...], lock: str, at: int | None, power: bool, seed: int) -> None:
        self.names += 1
        with self.crash(at, power, seed):
            self.machine.add(f"job{self.names}", body, lock, *keys)

    @precondition(lambda self: self.names < MOST_JOBS)
    @rule(body=st.sampled_from(BODIES), keys=st.sampled_from(KEYS))
    def hand_drop(self, body: str, keys: tuple[str, ...]) -> None:
        self.names += 1
        self.machine.drop(f"hand{self.names}", body, *keys)

    @precondition(lambda self: self.jobs(*Stage))
    @rule(which=numbers, stage=st.sampled_from(Stage))
    def move_by_hand(self, which: int, stage: Stage) -> None:
        jobs = self.jobs(*Stage)
        self.machine.move(jobs[which % len(jobs)], stage)

    @rule(
        slots=st.integers(1, 3), kill_after=st.none() | st.integers(1, 8), at=crash_at, power=st.booleans(),
        seed=numbers, signals=st.sampled_from(((), (), ("SIGINT",), ("SIGTERM",), ("SIGHUP",))),
    )  # fmt: skip
    def supervise(
        self, slots: int, kill_after: int | None, at: int | None, power: bool, seed: int, signals: tuple[str, ...]
    ) -> None:
        with self.crash(at, power, seed):
            self.machine.run(slots=slots, kill_after=kill_after, signals=signals)

    @precondition(lambda self: self.machine.agents)
    @rule()
    def agent_ends(self) -> None:
        """An agent ends while no supervisor lives, or before it looks."""
        self.machine.end_one()

    @precondition(lambda self: self.jobs(*Stage))
    @rule(
        which=numbers, what=st.sampled_from(("cancel", "requeue", "fresh", "promote", "ship", "reject")), at=crash_at,
        power=st.booleans(), seed=numbers,
    )  # fmt: skip
    def ask(self, which: int, what: str, at: int | None, power: bool, seed: int) -> None:
        jobs = self.jobs(*Stage)
        job = JobId(jobs[which % len(jobs)])
        tools = self.machine.app().tools
        with self.crash(at, power, seed), suppress(AqError):
            match what:
                case "cancel":
                    requests.cancel(tools, job, self.patiently)
                case "requeue" | "fresh":
                    requests.requeue(tools, job, fresh=what == "fresh")
                case "promote":
                    requests.promote(tools, job)
                case "ship":
                    requests.ship(tools, job)
                case _:
                    requests.reject(tools, job)

    def patiently(self, ready, *, seconds: float) -> bool:  # type: ignore[no-untyped-def]
        """While one waits, agents end."""
        while not ready():
            if self.machine.end_one() is None:
                return bool(ready())
        return True

    @rule(at=crash_at, power=st.booleans(), seed=numbers)
    def recover(self, at: int | None, power: bool, seed: int) -> None:
        """`aq recover`; when nothing cut it short, a second one finds nothing to do."""
        with self.crash(at, power, seed) as crashed:
            self.machine.recover()
        if not crashed and not self.machine.agents:
            before = snapshot(self.machine.root)
            self.machine.recover()
            found = differences(before, snapshot(self.machine.root)) + unexplained(self.machine.root)
            assert not found, found

    @rule()
    def delete_caches(self) -> None:
        """All of `.aq/` but the folder for files in the making may go at any time."""
        for path in Path(self.machine.root, ".aq").iterdir():
            if path.name == "tmp":
                for scrap in path.iterdir():
                    self.machine.disk.unlink(str(scrap))
            elif path.suffix == ".json":
                self.machine.disk.unlink(str(path))

    @rule(seed=numbers, how=st.sampled_from(WAYS))
    def power_fails(self, seed: int, how: Survival) -> None:
        self.power_cut(len(self.machine.disk.log), how, seed)

    # Fate.

    def crash(self, at: int | None, power: bool, seed: int) -> "_Crash":
        return _Crash(self, at, power, seed)

    def power_cut(self, at: int, how: Survival, seed: int) -> None:
        counted["power_cuts"] += 1
        machine, root = self.machine, self.folder()
        image = machine.disk.cut(at, how, random.Random(seed))
        chronicle = machine.chronicle.until(at).past()
        machine.power_off()
        machine.disk.remove()
        image.write_to(root)
        self.machine = Machine(ModelDisk(root, image), chronicle, machine.clock)
        self.machine.mark(Cut())
        note(f"power cut after change {at}: {how}")

    def kill(self, at: int) -> None:
        """Only the process that worked dies: agents live on, and the disk forgets nothing."""
        counted["kills"] += 1
        self.machine = self.machine.killed(at, self.folder())
        note(f"killed after change {at}")

    @invariant()
    def nothing_is_wrong(self) -> None:
        counted["steps"] += 1
        if not hasattr(self, "machine"):
            return
        found = wrong(self.machine, recovered=False)
        assert not found, found


class _Crash:
    """Cuts what is done inside short after its change number `at`; true once it did."""

    def __init__(self, life: QueueLife, at: int | None, power: bool, seed: int) -> None:
        self.life, self.at, self.power, self.seed = life, at, power, seed
        self.crashed = False

    def __bool__(self) -> bool:
        return self.crashed

    def __enter__(self) -> Self:
        self.began = len(self.life.machine.disk.log)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        machine = self.life.machine
        end = len(machine.disk.log)
        if kind is not None and not isinstance(error, KilledError | AqError):
            return False
        if isinstance(error, KilledError):
            end = machine.killed_at
        if self.at is not None and self.began + self.at < end:
            end, self.crashed = self.began + self.at, True
        if not self.crashed and kind is not KilledError:
            machine.process_ends()
            return False
        self.crashed = True
        if self.power:
            ways = WAYS[self.seed % len(WAYS)]
            self.life.power_cut(end, ways, self.seed)
        else:
            self.life.kill(end)
        return True


def tried(examples: int, steps: int, seed: int, phases: Sequence[Phase] = tuple(Phase)) -> Tally:
    """Try so many sequences of so many deeds."""
    core.global_force_seed = seed
    scale = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, database=None, print_blob=False,
        derandomize=False, phases=phases, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    found: list[str] = []
    try:
        run_state_machine_as_test(QueueLife, settings=scale)
    except Exception as error:  # noqa: BLE001 - whatever a sequence ends in, but our own death
        found = ["\n".join([str(error), *getattr(error, "__notes__", ())])]
    crashes = counted["power_cuts"] + counted["kills"]
    return Tally(tried=counted.pop("examples"), again=crashes, bad=len(found), examples=found, counts=counted)


if __name__ == "__main__":
    quick = (Phase.generate,) if sys.argv[5:] == ["as-found"] else tuple(Phase)
    print(json.dumps(asdict(tried(*map(int, sys.argv[2:5]), phases=quick))))
