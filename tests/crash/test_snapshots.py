"""Harness E: a checkpoint killed at any call that changes something."""

import pytest

from . import strace
from .report import scaled
from .tally import WORKERS, judge, together

SHAPES = ("plain", "in-place", "nested", "submodule", "sparse", "filter", "sha256")
EVERY = 8
"""Kills of each shape at commit size; at twenty times that, every one that there is."""


def test_a_checkpoint_killed_anywhere_is_made_again() -> None:
    if reason := strace.missing():
        pytest.skip(reason)
    count = scaled(EVERY)
    total = together("snapshots", [(shape, str(count)) for shape in SHAPES])
    judge("E checkpoints", total, min(count, EVERY) * len(SHAPES), workers=WORKERS)


def test_a_large_checkpoint_killed_anywhere_is_made_again() -> None:
    if reason := strace.missing():
        pytest.skip(reason)
    judge("E checkpoints of 50,000 files", together("snapshots", [("large", str(scaled(10)))]), scaled(10))
