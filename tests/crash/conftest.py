"""The crash harnesses. Each prints its counts; AQ_CRASH_REPORT names a JSON file for them."""

import sys
from pathlib import Path

import pytest

HANGS_AFTER_S = 900.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(HANGS_AFTER_S))
    # The long ones first, so that no processor waits for the last of them: planted bugs are many and short.
    items.sort(key=lambda item: item.path.name == "test_mutants.py")


@pytest.fixture(autouse=True)
def linux() -> None:
    """They read /proc, and need the flocks, the subreaper and the strace of Linux."""
    if sys.platform != "linux":
        pytest.skip("the crash harnesses run on Linux only")
