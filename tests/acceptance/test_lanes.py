"""An engine in trouble holds its own jobs, uncharged, and they go on by themselves."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import SESSION, Agent, Aq, Jobs, begun, done, wait_for


def limited(reset: int) -> list[dict[str, Any]]:
    """How claude's output ends at a usage limit."""
    info = {"status": "rejected", "resetsAt": reset, "rateLimitType": "five_hour", "isUsingOverage": False}
    text = "You've hit your session limit · resets 6am (UTC)"
    return [
        {"type": "rate_limit_event", "session_id": SESSION, "rate_limit_info": info},
        {"type": "result", "subtype": "success", "is_error": True, "api_error_status": 429, "session_id": SESSION,
         "result": text},
    ]  # fmt: skip


def limits_once(agent: Agent, folder: Path, reset: int) -> None:
    """The first run meets a usage limit with work half done; every later one ends well. Each says when it began."""
    ending = "\n".join(json.dumps(event) for event in [*begun(), *limited(reset)])
    good = "\n".join(json.dumps(event) for event in [*begun(), done()])
    agent.plays(
        f"date +%s.%N >> {folder}/began; pwd >> {folder}/places\n"
        f"if [ ! -e half ]; then echo half > half; cat <<'END'\n{ending}\nEND\nexit 1; fi\ncat <<'END'\n{good}\nEND"
    )


def lane(aq: Aq) -> dict[str, Any] | None:
    lanes: list[dict[str, Any]] = aq("status", "--json").json()["lanes"]
    return lanes[0] if lanes else None


def test_a_usage_limit_holds_its_engine_alone_and_ends_by_itself(
    aq: Aq, jobs: Jobs, agent: Agent, tmp_path: Path
) -> None:
    reset = int(time.time()) + 6
    limits_once(agent, tmp_path, reset)
    job = jobs.add("limited", "do it", engine="claude")
    with aq.started("run"):
        wait_for(lambda: lane(aq), "the park")
        other = jobs.add("other", "echo hi > hi")
        jobs.wait(other, "review")
        assert lane(aq) == {"engine": "claude", "parked_until": reset, "reason": "usage limit"}
        (found,) = [row for row in aq("status", "--json").json()["jobs"] if row["id"] == job]
        assert (found["stage"], found["attempts"], found["next_eligible"]) == ("inbox", 0, reset)
        assert "(claude: usage limit)" in found["waiting_for"][0]
        assert "claude: usage limit, until " in aq("status").out
        assert time.time() < reset, "this machine is too slow for this test"
        jobs.wait(job, "review")
    began = [float(line) for line in (tmp_path / "began").read_text().split()]
    assert 0 <= began[1] - reset < 1, "it goes on within a second of the reset"
    first, second = (tmp_path / "places").read_text().splitlines()
    assert first == second
    assert lane(aq) is None
    assert aq("show", job, "--json").json()["state"]["attempts"] == 1


def test_a_person_can_open_a_parked_lane(aq: Aq, jobs: Jobs, agent: Agent, tmp_path: Path) -> None:
    limits_once(agent, tmp_path, int(time.time()) + 86_400)
    job = jobs.add("limited", "do it", engine="claude")
    aq("run", "--once", check=75)
    assert jobs.stage(job) == "inbox"
    aq("run", "--once", check=75)
    assert len((tmp_path / "began").read_text().split()) == 1, "it survives the supervisor"
    assert "every engine may start jobs" in aq("resume", "claude").out
    aq("run", "--once")
    assert jobs.stage(job) == "review"


def test_a_broken_engine_fails_no_more_than_three_jobs(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    agent.plays("echo 'cannot open shared object' >&2; exit 127")
    names = [jobs.add(f"job-{number}", "do it", engine="claude") for number in range(8)]
    fine = jobs.add("fine", "true")
    aq("run", "--once", "--slots", "2", check=1)
    assert [jobs.stage(name) for name in names].count("failed") == 3
    assert [jobs.stage(name) for name in names].count("inbox") == 5
    assert jobs.stage(fine) == "review"
    found = lane(aq)
    assert found is not None
    assert (found["engine"], found["reason"]) == ("claude", "its agents crash at once")


def test_a_fallback_takes_over_the_work(aq: Aq, jobs: Jobs, agent: Agent, tmp_path: Path) -> None:
    limits_once(agent, tmp_path, int(time.time()) + 86_400)
    job = jobs.add("moved", "test -e half && echo taken over > more", engine="claude", fallback="[shell]")
    aq("run", "--once")
    assert jobs.stage(job) == "review"
    diff = aq("diff", job, "--patch").out
    assert "+half" in diff
    assert "+taken over" in diff


def test_hours_keep_an_engine_closed(aq: Aq, jobs: Jobs) -> None:
    hour = (time.localtime().tm_hour + 2) % 24
    said = f'[lanes.shell]\nhours = "{hour:02}:00-{(hour + 1) % 24:02}:00"\n'
    (jobs.queue / "config.toml").write_text(said)
    job = jobs.add("later", "true")
    aq("run", "--once", check=75)
    assert jobs.stage(job) == "inbox"
    assert "shell: takes jobs " in aq("status").out


@pytest.mark.parametrize(
    "said",
    ['[lanes.claude]\nhours = "22-6"', "[lanes.claude]\nhour = 3", '[engines.claude]\naccount = "../x"',
     "[run]\nbreaker = -1", '[run]\nmax_hold = "soon"'],
)  # fmt: skip
def test_wrong_settings_are_refused(aq: Aq, jobs: Jobs, said: str) -> None:
    (jobs.queue / "config.toml").write_text(said + "\n")
    assert "config.toml: " in aq("run", "--once", check=78).err


def test_a_torn_lane_file_counts_as_open(aq: Aq, jobs: Jobs) -> None:
    (jobs.queue / "lanes" / "shell.json").write_text('{"cause": "usage li')
    job = jobs.add("runs", "true")
    aq("run", "--once")
    assert (jobs.stage(job), lane(aq)) == ("review", None)
