"""Harness H: bytes that nobody wrote, wherever aq reads. It needs no Linux."""

import pytest

from .plan import hold


@pytest.fixture(autouse=True)
def linux() -> None:
    """Nothing here does."""


def test_any_bytes_are_read_or_refused_in_words() -> None:
    hold("H fuzz")
