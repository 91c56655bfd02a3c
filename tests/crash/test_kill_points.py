"""Harness A: SIGKILL at every call that counts."""

import pytest

from . import strace
from .report import scaled
from .tally import judge, shards, together

pytestmark = pytest.mark.slow


def test_a_kill_at_any_call_loses_nothing() -> None:
    if reason := strace.missing():
        pytest.skip(reason)
    count = scaled(520)
    judge("A kill points", together("kill_points", shards(count)), min(count * 96 // 100, 5_000))
