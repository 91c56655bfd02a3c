"""Harness F: real processes, killed in every way."""

import pytest

from . import strace
from .report import scaled
from .tally import Tally, harness, judge


def deed(name: str, count: int) -> None:
    judge(f"F {name.replace('_', ' ')}", Tally(**harness("processes", str(count), name)[name]), count)


def test_nothing_survives_whoever_is_killed() -> None:
    """Four kinds of offspring each time: a child, a nohup child, one in a session of its own, a daemon."""
    deed("survivors", scaled(24))


def test_a_supervisor_killed_at_any_moment_is_succeeded_by_another() -> None:
    deed("moments", scaled(50))


def test_a_supervisor_killed_in_the_middle_of_git_is_succeeded_by_another() -> None:
    deed("git_moments", scaled(20))


def test_a_running_agent_is_adopted() -> None:
    deed("adopted", scaled(3))


def test_a_deadline_is_kept_without_a_supervisor() -> None:
    deed("alone", scaled(3))


def test_a_stop_before_the_shim_can_be_signalled_is_kept() -> None:
    if reason := strace.missing():
        pytest.skip(reason)
    deed("stopped_early", scaled(2))


def test_a_job_is_alive_until_its_end_is_on_the_disk() -> None:
    if reason := strace.missing():
        pytest.skip(reason)
    deed("slow_record", scaled(2))
