"""`aq demo`: the story ends as it says, it can fail, and it leaves nothing behind."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

DEMO = (sys.executable, "-m", "agent_queue", "demo")
LIMIT_S = 60
ENDINGS = {
    "changelog": ("shipped", "shipped", 1),
    "version": ("testing", "testing", 1),
    "fix-total": ("testing", "testing", 2),
    "guide": ("failed", "timeout", 1),
    "thanks": ("review", "review", 1),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the demonstration makes its folder, and nobody else anything."""
    folder = tmp_path / "place"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def named(queue: Path) -> dict[str, Path]:
    """Every job file of a queue, by the name it had before `aq add`."""
    return {path.stem.rpartition("__")[2]: path for path in queue.glob("*/*.md") if path.parent.name != "profiles"}


def fold(queue: Path, job: str) -> dict[str, object]:
    state: dict[str, object] = {}
    for line in (queue / f"journal/{job}.jsonl").read_text().splitlines():
        state |= json.loads(line)
    return state


def carriers(place: Path) -> list[str]:
    """Processes that were started below this test's TMPDIR."""
    mark = f"TMPDIR={place}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int(folder.name) != os.getpid() and mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return found


def wait_for(ready: Callable[[], object], seconds: float = LIMIT_S) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def test_every_job_ends_as_the_story_says(place: Path, home: Path) -> None:
    ran = subprocess.run([*DEMO, "--keep"], capture_output=True, text=True, timeout=LIMIT_S)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (folder,) = place.iterdir()
    queue = folder / "queue"
    jobs = named(queue)
    assert {name: path.parent.name for name, path in jobs.items()} == {name: end[0] for name, end in ENDINGS.items()}
    states = {name: fold(queue, path.stem) for name, path in jobs.items()}
    assert {name: (state["result"], state["attempts"]) for name, state in states.items()} == {
        name: end[1:] for name, end in ENDINGS.items()
    }
    branches = subprocess.run(["git", "branch", "--list", "--format=%(refname:short)"], cwd=folder / "shop",
                              capture_output=True, text=True, check=True).stdout.split()  # fmt: skip
    assert sorted(branches) == sorted(["main", *(f"aq/wip/{path.stem}" for path in jobs.values())])
    assert all(f"aq/wip/{path.stem}\n" in ran.stdout for path in jobs.values()), "every branch is shown"
    assert "version waits: lock release is in use" in ran.stdout
    took = ran.stdout.partition("What it took: aq insights")[2].partition("\n\nTo look around")[0]
    assert "ENGINE  jobs  well" in took
    assert all(path.stem in took for path in jobs.values())
    endings = ran.stdout.partition("How it ended\n")[2].partition("\n\n")[0].splitlines()
    assert len(endings) == len(ENDINGS)
    readme = (Path(__file__).parents[2] / "README.md").read_text().splitlines()
    assert set(endings) <= set(readme), "the README shows another ending"
    assert list(home.iterdir()) == [], "HOME is left alone"
    assert carriers(place) == []


def test_on_a_terminal_a_board_is_redrawn(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    above, below = pty.openpty()
    demo = subprocess.Popen(DEMO, stdin=below, stdout=below, stderr=below)
    os.close(below)
    shown = b""
    try:
        while select.select([above], [], [], LIMIT_S)[0] and (piece := os.read(above, 65536)):
            shown += piece
    except OSError:
        pass  # how Linux says that the other side of a terminal is closed
    os.close(above)
    assert demo.wait(LIMIT_S) == 0, shown.decode()
    assert shown.count(b"inbox        building     review") > 3, "the head of the board, drawn again and again"
    assert b"version waits: lock release is in use" in shown
    assert list(place.iterdir()) == []


def test_it_fails_when_a_job_ends_otherwise(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An awk that cannot add makes the verify of fix-total fail for ever."""
    (tmp_path / "awk").write_text("#!/bin/sh\necho 1\n")
    (tmp_path / "awk").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    ran = subprocess.run(DEMO, capture_output=True, text=True, timeout=LIMIT_S)
    assert ran.returncode == 1
    assert "fix-total: stage is failed, not testing" in ran.stderr
    assert "fix-total: result is retries_exhausted, not testing" in ran.stderr
    assert "How it ended" not in ran.stdout
    assert list(place.iterdir()) == []


def test_interrupted_it_leaves_nothing_behind(place: Path) -> None:
    demo = subprocess.Popen(DEMO, stdout=subprocess.DEVNULL)
    wait_for(lambda: list(place.glob("aq-demo-*/queue/runs/*__guide/1/run.json")))
    demo.send_signal(signal.SIGTERM)
    assert demo.wait(LIMIT_S) == 128 + signal.SIGTERM
    assert list(place.iterdir()) == []
    assert carriers(place) == []
