"""`aq insights`: what jobs took, as their agents said it."""

import csv
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from .conftest import Agent, Aq, Jobs, begun, done, wait_for


def journal(queue: Path, job: str) -> dict[str, Any]:
    """The journal, folded."""
    lines = (queue / "journal" / f"{job}.jsonl").read_text().splitlines()
    return {key: value for line in lines for key, value in json.loads(line).items()}


def insights(aq: Aq, *arguments: str) -> dict[str, Any]:
    return aq("insights", *arguments, "--json").json()


def test_a_known_usage_line_gives_figures_in_the_journal_and_in_insights(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    agent.tells(*begun(), done(tokens_in=1200, tokens_out=340, cost=0.25))
    job = jobs.add("one", "Do it", engine="claude")
    aq("run", "--once")
    known = {"tokens_in": 1200, "tokens_out": 340, "cost_usd": 0.25, "usage": "exact", "model": "claude-test-1"}
    assert journal(jobs.queue, job).items() >= known.items()
    told = insights(aq, job)
    assert told["runs"][0].items() >= known.items()
    assert (told["total"]["tokens_in"], told["total"]["cost_usd"]) == (1200, 0.25)
    assert "1.2k tokens in, 340 out, $0.25" in aq("insights", job).out
    (row,) = insights(aq)["jobs"]
    assert (row["job"], row["engine"], row["tokens_in"], row["cost_usd"]) == (job, "claude", 1200, 0.25)


def test_no_usage_is_marked_and_no_crash(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    agent.plays("echo something else")
    job = jobs.add("silent", "Do it", engine="claude")
    aq("run", "--once")
    told = insights(aq)
    (engine,) = told["engines"]
    assert (engine["cost_usd"], engine["unknown_cost_jobs"], engine["tokens_in"]) == (None, 1, None)
    assert "?1" in aq("insights").out
    assert "$0" not in aq("insights").out + aq("insights", job).out + aq("status").out
    assert "cost ?" in aq("insights", job).out


def test_two_finished_jobs_give_the_right_totals_and_success_rate(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    agent.tells(*begun(), done(tokens_in=100, tokens_out=10, cost=0.5), then="test ! -e fail")
    good = jobs.add("good", "Do it", engine="claude")
    aq("run", "--once")
    agent.tells(*begun(), done(tokens_in=50, tokens_out=5, cost=0.25), then="exit 3")
    bad = jobs.add("bad", "Do it", engine="claude")
    aq("run", "--once", check=1)
    aq("promote", good)
    aq("ship", good)
    told = insights(aq)
    assert {row["job"]: row["result"] for row in told["jobs"]} == {good: "shipped", bad: "crash"}
    (engine,) = told["engines"]
    assert engine["engine"] == "claude"
    for row in (engine, told["total"]):
        assert (row["jobs"], row["success_rate"], row["shipped"], row["unknown_cost_jobs"]) == (2, 0.5, 1, 0)
        assert (row["tokens_in"], row["tokens_out"], row["cost_usd"]) == (150, 15, 0.75)
        assert (row["cost_per_shipped_usd"], row["estimated"]) == (0.75, False)


def test_added_lines_are_counted(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("lines", "seq 7 > seven.txt")
    aq("run", "--once")
    assert insights(aq, job)["total"]["lines_added"] == 7
    assert insights(aq)["total"]["lines_added"] == 7


def test_two_runs_of_100_and_50_tokens_are_150_for_the_job(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    usage = [json.dumps(done(tokens_in=tokens, tokens_out=0, cost=0.5)) for tokens in (100, 50)]
    first = json.dumps(begun()[0])
    agent.plays(
        f"echo x >> runs.txt; echo '{first}'; if [ $(wc -l < runs.txt) -eq 1 ]; then echo '{usage[0]}'; exit 3; fi; "
        f"echo '{usage[1]}'"
    )
    job = jobs.add("twice", "Do it", engine="claude", retry="{max: 1, backoff: 0s}")
    aq("run", "--once")
    told = insights(aq, job)
    assert [run["tokens_in"] for run in told["runs"]] == [100, 50]
    assert [run["result"] for run in told["runs"]] == ["retry", "review"]
    assert (told["total"]["tokens_in"], told["total"]["cost_usd"]) == (150, 1.0)
    assert insights(aq)["total"]["tokens_in"] == 150
    assert insights(aq)["total"]["retries"] == 1


@pytest.mark.parametrize("by", ["engine", "model", "profile", "day"])
def test_it_rolls_up_by_what_is_asked(aq: Aq, jobs: Jobs, agent: Agent, by: str) -> None:
    jobs.add("one", "Do it", engine="claude")
    jobs.add("two", "true")
    aq("run", "--once")
    many = {"engine": "engines", "model": "models", "profile": "profiles", "day": "days"}[by]
    groups = insights(aq, "--by", by)[many]
    assert sum(group["jobs"] for group in groups) == 2
    names = {group[by] for group in groups}
    assert names == {"engine": {"claude", "shell"}, "model": {"claude-test-1", "none"}, "profile": {"none"}}.get(
        by, names
    )
    rows = list(csv.DictReader(StringIO(aq("insights", "--by", by, "--csv").out)))
    assert [row[by] for row in rows] == [group[by] for group in groups]
    assert by.upper() in aq("insights", "--by", by).out


def test_since_leaves_out_what_ended_before(aq: Aq, jobs: Jobs) -> None:
    jobs.add("one", "true")
    aq("run", "--once")
    assert insights(aq, "--since", "7d")["total"]["jobs"] == 1
    assert insights(aq, "--since", "2026-01-01")["total"]["jobs"] == 1
    assert insights(aq, "--since", "2999-01-01")["total"]["jobs"] == 0
    assert "neither" not in aq("insights", "--since", "yesterdayish", check=2).err
    assert "2026-11-01" in aq("insights", "--since", "yesterdayish", check=2).err


def test_the_cache_may_be_deleted_or_torn(aq: Aq, jobs: Jobs) -> None:
    jobs.add("one", "true")
    aq("run", "--once")
    told = insights(aq)
    cache = jobs.queue / ".aq/insights.json"
    known = json.loads(cache.read_bytes())
    other = json.dumps({**known, "form": known["form"][:-1], "jobs": {job: [[0, 0], []] for job in known["jobs"]}})
    for torn in (b"", b"{", b"[]", b'{"form": 1}', other.encode()):
        cache.write_bytes(torn)
        assert insights(aq) == told
    cache.unlink()
    assert insights(aq) == told
    jobs.add("two", "true")
    aq("run", "--once")
    assert insights(aq)["total"]["jobs"] == 2


def test_it_fits_80_columns_and_a_spreadsheet(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    agent.tells(*begun(), done(tokens_in=123_456_789, tokens_out=9_876_543, cost=12345.678))
    job = jobs.add("an-uncommonly-long-name-of-a-job-that-does-not-stop-where-it-should", "Do it", engine="claude")
    jobs.add("other", "seq 1000 > x.txt")
    aq("run", "--once")
    for line in [*aq("insights").lines, *aq("insights", job).lines]:
        assert len(line) <= 80, line
    (row,) = csv.DictReader(StringIO(aq("insights", job, "--csv").out))
    assert (row["run"], row["tokens_in"]) == ("1", "123456789")
    assert len(list(csv.DictReader(StringIO(aq("insights", "--csv").out)))) == 2


def test_before_any_run_it_says_so(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("waits", "true")
    assert "no job has run yet" in aq("insights").out
    assert "has not run yet" in aq("insights", job).out
    assert insights(aq)["total"]["jobs"] == 0


def test_a_run_under_way_shows_what_it_has_used_and_a_budget_ends_it(
    aq: Aq, jobs: Jobs, agent: Agent, tmp_path: Path
) -> None:
    """A program that tells each answer: the third turn is one too many."""
    gate = tmp_path / "gate"
    answers = []
    for number in range(1, 6):
        event = begun(f"turn {number}")[1]
        event["message"]["id"] = f"m{number}"
        answers.append(json.dumps(event))
    wait = f"while [ ! -e {gate} ]; do sleep 0.02; done"
    agent.plays(
        f"echo half > half.txt; echo '{json.dumps(begun()[0])}'; echo '{answers[0]}'; echo '{answers[1]}'; {wait}; "
        f"echo '{answers[2]}'; sleep 1000"
    )
    job = jobs.add("long", "Do it", engine="claude", budget="{turns: 2}")
    with aq.started("run"):

        def shown() -> Any:
            (row,) = [row for row in aq("status", "--json").json()["jobs"] if row["id"] == job]
            return row.get("budget")

        (told,) = wait_for(shown, "the budget in the status")
        assert (told["name"], told["limit"], told["used"], told["share"]) == ("turns", 2, 2, 1.0)
        assert "100% of budget.turns used" in aq("status").out
        gate.touch()
        jobs.wait(job, "failed")
    assert journal(jobs.queue, job).items() >= {"result": "budget_exceeded", "stop": "budget", "turns": 3}.items()
    assert "3 of budget.turns 2" in aq("show", job).out
    assert aq("diff", job).out.count("half.txt") == 1, "what it did until then is kept"


def test_the_time_to_the_first_output_is_told(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("late", "sleep 0.3; echo hello")
    silent = jobs.add("silent", "true")
    aq("run", "--once")
    (run,) = insights(aq, job)["runs"]
    assert 0.2 < run["first_output_s"] < run["duration_s"] + 0.1
    assert "first output after 0." in aq("insights", job).out
    assert insights(aq, silent)["runs"][0]["first_output_s"] is None
