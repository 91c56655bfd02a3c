"""Harnesses A and B: SIGKILL, or an error, at every call that counts."""

import pytest

from . import strace
from .report import scaled
from .tally import WORKERS, Tally, judge, together


def faults(kind: str, count: int) -> Tally:
    if reason := strace.missing():
        pytest.skip(reason)
    return together("faults", [(kind, str(shard), str(WORKERS), str(count)) for shard in range(WORKERS)])


def test_a_kill_at_any_call_loses_nothing() -> None:
    judge("A kill points", faults("kill", scaled(560)), scaled(500))


def test_what_failed_is_never_acknowledged() -> None:
    judge("B errors", faults("error", scaled(330)), scaled(300))
