"""Text for a terminal."""

import time

import pytest

from agent_queue.cli.screen import Screen, columns, home


@pytest.mark.parametrize(
    ("path", "here", "shown"),
    [
        ("/home/me/q", "/home/me", "~/q"), ("/home/me", "/home/me", "~"), ("/home/me2/q", "/home/me", "/home/me2/q"),
        ("/home/me/q", "/home/me/", "~/q"), ("/srv/q", "/", "/srv/q"),
    ],
)  # fmt: skip
def test_a_path_below_home(monkeypatch: pytest.MonkeyPatch, path: str, here: str, shown: str) -> None:
    monkeypatch.setenv("HOME", here)
    assert home(path) == shown


def test_a_long_text_is_cut_at_once() -> None:
    screen, text, began = Screen(80, 24, colour=False, wide=False), "\u00fc" * 1_000_000, time.monotonic()
    shown = screen.cut(text, 60)
    assert shown == "\u00fc" * 57 + "..."
    assert columns(screen.cut("\u6f22" * 100, 60)) <= 60
    assert time.monotonic() - began < 5
