"""Harnesses A and B: SIGKILL, or an error, at every call that counts."""

from .plan import hold


def test_a_kill_at_any_call_loses_nothing() -> None:
    hold("A kill points")


def test_what_failed_is_never_acknowledged() -> None:
    hold("B errors")
