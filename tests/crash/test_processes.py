"""Harness F: real processes, killed in every way."""

from .plan import hold


def test_nothing_survives_whoever_is_killed() -> None:
    """Four kinds of offspring each time: a child, a nohup child, one in a session of its own, a daemon."""
    hold("F survivors")


def test_a_supervisor_killed_at_any_moment_is_succeeded_by_another() -> None:
    hold("F moments")


def test_a_supervisor_killed_in_the_middle_of_git_is_succeeded_by_another() -> None:
    hold("F git moments")


def test_a_running_agent_is_adopted() -> None:
    hold("F adopted")


def test_a_deadline_is_kept_without_a_supervisor() -> None:
    hold("F alone")


def test_a_stop_before_the_shim_can_be_signalled_is_kept() -> None:
    hold("F stopped early")


def test_a_job_is_alive_until_its_end_is_on_the_disk() -> None:
    hold("F slow record")
