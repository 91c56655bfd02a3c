"""Harness C: cut the power after every change of the disk, build the states it may leave, recover, check.

C2 cuts it again at every change that the recovery makes.

    python -m crash.power_cut FOLDER SCENARIO PER_CUT SECOND ROUND [first]

tries one scenario and prints a tally as JSON; see `main` for what SCENARIO can be. In a ROUND after 0 all states are
chosen by chance, those that always are tried being known. `first` stops at the first bad one.
"""

import json
import random
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from agent_queue.core.errors import AqError
from agent_queue.core.job import Stage
from agent_queue.queues.create import create
from agent_queue.system.layout import Layout

from . import invariants
from .disk import ModelDisk
from .machine import Machine, booted, jobs_in
from .marks import Chronicle, Cut, Dropped, Offered, Settled
from .remains import Image, Survival, image_of
from .scenarios import SCENARIOS
from .tally import Tally
from .virtual import KilledError, StuckError

FIXED = (Survival.NOTHING, Survival.ALL, Survival.NAMES, Survival.ZEROS)
MOST_DEATHS = 4
"""The first, and as many recoveries as `max_recoveries` allows by default."""
BY_CHANCE = (Survival.ORDERED, Survival.ANY)


class PowerCuts:
    """Runs scenarios and tries the states they may leave. `scratch` is an empty folder."""

    def __init__(self, scratch: str, *, round_: int = 0, atomic_rename: bool = True) -> None:
        self._scratch = Path(scratch)
        self._dice = random.Random(round_)
        self._atomic = atomic_rename
        self._fixed = FIXED if atomic_rename and not round_ else ()
        self._number = 0
        self.tally = Tally()
        self.stop_at_first = False

    def recorded(self, scenario: Callable[[Machine], None]) -> Machine:
        """A machine on which it ran to its end; the log tells each step of it."""
        root = self._folder()
        fresh_queue(root)
        machine = Machine(ModelDisk(root, image_of(root), atomic_rename=self._atomic))
        try:
            scenario(machine)
        except (AqError, StuckError) as error:
            self.tally.add(f"{scenario.__name__}, no crash at all", [f"it broke off: {error}"])
        machine.power_off()
        if found := [*wrong(machine), *invariants.unexplained(root)]:
            self.tally.add(f"{scenario.__name__}, no crash at all", found)
        return machine

    def try_scenario(self, name: str, *, per_cut: int, second: int) -> None:
        """Cut after each change; `per_cut` states by chance beside the fixed ones. Of every `second`-th state that is
        new, the recovery is cut as well."""
        machine = self.recorded(SCENARIOS[name])
        seen: set[tuple[Image, int]] = set()
        for at in range(len(machine.disk.log) + 1):
            known = machine.chronicle.until(at)
            for how in self._ways(per_cut):
                image = machine.disk.cut(at, how, self._dice)
                if (image, len(known.marks)) in seen:
                    continue
                seen.add((image, len(known.marks)))
                again = second > 0 and len(seen) % second == 0
                self.try_state(image, known, f"{name} cut at {at}, {how}", again=again)
                if self.stop_at_first and self.tally.bad:
                    return
        machine.disk.remove()

    def try_killed(self, name: str) -> None:
        """Kill the process after each change instead; another goes on from what nobody had flushed yet; only then the
        power fails."""
        machine = self.recorded(SCENARIOS[name])
        for at in range(len(machine.disk.log) + 1):
            after = machine.killed(at, self._folder(), keep=True)
            try:
                after.recover()
                after.run()
                image = after.disk.cut(len(after.disk.log), Survival.NOTHING, self._dice)
            finally:
                after.power_off()
                after.disk.remove()
            self.try_state(image, after.chronicle, f"{name} killed at {at}, gone on, then cut", again=False)
            if self.stop_at_first and self.tally.bad:
                return
        machine.disk.remove()

    def try_poison(self, *, in_verify: bool) -> None:
        """A job whose agent, or whose verify, takes the machine down each time it starts. It must end.

        What is older than the start has long been written back; what is younger is lost.
        """
        root = self._folder()
        fresh_queue(root)
        machine = Machine(ModelDisk(root, image_of(root)))
        job = machine.add("poison", "exit 0", "verify: 'true'")
        deaths = 0
        while deaths <= MOST_DEATHS:
            machine.fatal = "/verify/" if in_verify else "/runs/"
            try:
                machine.run()
                break
            except KilledError:
                deaths += 1
                settled = [at for at, mark in machine.chronicle.marks if isinstance(mark, Settled) and at]
                old = settled[-1] if settled else 0
                image = machine.disk.cut(machine.killed_at, Survival.NOTHING, self._dice, written_back=old)
                known = machine.chronicle.until(machine.killed_at).past()
                machine.power_off()
                image.write_to(root := self._folder())
                machine = Machine(ModelDisk(root, image), known, machine.clock)
                machine.mark(Cut())
        machine.power_off()
        self.tally.tried += 1
        where = invariants.places(machine.root)[job]
        if deaths > MOST_DEATHS or where != ["failed"]:
            self.tally.add(f"poison, in_verify={in_verify}", [f"it lies in {where} after {deaths} deaths"])

    def _ways(self, per_cut: int) -> Iterator[Survival]:
        yield from self._fixed
        for number in range(per_cut):
            yield BY_CHANCE[number % 2] if self._atomic else Survival.ORDERED

    def try_state(self, image: Image, known: Chronicle, where: str, *, again: bool) -> None:
        """Recover, recover again, go on to the end; check each time."""
        self.tally.tried += 1
        with self._booted(image, known) as machine:
            found = checked(machine)
            self.tally.add(where, found)
            if again and not found:
                self._cut_again(image, known, where)

    def _cut_again(self, image: Image, known: Chronicle, where: str) -> None:
        """A recovery is cut short after each of its own changes, and another one follows."""
        with self._booted(image, known) as machine:
            machine.mark(Cut())
            machine.recover()
            machine.power_off()
            for at in range(len(machine.disk.log) + 1):
                now = machine.chronicle.until(at)
                for how in (Survival.NOTHING, Survival.ALL, Survival.ANY):
                    second = machine.disk.cut(at, how, self._dice)
                    self.tally.again += 1
                    with self._booted(second, now) as other:
                        self.tally.add(f"{where}; recovery cut at {at}, {how}", checked(other))

    def _booted(self, image: Image, known: Chronicle):  # type: ignore[no-untyped-def]
        return booted(image, self._folder(), known, atomic_rename=self._atomic)

    def _folder(self) -> str:
        self._number += 1
        return str(self._scratch / str(self._number))


def checked(machine: Machine) -> list[str]:
    """Recover twice, then work to the end; what is wrong anywhere on the way."""
    machine.mark(Cut())
    try:
        if found := wrong(machine, recovered=False):
            return found
        machine.recover()
        if found := [*wrong(machine), *invariants.unexplained(machine.root)]:
            return found
        before = invariants.snapshot(machine.root)
        machine.recover()
        if found := invariants.differences(before, invariants.snapshot(machine.root)):
            return found
        machine.run()
        return [*wrong(machine), *left_over(machine)]
    except StuckError as error:
        return [f"stuck: {error}"]
    except Exception:  # noqa: BLE001 - whatever escapes is what we look for
        return [f"recovery broke off: {traceback.format_exc(limit=-2)}"]


def wrong(machine: Machine, *, recovered: bool = True) -> list[str]:
    marks = machine.chronicle.all()
    return [*invariants.problems(machine.root, marks, recovered=recovered), *machine.chronicle.wrong]


def left_over(machine: Machine) -> list[str]:
    """Once all is done, nothing is in work, and nothing waits that could run."""
    found = [f"{job} stays in building" for job in jobs_in(machine, Stage.BUILDING)]
    marks = machine.chronicle.all()
    whole = {mark.job: mark.data for mark in marks if isinstance(mark, Offered | Dropped)}
    inbox = Path(machine.root, "inbox")
    if any(Path(machine.root, "lanes").iterdir()):
        return found
    waiting = [job for job in jobs_in(machine, Stage.INBOX) if (inbox / f"{job}.md").read_bytes() == whole[job]]
    return [*found, *(f"{job} stays in inbox" for job in waiting)]


def fresh_queue(root: str) -> None:
    """A queue as `aq init` makes it."""
    assert create(Layout(root))


def scratch_folder() -> str:
    """In memory where there is such a place: the model needs no disk beneath."""
    memory = Path("/dev/shm")
    return tempfile.mkdtemp(prefix="aq-crash-", dir=memory if memory.is_dir() else None)


def remove_scratch(path: str) -> None:
    shutil.rmtree(path, ignore_errors=True)


def main(scenario: str, per_cut: int, second: int, round_: int, *options: str) -> None:
    """SCENARIO is one of SCENARIOS; with `killed:` before it, its process is killed first and the power fails later;
    with `linked:`, the file system has no safe rename; `poison` and `poison:verify` take the machine down each time."""
    scratch = scratch_folder()
    try:
        kind, _, name = scenario.rpartition(":")
        cuts = PowerCuts(scratch, round_=round_, atomic_rename=kind != "linked")
        cuts.stop_at_first = "first" in options
        if scenario.startswith("poison"):
            cuts.try_poison(in_verify=name == "verify")
        elif kind == "killed":
            cuts.try_killed(name)
        else:
            cuts.try_scenario(name, per_cut=per_cut, second=second)
        print(json.dumps(asdict(cuts.tally)))
    finally:
        remove_scratch(scratch)


if __name__ == "__main__":
    main(sys.argv[2], *map(int, sys.argv[3:6]), *sys.argv[6:])
