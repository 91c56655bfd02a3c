"""Harness C: power cuts, on a model of a disk."""

from .plan import hold


def test_a_power_cut_loses_nothing_that_was_acknowledged() -> None:
    hold("C power cuts")


def test_what_a_killed_process_never_flushed_is_flushed_by_the_next() -> None:
    hold("C kill, then power cut")


def test_a_file_system_without_a_safe_rename() -> None:
    hold("C without a safe rename")


def test_a_job_that_takes_the_machine_down_ends() -> None:
    hold("C poison")
