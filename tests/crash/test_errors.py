"""Harness B: an error of the disk at every call that counts."""

import pytest

from . import strace
from .report import scaled
from .tally import judge, shards, together

pytestmark = pytest.mark.slow


def test_what_failed_is_never_acknowledged() -> None:
    if reason := strace.missing():
        pytest.skip(reason)
    count = scaled(330)
    judge("B errors", together("errors", shards(count)), count * 90 // 100)
