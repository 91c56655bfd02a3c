"""Harness D: sequences of deeds, crashes and power cuts, found by Hypothesis."""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from . import report
from .state_machine import QueueLife, counted

pytestmark = pytest.mark.slow


def test_no_sequence_breaks_a_promise() -> None:
    scale = settings(
        max_examples=report.scaled(200), stateful_step_count=30, deadline=None, database=None,
        derandomize=bool(os.environ.get("CI")), suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(QueueLife, settings=scale)
    report.record("D state machine", **counted, bad=0)
