"""Harness D: sequences of deeds, crashes and power cuts, found by Hypothesis."""

from .report import scaled
from .state_machine import counted, tried
from .tally import judge


def test_no_sequence_breaks_a_promise() -> None:
    count = scaled(200)
    total = tried(count)
    judge("D state machine", total, count, steps=counted["steps"], kills=counted["kills"], cuts=counted["power_cuts"])
