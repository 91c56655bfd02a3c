"""Trackers that fail: every outcome is told once in the end, and no job waits for it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from acceptance.conftest import AQ, Agent, begun, done, wait_for

from .conftest import Round
from .items_server import TOKEN, Fault

GET, COMMENTS = "GET /api/items/T-1", "GET /api/items/T-1/comments"
POST, PATCH = "POST /api/items/T-1/comments", "PATCH /api/items/T-1"
KINDS: list[Fault] = [401, 404, 409, 412, 422, 429, 500, 503, "garbage", "cut", "late cut"]


@pytest.mark.parametrize("fault", KINDS, ids=str)
def test_each_call_fails_once(round_trip: Round, fault: Fault) -> None:
    """Whatever every call says the first time, some more of `to-tracker` bring it through: one comment, the status."""
    round_trip.service.fail(GET, fault)
    round_trip.aq("from-tracker", "T-1", check=None)
    job = round_trip.shipped()
    for call in (COMMENTS, POST, PATCH):
        round_trip.service.fail(call, fault)
    for _ in range(5):
        round_trip.aq("to-tracker", job, check=None)
        assert round_trip.stage(job) == "shipped"
    assert round_trip.service.status() == "done"
    assert len(round_trip.service.said()) == 1
    assert round_trip.waiting() == []


@pytest.mark.parametrize("fault", [500, "cut", "late cut", "garbage"], ids=str)
def test_each_call_fails_once_while_the_supervisor_tells(round_trip: Round, fault: Fault) -> None:
    round_trip.auto()
    job = round_trip.taken()
    for call in (COMMENTS, POST, PATCH):
        round_trip.service.fail(call, fault)
    (round_trip.queue / "config.toml").write_text('[defaults]\nship = "auto"\nreview-policy = "auto"\n')
    with round_trip.aq.started("run"):
        wait_for(lambda: round_trip.service.status() == "done" and not round_trip.waiting(), "the end")
    assert len(round_trip.service.said()) == 1
    assert round_trip.stage(job) == "shipped"


def test_rate_limits_are_kept_to(round_trip: Round) -> None:
    job = round_trip.shipped()
    round_trip.service.always = lambda call: 429
    assert "rate limited" in round_trip.aq("to-tracker", job, check=69).err
    kept = json.loads((round_trip.queue / "outbox" / f"{job}.json").read_text())
    assert kept["problem"] == "rate limited"
    assert kept["next_try"] > time.time()


def test_a_second_supervisor_goes_on_between_comment_and_status(round_trip: Round) -> None:
    """Killed right after the comment arrived, before anything about it is written down."""
    round_trip.auto()
    job = round_trip.shipped_without_news()
    round_trip.service.always = lambda call: "hang" if call == PATCH else None
    process = subprocess.Popen([*AQ, "to-tracker", job], env={**os.environ, **round_trip.aq.env})
    wait_for(lambda: PATCH in round_trip.service.calls(), "the status")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert round_trip.service.status() != "done"
    round_trip.service.always = lambda call: None
    round_trip.aq("run", "--once")
    assert round_trip.service.status() == "done"
    assert len(round_trip.service.said()) == 1
    assert round_trip.waiting() == []


def test_killed_while_the_comment_is_posted(round_trip: Round) -> None:
    job = round_trip.shipped()
    arrived: list[str] = []

    def late(call: str) -> Fault | None:
        if call == POST:
            arrived.append(call)
            return "late cut"
        return None

    round_trip.service.always = late
    round_trip.aq("to-tracker", job, check=None)
    assert arrived
    round_trip.service.always = lambda call: None
    for _ in range(2):
        round_trip.aq("run", "--once")
        round_trip.aq("to-tracker", job)
    assert len(round_trip.service.said()) == 1
    assert round_trip.service.status() == "done"


def test_everything_told_by_two_at_once_is_told_once(round_trip: Round) -> None:
    job = round_trip.shipped()
    processes = [
        subprocess.Popen([*AQ, "to-tracker", job], env={**os.environ, **round_trip.aq.env}, stderr=subprocess.DEVNULL)
        for _ in range(4)
    ]
    assert {process.wait(60) for process in processes} <= {0, 75}
    assert len(round_trip.service.said()) == 1
    assert round_trip.service.calls("PATCH") == [PATCH]


def test_a_moved_job_is_told_after_a_crash(round_trip: Round) -> None:
    """A job ships while nobody tells items; the next supervisor reads that in its journal."""
    round_trip.auto()
    round_trip.aq("run", "--once")  # from here on everything is told
    job = round_trip.shipped_without_news()
    assert round_trip.service.writes() == []
    round_trip.aq("run", "--once")
    assert round_trip.service.status() == "done"
    assert job in round_trip.service.said()[0]


def test_50_jobs_at_a_tracker_that_hangs(round_trip: Round, agent: Agent) -> None:
    """None starts or ends later, `run --once` ends after a short while, and all are told when it comes back."""
    round_trip.auto()
    (round_trip.queue / "config.toml").write_text(
        '[defaults]\nship = "auto"\nreview-policy = "auto"\nworkspace = "in-place"\nlock = []\n'
        '[run]\nslots = 4\ndurability = "fast"\n'
    )
    for number in range(100):
        round_trip.service.put(f"T-{number}", labels=["first" if number < 50 else "second"])
    round_trip.aq("from-tracker", "--query", "first")
    took_free, _ = spans(round_trip, lambda: round_trip.aq("run", "--once", env={"AQ_TRACKER_AUTO": "0"}))
    round_trip.aq("from-tracker", "--query", "second")
    round_trip.service.always = lambda call: "hang"
    began = time.monotonic()
    took_hung, jobs = spans(round_trip, lambda: round_trip.aq("run", "--once"))
    all_in_all = time.monotonic() - began
    print(
        f"50 jobs without a tracker {took_free:.2f} s, with one that hangs {took_hung:.2f} s, exit {all_in_all:.2f} s"
    )
    assert took_hung < 1.5 * took_free + 1.0
    assert all_in_all < took_hung + 8
    assert len(jobs) == 100
    round_trip.service.always = lambda call: None
    round_trip.service.released.set()
    with round_trip.aq.started("run"):
        wait_for(lambda: not round_trip.waiting(), "an empty outbox")
    told = [number for number in range(50, 100) if round_trip.service.status(f"T-{number}") == "done"]
    assert len(told) == 50
    assert all(len(round_trip.service.said(f"T-{number}")) == 1 for number in told)


def spans(round_trip: Round, run: Callable[[], object]) -> tuple[float, list[Path]]:
    """Seconds from the first to the last move of the jobs that moved meanwhile, and every shipped job."""
    before = {path.name: path.stat().st_size for path in (round_trip.queue / "journal").iterdir()}
    run()
    times = []
    for path in (round_trip.queue / "journal").iterdir():
        for line in path.read_bytes()[before.get(path.name, 0) :].decode().splitlines():
            entry = json.loads(line)
            if entry["event"] == "move":
                times.append(entry["at"])
    stamps = [time.mktime(time.strptime(at[:19], "%Y-%m-%dT%H:%M:%S")) + float(at[19:-1]) for at in times]
    return max(stamps) - min(stamps), list((round_trip.queue / "shipped").iterdir())


def test_canaries(round_trip: Round, agent: Agent, home: Path) -> None:
    """Text of the prompt, of the agent, of the environment and the token leave in no request."""
    round_trip.auto()
    round_trip.service.put(description="Do it. prompt-canary-1")
    (round_trip.queue / "config.toml").write_text(
        '[env]\npass = ["ENV_CANARY", "AQ_*"]\n[defaults]\nverify = "env > verify.txt; false"\n'
    )
    agent.tells(
        *begun("agent-canary-2"), done("agent-canary-3"), then=f"env > {home}/agent-env; echo agent-canary-4 >&2"
    )
    round_trip.aq.env["ENV_CANARY"] = "env-canary-5"
    job = round_trip.taken()
    round_trip.aq("run", "--once", check=1)
    assert round_trip.service.status() == "wont_fix"
    seen = "\n".join(request.text for request in round_trip.service.seen)
    assert "verify_failed" in seen
    for canary in ("prompt-canary", "agent-canary", "env-canary", TOKEN):
        assert canary not in seen
    journal = round_trip.journal(job) + "".join(path.read_text() for path in (round_trip.queue / "outbox").iterdir())
    for canary in ("prompt-canary", "agent-canary", "env-canary", TOKEN):
        assert canary not in journal
    environments = (home / "agent-env").read_text()
    assert "env-canary-5" in environments
    assert "AQ_TRACKER_TOKEN" not in environments
    assert TOKEN not in environments
    assert list(Path(round_trip.queue / "work").rglob("verify.txt"))
    assert all(TOKEN not in path.read_text() for path in Path(round_trip.queue / "work").rglob("verify.txt"))


def test_pull(round_trip: Round) -> None:
    (round_trip.queue / "config.toml").write_text('[tracker]\nquery = "aq"\n')
    round_trip.service.put(labels=["aq"])
    with round_trip.aq.started("run", "--pull", "0.01"):
        wait_for(lambda: list((round_trip.queue / "review").glob("*.md")), "the first item")
        round_trip.service.put("T-2", labels=["aq"])
        wait_for(lambda: len(list((round_trip.queue / "review").glob("*.md"))) == 2, "the second item")
    (round_trip.queue / "config.toml").write_text("")
    assert "needs a label" in round_trip.aq("run", "--pull", "1", check=78).err


STUB = """#!{python}
import sys
print(sys.argv[1:], file=open({log!r}, "a"))
method, path = sys.argv[1:3]
{answer}
"""


@pytest.mark.parametrize(
    "answer",
    [
        'print(\'{"id": "T-1", "title": "Fix", "description": "It", "labels": []}\\n200\')',
        'print(\'{"item": {"id": "T-1", "title": "Fix", "description": "It", "labels": null}}\')',
        'print("no\\n404" if (method, path[-8:]) == ("GET", "comments") else \'{"id": "T-1", "title": "Fix"}\\n200\')',
        'print("no\\n405" if method == "GET" and path.endswith("comments") else \'{"id": "T-1", "title": "Fix"}\')',
        'print("" if path.endswith("comments") else \'{"data": {"id": "T-1", "title": "Fix"}}\')',
        'print("OK" if method != "GET" or path.endswith("comments") else \'{"id": "T-1", "title": "Fix"}\')',
    ],
)
def test_canned_stubs(round_trip: Round, tmp_path: Path, answer: str) -> None:
    """A program that keeps no state, called as CMD METHOD PATH [JSON]; it needs no token."""
    stub, log = tmp_path / "my stub.py", tmp_path / "log"
    stub.write_text(STUB.format(python=sys.executable, log=str(log), answer=answer))
    stub.chmod(0o755)
    round_trip.aq.env.update(AQ_TRACKER_API_CMD=str(stub), AQ_TRACKER_TOKEN="")
    round_trip.auto()
    job = round_trip.shipped()
    calls = [line for line in log.read_text().splitlines() if "PATCH" in line or "POST" in line]
    assert [line.split("'")[1] for line in calls] == ["PATCH", "POST", "PATCH"]
    assert "in_progress" in calls[0]
    assert f"aq:{job}:done:1" in calls[1]
    assert '"status": "done"' in calls[2]
    round_trip.aq("to-tracker", job)
    assert len(log.read_text().splitlines()) >= 3
    assert [line for line in log.read_text().splitlines() if "POST" in line] == [calls[1]]


def test_a_stub_that_fails(round_trip: Round, tmp_path: Path) -> None:
    job = round_trip.shipped()
    stub = tmp_path / "stub.sh"
    for text, code, said in (("exit 3", 69, "ended with 3"), ("echo no; echo 500", 69, "HTTP 500")):
        stub.write_text(f"#!/bin/sh\n{text}\n")
        stub.chmod(0o755)
        assert said in round_trip.aq("to-tracker", job, check=code, env={"AQ_TRACKER_API_CMD": str(stub)}).err
    missing = round_trip.aq("to-tracker", job, check=78, env={"AQ_TRACKER_API_CMD": str(tmp_path / "gone")})
    assert "check AQ_TRACKER_API_CMD" in missing.err
    assert round_trip.stage(job) == "shipped"
