"""Harness D: sequences of deeds, crashes and power cuts, found by Hypothesis."""

from .plan import hold


def test_no_sequence_breaks_a_promise() -> None:
    hold("D state machine")
