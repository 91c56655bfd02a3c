"""The person's command: called with JSON, one call after the other, never waited for longer than is bearable."""

import json
import time
from pathlib import Path

from agent_queue.system.events import wait_until
from agent_queue.system.notifier import MOST, Notifier

from .agents import LIMIT_S, is_alive


def test_notices_come_whole_and_in_order(tmp_path: Path) -> None:
    told: list[str] = []
    notifier = Notifier(("/bin/sh", "-c", f"cat >> {tmp_path}/heard"), {"root": "/q"}, told.append)
    for number in range(20):
        notifier({"event": "drained", "number": number})
    notifier.close(60)
    found = [json.loads(line) for line in (tmp_path / "heard").read_text().splitlines()]
    assert [row["number"] for row in found] == list(range(20))
    assert {row["root"] for row in found} == {"/q"}
    assert told == []


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    told: list[str] = []
    script = f"sleep 600 & echo $! > {tmp_path}/child; wait"
    notifier = Notifier(("/bin/sh", "-c", script), {}, told.append, limit_s=0.5)
    notifier({"event": "drained"})
    notifier.close(60)
    assert told == ["[notify] command: took longer than 0 s"]
    child = int((tmp_path / "child").read_text())
    assert wait_until(lambda: not is_alive(child), seconds=LIMIT_S)


def test_too_many_at_once_are_dropped_and_that_is_said_once() -> None:
    told: list[str] = []
    notifier = Notifier(("/bin/sh", "-c", "sleep 600"), {}, told.append, limit_s=600)
    began = time.monotonic()
    for _ in range(MOST + 50):
        notifier({"event": "drained"})
    assert time.monotonic() - began < 5
    assert told == [f"[notify] command: more than {MOST} at once; some were dropped"]
    notifier.close(0)


def test_without_a_command_nothing_is_started() -> None:
    notifier = Notifier((), {}, [].append)
    notifier({"event": "drained"})
    notifier.close()


def test_what_goes_wrong_is_said_once() -> None:
    told: list[str] = []
    notifier = Notifier(("/nowhere/at/all",), {}, told.append)
    for _ in range(3):
        notifier({"event": "drained"})
    notifier.close(60)
    assert len(told) == 1
    assert "No such file" in told[0]
