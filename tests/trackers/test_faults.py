"""Trackers that fail: every outcome is told once in the end, and no job waits for it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from acceptance.conftest import AQ, Agent, begun, done, wait_for
from crash.report import record

from agent_queue.core.job import JobId
from agent_queue.core.tracker_settings import TrackerSettings
from agent_queue.core.trouble import TrackerError, Trouble
from agent_queue.flow.echo import deliver_all, note
from agent_queue.flow.echo_beside import GRACE_S
from agent_queue.ports_tracker import Answer, Means, Request
from agent_queue.system.http import LONGEST_S
from agent_queue.testing.clock import FakeClock
from agent_queue.trackers.items import Items
from agent_queue.wiring import opened
from agent_queue.wiring.trackers import desk

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


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_rate_limits_are_kept_to(round_trip: Round, form: str) -> None:
    """By supervisors that start meanwhile too, and for the other items: the limit is the token's, not the item's."""
    job, service = round_trip.shipped(), round_trip.service
    service.put("T-2")
    round_trip.shipped("T-2")
    service.retry_after = "900" if form == "seconds" else formatdate(time.time() + 900, usegmt=True)
    service.always = lambda call: 429
    assert "HTTP 429" in round_trip.aq("to-tracker", job, check=69).err
    kept = json.loads((round_trip.queue / "outbox" / f"{job}.json").read_text())
    assert kept["problem"] == "rate limited"
    assert time.time() + 800 < kept["next_try"] < time.time() + 901
    service.always = lambda call: None
    service.seen.clear()
    round_trip.auto()
    round_trip.aq("run", "--once")
    assert service.calls() == []
    assert job in round_trip.waiting()


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


def test_a_supervisor_killed_between_comment_and_status(round_trip: Round) -> None:
    """Its supervisor this time, while it tells items by itself."""
    round_trip.auto()
    (round_trip.queue / "config.toml").write_text('[defaults]\nship = "auto"\nreview-policy = "auto"\n')
    round_trip.taken()
    service = round_trip.service
    service.always = lambda call: "hang" if call == PATCH and service.said() else None
    with round_trip.aq.started("run") as supervisor:
        wait_for(service.hanging, "the status")
        supervisor.kill()
        supervisor.wait()
    assert service.status() != "done"
    service.always = lambda call: None
    with round_trip.aq.started("run"):
        wait_for(lambda: not round_trip.waiting(), "the rest")
    assert service.status() == "done"
    assert len(service.said()) == 1


def test_what_was_told_is_known_without_the_journal_too(round_trip: Round) -> None:
    """Everything echoed twice: the notes of what was told are lost, as by a crash before they were flushed."""
    job = round_trip.shipped()
    round_trip.aq("to-tracker", job)
    journal = round_trip.queue / "journal" / f"{job}.jsonl"
    kept = [line for line in journal.read_text().splitlines(keepends=True) if '"echoed"' not in line]
    journal.write_text("".join(kept))
    round_trip.aq("to-tracker", job)
    assert len(round_trip.service.said()) == 1
    assert round_trip.service.calls("PATCH") == [PATCH, PATCH]
    assert round_trip.journal(job).count('"echoed"') == 1


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
    """Jobs start and end while a call hangs; a call that lay on their way would let none of them move meanwhile."""
    round_trip.auto()
    (round_trip.queue / "config.toml").write_text(
        '[defaults]\nship = "auto"\nreview-policy = "auto"\nworkspace = "in-place"\nlock = []\n'
        '[run]\nslots = 4\ndurability = "fast"\n'
    )
    service, names = round_trip.service, [f"T-{number}" for number in range(50)]
    for name in names:
        service.put(name, labels=["aq"])
    jobs = [line.removesuffix(".md") for line in round_trip.aq("from-tracker", "--query", "aq").lines]
    shipped = round_trip.queue / "shipped"
    service.glance = lambda: {path.stem for path in shipped.iterdir()}
    service.always = lambda call: "hang"
    round_trip.aq("run", "--once")
    wait_for(lambda: service.hangs and not service.hanging(), "the end of the last call")
    assert service.glance() == set(jobs)
    first = service.hangs[0]
    asked_for = first.call.split("/")[3].lower()
    assert any(job.endswith(f"__{asked_for}") for job in first.after), "its own job waited for the call"
    meanwhile = [job for hang in service.hangs for job in hang.after - hang.before]
    assert len(meanwhile) > 10, "most of the time a call hangs, and so most jobs start and end meanwhile"
    assert sorted(round_trip.waiting()) == sorted(jobs)
    told = round_trip.aq("status", "--json").json()
    assert len(told["outbox"]) == 50
    assert {job["tracker_echoed"] for job in told["jobs"]} == {None}
    assert "TRACKER ITEMS THAT WAIT FOR NEWS" in round_trip.aq("status").out
    service.always = lambda call: None
    with round_trip.aq.started("run"):
        wait_for(lambda: not round_trip.waiting(), "an empty outbox")
    assert {service.status(name) for name in names} == {"done"}
    assert [len(service.said(name)) for name in names] == [1] * 50


def test_a_run_ends_soon_though_its_last_news_hang(round_trip: Round) -> None:
    """It gives them a short while, less than one call may take; what was not told waits, and status says so."""
    round_trip.auto()
    job = round_trip.taken()
    round_trip.service.always = lambda call: "hang"
    began = time.monotonic()
    round_trip.aq("run", "--once")
    assert time.monotonic() - began < LONGEST_S
    assert round_trip.stage(job) == "review"
    assert [one["job"] for one in round_trip.aq("status", "--json").json()["outbox"]] == [job]


def test_a_run_waits_for_a_slow_tracker_that_answers(round_trip: Round) -> None:
    """Each answer takes most of the time that the end gives for one: all the news of an item take longer."""
    round_trip.auto()
    (round_trip.queue / "config.toml").write_text('[defaults]\nship = "auto"\nreview-policy = "auto"\n')
    job = round_trip.taken()
    round_trip.service.before_answering = lambda: Event().wait(GRACE_S * 0.6)
    round_trip.aq("run", "--once")
    assert round_trip.stage(job) == "shipped"
    assert round_trip.service.status() == "done"
    assert round_trip.waiting() == []


def test_one_item_that_is_never_taken_keeps_no_other_waiting(round_trip: Round, agent: Agent) -> None:
    """A tracker that answers 500 for one item is no tracker that is away."""
    round_trip.auto()
    (round_trip.queue / "config.toml").write_text(
        '[defaults]\nship = "auto"\nreview-policy = "auto"\nworkspace = "in-place"\nlock = []\n'
    )
    service, names = round_trip.service, [f"T-{number}" for number in range(6)]
    for name in names:
        service.put(name, labels=["aq"])
    round_trip.aq("from-tracker", "--query", "aq")
    service.always = lambda call: 500 if "/T-0" in call or "/T-3" in call else None
    others = [name for name in names if name not in ("T-0", "T-3")]
    with round_trip.aq.started("run"):
        wait_for(lambda: {service.status(name) for name in others} == {"done"}, "the others")
        assert {service.status("T-0"), service.status("T-3")} == {"open"}
        service.always = lambda call: None
        wait_for(lambda: not round_trip.waiting(), "the rest")
    assert {service.status(name) for name in names} == {"done"}
    assert [len(service.said(name)) for name in names] == [1] * 6


class Away:
    """A transport that reaches nobody."""

    def __init__(self) -> None:
        self.calls = 0

    def send(self, request: Request) -> Answer:
        self.calls += 1
        raise TrackerError(Trouble.UNREACHABLE, "nobody there")


def test_a_tracker_that_is_away_is_asked_less_and_less(round_trip: Round) -> None:
    """However many items wait: a round ends with its first failure, and the next one comes after twice the time."""
    for number in range(20):
        text = f"---\ntracker-item: T-{number}\n---\nDo it.\n"
        (round_trip.queue / "shipped" / f"j{number}.md").write_text(text)
        (round_trip.queue / "journal" / f"j{number}.jsonl").write_text('{"event":"move","to":"shipped","seq":1}\n')
    away, clock, told = Away(), FakeClock(), list[str]()
    carried: Any = lambda base: away  # noqa: E731
    tracker = Items(TrackerSettings(), Means(transport=carried, shelf=carried))
    place = replace(desk(opened(str(round_trip.queue))), clock=clock, tracker=lambda: tracker, tell=told.append)
    assert all(note(place, JobId(f"j{number}")) for number in range(20))
    waits: list[float] = []
    for failed in range(12):
        found = deliver_all(place, failed=failed)
        assert found.down
        assert away.calls == failed + 1
        assert found.next_try is not None
        waits.append(found.next_try - clock.now().timestamp())
        clock.advance(waits[-1])
    assert waits == sorted(waits)
    assert waits[0] >= 2
    assert waits[5] >= 2 * 2**5
    assert 300 <= waits[-1] <= 375
    assert len(told) == 12


@pytest.mark.parametrize("named", ["AQ_TRACKER_TOKEN", "GH_TOKEN"])
def test_canaries(round_trip: Round, agent: Agent, home: Path, named: str) -> None:
    """Text of the prompt, of the agent, of the environment and the token leave in no request."""
    round_trip.auto()
    round_trip.aq.env[named] = round_trip.aq.env.pop("AQ_TRACKER_TOKEN")
    round_trip.service.put(description="Do it. prompt-canary-1")
    (round_trip.queue / "config.toml").write_text(
        f'[env]\npass = ["ENV_CANARY", "AQ_*", "GH_TOKEN"]\n[tracker]\ntoken_env = "{named}"\n'
        '[defaults]\nverify = "env > verify.txt; false"\n'
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
    record("I canaries, requests to a tracker", tried=len(round_trip.service.seen), bad=0)
    journal = round_trip.journal(job) + "".join(path.read_text() for path in (round_trip.queue / "outbox").iterdir())
    for canary in ("prompt-canary", "agent-canary", "env-canary", TOKEN):
        assert canary not in journal
    environments = (home / "agent-env").read_text()
    assert "env-canary-5" in environments
    assert f"{named}=" not in environments
    assert TOKEN not in environments
    assert list(Path(round_trip.queue / "work").rglob("verify.txt"))
    assert all(TOKEN not in path.read_text() for path in Path(round_trip.queue / "work").rglob("verify.txt"))


def test_once_and_pull_take_new_items_in_and_run_them(round_trip: Round) -> None:
    (round_trip.queue / "config.toml").write_text('[tracker]\nquery = "aq"\n')
    for number in range(1, 4):
        round_trip.service.put(f"T-{number}", labels=["aq"])
    round_trip.aq("run", "--once", "--pull", "60")
    assert len(list((round_trip.queue / "review").glob("*.md"))) == 3
    away = round_trip.aq("run", "--once", "--pull", "60", env={"AQ_TRACKER_API": "http://127.0.0.1:9"})
    assert "cannot reach http://127.0.0.1:9" in away.err


WITNESS = """
import sys, threading
def heard(event, given):
    if event == "import" and given[0] == "httpx2":
        print(threading.current_thread().name, file=open({log!r}, "a"))
sys.addaudithook(heard)
"""


def test_the_loop_does_not_load_the_client(round_trip: Round, tmp_path: Path) -> None:
    """It takes as long as ten jobs do: it is loaded where items are told, and not at all where nothing is."""
    log = tmp_path / "log"
    (tmp_path / "sitecustomize.py").write_text(WITNESS.format(log=str(log)))
    round_trip.aq.env["PYTHONPATH"] = str(tmp_path)
    round_trip.taken()
    assert log.read_text().split() == ["MainThread"]  # of `from-tracker`, which shows that the witness sees it
    log.unlink()
    round_trip.aq("run", "--once")
    assert not log.exists()
    round_trip.service.put("T-2")
    round_trip.taken("T-2")
    log.unlink()
    round_trip.auto()
    round_trip.aq("run", "--once")
    assert round_trip.service.status("T-2") == "in_progress"
    assert set(log.read_text().splitlines()) == {"tracker: tell"}


def test_pull(round_trip: Round) -> None:
    (round_trip.queue / "config.toml").write_text('[tracker]\nquery = "aq"\n')
    round_trip.service.put(labels=["aq"])
    with round_trip.aq.started("run", "--pull", "0.01"):
        wait_for(lambda: list((round_trip.queue / "review").glob("*.md")), "the first item")
        round_trip.service.put("T-2", labels=["aq"])
        wait_for(lambda: len(list((round_trip.queue / "review").glob("*.md"))) == 2, "the second item")
    (round_trip.queue / "config.toml").write_text("")
    assert "needs a label" in round_trip.aq("run", "--pull", "1", check=78).err


@pytest.mark.parametrize("kind", ["items", "github", "linear", "redmine"])
@pytest.mark.parametrize("token", ["tok-canary\nX-A: 1", "tok-canary-\u00e9", "tok-canary\x1b[0m"])
def test_a_token_that_no_header_can_carry_is_not_shown(round_trip: Round, kind: str, token: str) -> None:
    (round_trip.queue / "config.toml").write_text(f'[tracker]\nkind = "{kind}"\nproject = "o/r"\n')
    ran = round_trip.aq("tracker", "check", check=78, env={"AQ_TRACKER_TOKEN": token})
    assert "check AQ_TRACKER_TOKEN" in ran.err
    assert "tok-canary" not in ran.err
    assert round_trip.service.seen == []


STUB = """#!{python}
import os, sys
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


def test_a_stub_without_a_list_gets_no_second_comment(round_trip: Round, tmp_path: Path) -> None:
    """Killed after the comment, at a tracker that cannot be asked for its comments: better none than two."""
    gate, log, stub = tmp_path / "gate", tmp_path / "log", tmp_path / "stub.py"
    os.mkfifo(gate)
    answer = f"""
if method == "PATCH" and "done" in sys.argv[3] and os.path.exists({str(gate)!r}):
    open({str(gate)!r}).read()
elif (method, path[-8:]) == ("GET", "comments"):
    print("no\\n404")
else:
    print('{{"id": "T-1", "title": "Fix"}}')
"""
    stub.write_text(STUB.format(python=sys.executable, log=str(log), answer=answer))
    stub.chmod(0o755)
    round_trip.aq.env.update(AQ_TRACKER_API_CMD=str(stub), AQ_TRACKER_TOKEN="")
    job = round_trip.shipped()
    process = subprocess.Popen([*AQ, "to-tracker", job], env={**os.environ, **round_trip.aq.env})
    wait_for(lambda: "PATCH" in log.read_text(), "the status")
    process.kill()
    process.wait()
    gate.write_text("")  # lets the program end that nobody waits for any more
    gate.unlink()
    round_trip.aq("run", "--once")
    calls = [line.split("'")[1] for line in log.read_text().splitlines()]
    assert calls == ["GET", "GET", "POST", "PATCH", "GET", "PATCH"]
    assert round_trip.waiting() == []


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
