"""The crash harnesses. Each prints its counts; AQ_CRASH_REPORT names a JSON file for them, AQ_CRASH_SCALE multiplies
them (1 is commit size, 10 a night's)."""

import sys

import pytest


@pytest.fixture(autouse=True)
def linux() -> None:
    """They read /proc, and need the flocks, the subreaper and the strace of Linux."""
    if sys.platform != "linux":
        pytest.skip("the crash harnesses run on Linux only")
