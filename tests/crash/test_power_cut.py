"""Harness C: power cuts, on a model of a disk."""

from .report import scaled
from .scenarios import SCENARIOS
from .tally import judge, together

PER_CUT = 4
"""States by chance for each change of the disk, beside the four fixed ones."""
EVERY = 150
"""Of how many states one recovery is cut as well."""


def test_a_power_cut_loses_nothing_that_was_acknowledged() -> None:
    per_cut = str(scaled(PER_CUT))
    total = together("power_cut", [(name, per_cut, str(EVERY)) for name in SCENARIOS])
    judge("C power cuts", total, scaled(5_000))


def test_what_a_killed_process_never_flushed_is_flushed_by_the_next() -> None:
    total = together("power_cut", [(f"killed:{name}", "0", "0") for name in SCENARIOS])
    judge("C kill, then power cut", total, 800)


def test_a_file_system_without_a_safe_rename() -> None:
    total = together("power_cut", [(f"linked:{name}", str(scaled(2)), "0") for name in ("ships", "lanes", "fails")])
    judge("C without a safe rename", total, 900)


def test_a_job_that_takes_the_machine_down_ends() -> None:
    judge("C poison", together("power_cut", [("poison", "0", "0"), ("poison:verify", "0", "0")]), 2)
