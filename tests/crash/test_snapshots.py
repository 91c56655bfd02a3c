"""Harness E: a checkpoint killed at any call that changes something."""

from .plan import hold


def test_a_checkpoint_killed_anywhere_is_made_again() -> None:
    hold("E checkpoints")


def test_a_large_checkpoint_killed_anywhere_is_made_again() -> None:
    hold("E checkpoints of 50,000 files")
