"""`[budgets]`: past a day's money no further job starts, until a person says `aq resume`."""

import json
from pathlib import Path
from typing import Any

from .conftest import Agent, Aq, Jobs, begun, done, wait_for


def limit(queue: Path, text: str) -> None:
    (queue / "config.toml").write_text(f"[budgets]\n{text}\n")


def lanes(aq: Aq) -> dict[str, Any]:
    return {lane["engine"]: lane for lane in aq("status", "--json").json()["lanes"]}


def test_past_a_days_money_nothing_starts_until_resume(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    limit(jobs.queue, "daily_usd = 0.4")
    agent.tells(*begun(), done(cost=0.25))
    first = [jobs.add(f"first-{number}", "Do it", engine="claude") for number in range(2)]
    aq("run", "--once", "--slots", 1)
    assert [jobs.stage(job) for job in first] == ["review", "review"]
    third = jobs.add("third", "Do it", engine="claude")
    shell = jobs.add("shell", "true")
    held = aq("run", "--once", check=75)
    assert [jobs.stage(job) for job in (third, shell)] == ["inbox", "inbox"]
    assert "daily budget of $0.4 used up ($0.50)" in held.err
    said = aq("status").out
    assert "all engines" in said
    assert "`aq resume` undoes it" in said.replace("\n", " ")
    assert lanes(aq)["*"]["parked_until"] > 0
    assert "every engine may start jobs" in aq("resume").out
    assert lanes(aq) == {}
    aq("run", "--once")
    assert [jobs.stage(job) for job in (third, shell)] == ["review", "review"]


def test_one_engine_has_its_own(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    limit(jobs.queue, "[budgets.engines.claude]\ndaily_usd = 0.25")
    agent.tells(*begun(), done(cost=0.25))
    jobs.add("first", "Do it", engine="claude")
    aq("run", "--once")
    second, shell = jobs.add("second", "Do it", engine="claude"), jobs.add("shell", "true")
    aq("run", "--once", check=75)
    assert [jobs.stage(job) for job in (second, shell)] == ["inbox", "review"]
    assert list(lanes(aq)) == ["claude"]
    aq("resume", "claude")
    aq("run", "--once")
    assert jobs.stage(second) == "review"


def test_a_profile_has_its_own(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    limit(jobs.queue, "[budgets.profiles.careful]\ndaily_usd = 0.2")
    (jobs.queue / "profiles" / "careful.md").write_text("---\n---\nBe careful.\n")
    agent.tells(*begun(), done(cost=0.25))
    jobs.add("first", "Do it", engine="claude", profile="careful")
    aq("run", "--once")
    second, other = (
        jobs.add("second", "Do it", engine="claude", profile="careful"),
        jobs.add("other", "x", engine="claude"),
    )
    aq("run", "--once", check=None)
    assert [jobs.stage(job) for job in (second, other)] == ["inbox", "review"]
    assert "profile careful: daily budget of $0.2 used up ($0.25)" in aq("status").out
    groups = aq("insights", "--by", "profile", "--json").json()["profiles"]
    assert {group["profile"]: group["jobs"] for group in groups} == {"careful": 1, "none": 1}
    aq("resume")
    aq("run", "--once")
    assert jobs.stage(second) == "review"


def test_a_running_job_counts_while_it_runs(aq: Aq, jobs: Jobs, agent: Agent, tmp_path: Path) -> None:
    """Its transcript need not be there: a line of the wrapper's tells what it has used so far."""
    limit(jobs.queue, "daily_usd = 1")
    gate = tmp_path / "gate"
    first = json.dumps(begun()[0])
    agent.plays(f"echo '{first}'; echo AQ_USAGE cost_usd=2 tokens_in=5; while [ ! -e {gate} ]; do sleep 0.02; done")
    job = jobs.add("first", "Do it", engine="claude", budget="{turns: 50}")
    with aq.started("run"):
        wait_for(lambda: "*" in lanes(aq), "the end of the day's money")
        second = jobs.add("second", "true")
        gate.touch()
        jobs.wait(job, "review", "failed")
        assert jobs.stage(second) == "inbox"
        aq("resume")
        jobs.wait(second, "review")
