"""What every harness does in one round. Round 0 is what a commit is tried with; a night goes on with other rounds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from . import strace
from .fuzz import KINDS as FUZZED
from .scenarios import SCENARIOS
from .tally import WORKERS, judge, together

Part = tuple[str, ...]
"""A harness and its arguments, after the folder."""
SHARDS = 2 * WORKERS
SHAPES = ("plain", "in-place", "nested", "submodule", "sparse", "filter", "sha256")
PER_CUT = 3
"""States by chance for each change of the disk; in round 0 beside the four that are always tried."""
EVERY = 150
"""Of how many states one recovery is cut as well."""


@dataclass(frozen=True)
class Harness:
    """`parts` of a round are run by themselves; what they tried must be at least `least` together.

    `traced`: it needs strace. `once`: chance has no part in it, so only round 0 does it.
    """

    parts: Callable[[int], Sequence[Part]]
    least: int
    traced: bool = False
    once: bool = False


def _faults(kind: str, percent: int) -> Callable[[int], Sequence[Part]]:
    """A shard has cases of its own: what they are copied from is made once."""
    return lambda round_: [
        ("faults", kind, str(shard), str(SHARDS), str(percent), str(round_)) for shard in range(SHARDS)
    ]


def _cuts(prefix: str, names: Sequence[str], per_cut: int, every: int = 0) -> Callable[[int], Sequence[Part]]:
    return lambda round_: [
        ("power_cut", f"{prefix}{name}", str(per_cut if not round_ else 2 * per_cut), str(every), str(round_))
        for name in names
    ]


def _sequences(round_: int) -> Sequence[Part]:
    """Two halves, so that they are done at once; longer ones at night."""
    steps = "50" if round_ else "30"
    return [("state_machine", "100", steps, str(2 * round_ + half)) for half in range(2)]


def _checkpoints(shapes: Sequence[str], count: int) -> Callable[[int], Sequence[Part]]:
    return lambda round_: [("snapshots", shape, str(count), str(round_)) for shape in shapes]


def _deed(name: str, count: int) -> Callable[[int], Sequence[Part]]:
    return lambda round_: [("processes", str(count), str(round_), name)]


def _soaks(round_: int) -> Sequence[Part]:
    return [("soak", "150", str(2 * round_ + half)) for half in range(2)]


def _inputs(round_: int) -> Sequence[Part]:
    return [("fuzz", kind, str(count), str(round_)) for kind, count in _FUZZED.items()]


_FUZZED = {"manifests": 1500, "journals": 1000, "engine lines": 1000, "configurations": 2000, "tracker items": 500}
assert set(_FUZZED) == set(FUZZED)

PLAN: dict[str, Harness] = {
    "A kill points": Harness(_faults("kill", 82), 500, traced=True),
    "B errors": Harness(_faults("error", 16), 300, traced=True),
    "C power cuts": Harness(_cuts("", list(SCENARIOS), PER_CUT, EVERY), 5_000),
    "C kill, then power cut": Harness(_cuts("killed:", list(SCENARIOS), 0), 800, once=True),
    "C without a safe rename": Harness(_cuts("linked:", ("ships", "lanes", "fails"), 2), 900),
    "C poison": Harness(_cuts("", ("poison", "poison:verify"), 0), 2, once=True),
    "D state machine": Harness(_sequences, 200),
    "E checkpoints": Harness(_checkpoints(SHAPES, 8), 56, traced=True),
    "E checkpoints of 50,000 files": Harness(_checkpoints(("large",), 10), 10, traced=True),
    "F survivors": Harness(_deed("survivors", 24), 24),
    "F moments": Harness(_deed("moments", 50), 50),
    "F git moments": Harness(_deed("git_moments", 20), 20),
    "F adopted": Harness(_deed("adopted", 3), 3),
    "F alone": Harness(_deed("alone", 3), 3),
    "F stopped early": Harness(_deed("stopped_early", 2), 2, traced=True),
    "F slow record": Harness(_deed("slow_record", 2), 2, traced=True),
    "G soak": Harness(_soaks, 300),
    "H fuzz": Harness(_inputs, 5_000),
}


def hold(title: str) -> None:
    """Run a harness as a commit is tried with it; nothing may be bad."""
    found = PLAN[title]
    if found.traced and (reason := strace.missing()):
        pytest.skip(reason)
    judge(title, together(found.parts(0)), found.least)
