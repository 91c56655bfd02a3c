"""From an item to a job and back, over HTTP, with the real `aq`."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from acceptance.conftest import AQ, Agent, begun, done

from .conftest import Round

SECRET = "prompt-canary-77"


def head_and_body(path: Path) -> tuple[dict[str, object], str]:
    _, head, body = path.read_text().split("---\n", 2)
    return yaml.safe_load(head), body


# The nine cases of the original.


def test_create_from_item(round_trip: Round) -> None:
    round_trip.service.put(title="Fix the login", description="It fails.\n\n- [ ] `x`\n")
    ran = round_trip.aq("from-tracker", "T-1")
    path = round_trip.queue / "inbox" / ran.out.strip()
    text = path.read_text()
    assert "tracker-item: T-1\n" in text
    assert "idempotency-key: tracker-T-1\n" in text
    head, body = head_and_body(path)
    assert body == "# Fix the login\n\nIt fails.\n\n- [ ] `x`\n"
    assert head["cwd"] == str(round_trip.aq.cwd)
    assert head["yolo"] is False
    (entry,) = [json.loads(line) for line in round_trip.journal(path.stem).splitlines()]
    assert entry["tracker_item"] == "T-1"
    assert len(entry["body_sha256"]) == 64


def test_label_mapping(round_trip: Round) -> None:
    labels = ["engine-class:agentic-coder", "profile/qa", "cap:node>=20", "cap::os:linux", "kind:chore",
              "engine:codex", "yolo:true", "cwd:/etc", "priority:urgent", "wontfix"]  # fmt: skip
    round_trip.service.put(labels=labels, priority="high")
    ran = round_trip.aq("from-tracker", "T-1")
    head, _ = head_and_body(round_trip.queue / "inbox" / ran.out.strip())
    assert head == {
        "tracker-item": "T-1", "idempotency-key": "tracker-T-1", "engine-class": "agentic-coder", "profile": "qa",
        "capabilities": ["node>=20", "os:linux"], "kind": "chore", "priority": "high", "yolo": False,
        "cwd": str(round_trip.aq.cwd),
    }  # fmt: skip
    for refused in ("engine:codex", "yolo:true", "cwd:/etc", "priority:urgent"):
        assert refused in ran.err


def test_twice_gives_one_job(round_trip: Round) -> None:
    job = round_trip.taken()
    round_trip.service.put(title="Edited meanwhile", description="And longer.")
    again = round_trip.aq("from-tracker", "T-1")
    assert again.out.strip() == f"{job}.md"
    assert f"is already job {job}, in inbox" in again.err
    round_trip.aq("run", "--once")
    later = round_trip.aq("from-tracker", "T-1")
    assert f"is already job {job}, in review" in later.err
    assert len(list(round_trip.queue.glob("*/*.md"))) == 1 + len(list((round_trip.queue / "profiles").glob("*.md")))


def test_shipped_patches_done_and_comments(round_trip: Round, agent: Agent) -> None:
    round_trip.service.put(description=f"Do it. {SECRET}")
    agent.tells(*begun(f"I read {SECRET}"), done(tokens_in=1200, tokens_out=340, cost=0.25))
    job = round_trip.shipped()
    assert round_trip.service.writes() == []
    round_trip.aq("to-tracker", job)
    assert round_trip.service.writes() == ["POST /api/items/T-1/comments", "PATCH /api/items/T-1"]
    assert round_trip.service.status() == "done"
    (comment,) = round_trip.service.said()
    for part in ("result: shipped", "attempts: 1", "1,200 in", "340 out", "$0.2500 (exact)", f"aq/wip/{job}",
                 f"<!-- aq:{job}:done:1 -->"):  # fmt: skip
        assert part in comment
    assert SECRET not in comment
    assert '"tracker_echoed":"done"' in round_trip.journal(job)


def test_second_echo_sends_nothing(round_trip: Round) -> None:
    job = round_trip.shipped()
    round_trip.aq("to-tracker", job)
    before = round_trip.service.calls()
    again = round_trip.aq("to-tracker", job)
    assert "told already" in again.out
    assert round_trip.service.calls() == before


def test_500_is_not_fatal(round_trip: Round) -> None:
    job = round_trip.shipped()
    round_trip.service.always = lambda call: 500
    ran = round_trip.aq("to-tracker", job, check=69)
    assert "HTTP 500" in ran.err
    assert round_trip.stage(job) == "shipped"
    assert round_trip.waiting() == [job]
    round_trip.service.always = lambda call: None
    round_trip.aq("to-tracker", job)
    assert round_trip.service.status() == "done"
    assert len(round_trip.service.said()) == 1
    assert round_trip.waiting() == []


def test_500_is_logged_and_tried_again(round_trip: Round) -> None:
    round_trip.auto()
    job = round_trip.taken()
    round_trip.service.always = lambda call: 500
    ran = round_trip.aq("run", "--once")
    assert f"{job}: T-1 was not told (unreachable): PATCH /api/items/T-1: HTTP 500" in ran.err
    assert "next try in" in ran.err
    assert round_trip.stage(job) == "review"
    assert round_trip.waiting() == [job]
    round_trip.aq("promote", job)
    assert round_trip.stage(job) == "testing"
    round_trip.service.always = lambda call: None
    round_trip.aq("run", "--once")
    assert round_trip.service.status() == "in_progress"
    assert round_trip.waiting() == []


def test_auto_echo_at_every_transition(round_trip: Round) -> None:
    round_trip.auto()
    job = round_trip.taken()
    round_trip.aq("run", "--once")
    assert round_trip.stage(job) == "review"
    assert round_trip.service.status() == "in_progress"
    round_trip.aq("promote", job)
    assert round_trip.service.status() == "in_progress"
    round_trip.aq("ship", job)
    assert round_trip.service.status() == "done"
    assert len(round_trip.service.said()) == 1
    assert round_trip.service.calls("PATCH") == ["PATCH /api/items/T-1"] * 2
    assert round_trip.status(job)["tracker_echoed"] == "done"
    past = round_trip.aq("show", job).out
    assert "from_tracker, item T-1" in past
    assert past.index("its item was told in_progress") < past.index("its item was told done")


def test_failed_is_told_too(round_trip: Round, agent: Agent) -> None:
    round_trip.auto()
    agent.plays("exit 3")
    job = round_trip.taken()
    round_trip.aq("run", "--once", check=1)
    assert round_trip.stage(job) == "failed"
    assert round_trip.service.status() == "wont_fix"
    round_trip.aq.env["AQ_TRACKER_STATUS_FAILED"] = "open"
    round_trip.aq("requeue", job)
    round_trip.aq("run", "--once", check=1)
    assert round_trip.service.status() == "open"
    assert [comment.splitlines()[-1] for comment in round_trip.service.said()] == [
        f"<!-- aq:{job}:wont_fix:1 -->", f"<!-- aq:{job}:open:2 -->",
    ]  # fmt: skip


def test_auto_off_sends_nothing(round_trip: Round) -> None:
    round_trip.shipped()
    assert round_trip.service.writes() == []
    assert round_trip.waiting() == []


# What the calls say.


def test_a_missing_item_an_unreachable_tracker_a_bad_token(round_trip: Round) -> None:
    missing = round_trip.aq("from-tracker", "T-9", check=1)
    assert "404" in missing.err
    away = round_trip.aq("from-tracker", "T-1", check=69, env={"AQ_TRACKER_API": "http://127.0.0.1:9"})
    assert "cannot reach http://127.0.0.1:9" in away.err
    refused = round_trip.aq("from-tracker", "T-1", check=1, env={"AQ_TRACKER_TOKEN": "wrong"})
    assert "check the token in AQ_TRACKER_TOKEN" in refused.err
    without = round_trip.aq("from-tracker", "T-1", check=78, env={"AQ_TRACKER_TOKEN": ""})
    assert "put the token into AQ_TRACKER_TOKEN" in without.err
    assert list((round_trip.queue / "inbox").glob("*.md")) == []


def test_jobs_without_an_item_and_jobs_in_the_inbox(round_trip: Round, tmp_path: Path) -> None:
    (tmp_path / "plain.md").write_text("Do it.\n")
    plain = round_trip.aq("add", tmp_path / "plain.md").out.strip()
    assert "belongs to no tracker item" in round_trip.aq("to-tracker", plain, check=2).err
    job = round_trip.taken()
    assert "nothing to send yet" in round_trip.aq("to-tracker", job).out
    assert round_trip.service.writes() == []


@pytest.mark.parametrize("wrapper", ["data", "item"])
def test_wrapped_answers(round_trip: Round, wrapper: str) -> None:
    round_trip.service.wrap = lambda value: {wrapper: value}
    job = round_trip.shipped()
    round_trip.aq("to-tracker", job)
    assert round_trip.service.status() == "done"


def test_an_item_of_another_product_is_refused(round_trip: Round) -> None:
    round_trip.service.put(productId="other")
    assert "is an item of product 'other', not of 'shop'" in round_trip.aq("from-tracker", "T-1", check=1).err


def test_query_takes_every_page_and_every_item_once(round_trip: Round) -> None:
    for number in range(2, 8):
        round_trip.service.put(f"T-{number}", labels=["aq"])
    round_trip.service.put("T-8", labels=["aq"], status="done")
    round_trip.service.put("T-9", labels=["aq"], productId="other")
    job = round_trip.taken("T-3")
    names = round_trip.aq("from-tracker", "--query", "aq").lines
    assert len(names) == 6
    assert f"{job}.md" in names
    assert len(list((round_trip.queue / "inbox").glob("*.md"))) == 6


def test_a_query_reads_what_its_list_leaves_out(round_trip: Round) -> None:
    """A list of summaries makes the same jobs as a list of items."""
    round_trip.service.put(labels=["aq"], description="All of it.")
    for left_out in (("labels",), ("description",), ("labels", "description", "title")):
        round_trip.service.listed = tuple(key for key in round_trip.service.items["T-1"] if key not in left_out)
        shown = round_trip.aq("from-tracker", "--query", "aq", "--dry-run").out
        assert "# Fix the login\n\nAll of it.\n" in shown


def test_one_item_that_makes_no_sense_keeps_no_other_away(round_trip: Round) -> None:
    for number, said in enumerate(({"title": {"a": 1}}, {}, {"description": ["x"]}, {}, {"id": "a\nb"}, {}), 1):
        round_trip.service.put(f"T-{number}", labels=["aq"], **said)
    ran = round_trip.aq("from-tracker", "--query", "aq", check=69)
    assert len(ran.lines) == 3
    assert "T-1: its title is no text" in ran.err
    assert "T-3: its description is no text" in ran.err
    assert "'a\\nb' is no item's id" in ran.err


def test_a_list_that_breaks_off_says_what_was_made(round_trip: Round) -> None:
    for number in range(1, 6):
        round_trip.service.put(f"T-{number}", labels=["aq"])
    made = iter((None, *[500] * 3))
    round_trip.service.always = lambda call: next(made) if call == "GET /api/items" else None
    ran = round_trip.aq("from-tracker", "--query", "aq", check=69)
    assert len(ran.lines) == 2
    assert "HTTP 500" in ran.err


@pytest.mark.parametrize("answer", [{}, {"data": None}, {"item": None}, [], {"error": "no such item"}], ids=str)
def test_a_good_answer_without_an_item_makes_no_job(round_trip: Round, answer: object) -> None:
    round_trip.service.wrap = lambda value: answer
    assert "the tracker has no item T-1" in round_trip.aq("from-tracker", "T-1", check=1).err
    assert list((round_trip.queue / "inbox").glob("*.md")) == []


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a\x1b[2Jb", b"\xff", "x" * 201], ids=repr)
def test_what_cannot_be_an_id_is_asked_of_nobody(round_trip: Round, name: str | bytes) -> None:
    ran = subprocess.run(
        [*AQ, "from-tracker", name], env={**os.environ, **round_trip.aq.env}, capture_output=True, text=True
    )
    assert ran.returncode == 1
    assert "is no item's id" in ran.stderr
    assert all(line.isprintable() for line in ran.stderr.splitlines())
    assert round_trip.service.calls() == []


def test_dry_runs_change_nothing(round_trip: Round) -> None:
    assert "tracker-item: T-1" in round_trip.aq("from-tracker", "T-1", "--dry-run").out
    assert list((round_trip.queue / "inbox").glob("*.md")) == []
    several = round_trip.aq("from-tracker", "T-9", "T-1", "--dry-run", "--json", check=1)
    (drafted,) = several.json()["drafts"]
    job = round_trip.taken()
    assert (round_trip.queue / "inbox" / f"{job}.md").read_text() == drafted["file"]
    assert f"is already job {job}, in inbox" in round_trip.aq("from-tracker", "T-1", "--dry-run").err
    job = round_trip.shipped()
    shown = round_trip.aq("to-tracker", job, "--dry-run").out
    assert "would be set to done" in shown
    assert f"aq:{job}:done:1" in shown
    assert round_trip.service.writes() == []


def test_gates(round_trip: Round) -> None:
    (round_trip.queue / "config.toml").write_text('[tracker]\nallow_authors = ["ann"]\nrequire_label = "ready"\n')
    assert "allow_authors" in round_trip.aq("from-tracker", "T-1", check=1).err
    round_trip.service.put(author="bob", labels=["ready"])
    assert "'bob'" in round_trip.aq("from-tracker", "T-1", check=1).err
    round_trip.service.put(createdBy={"name": "Ann"})
    assert "has no label 'ready'" in round_trip.aq("from-tracker", "T-1", check=1).err
    round_trip.service.put(createdBy={"name": "Ann"}, labels=["ready"])
    round_trip.aq("from-tracker", "T-1")


def test_configuration_sets_what_runs(round_trip: Round, tmp_path: Path) -> None:
    (round_trip.queue / "config.toml").write_text(
        '[tracker.defaults]\nengine = "shell"\nyolo = true\n[tracker.types.bug]\nprofile = "qa"\nverify = ["true"]\n'
    )
    head, _ = head_and_body(
        round_trip.queue
        / "inbox"
        / round_trip.aq("from-tracker", "T-1", env={"AQ_TRACKER_CWD": str(tmp_path)}).out.strip()
    )
    assert head["engine"] == "shell"
    assert head["yolo"] is True
    assert head["profile"] == "qa"
    assert head["verify"] == ["true"]
    assert head["cwd"] == str(tmp_path)


def test_any_engine_takes_it_where_nothing_names_one(round_trip: Round) -> None:
    """Neither the configuration, nor a label, nor the profile that a label names."""
    del round_trip.aq.env["AGENT_QUEUE_ENGINE"]
    (round_trip.queue / "profiles" / "mine.md").write_text("Be brief.\n")
    for number, labels in enumerate(([], ["profile:mine"], ["profile:qa"], ["engine-class:chat-coder"]), 1):
        round_trip.service.put(f"T-{number}", labels=labels)
        head, _ = head_and_body(round_trip.queue / "inbox" / f"{round_trip.taken(f'T-{number}')}.md")
        expected = {1: "agentic-coder", 2: "agentic-coder", 3: None, 4: "chat-coder"}[number]
        assert head.get("engine-class") == expected


@pytest.mark.parametrize("said", [".", "../repo", "~/repo"])
def test_the_place_to_work_is_written_whole(round_trip: Round, said: str) -> None:
    name = round_trip.aq("from-tracker", "T-1", env={"AQ_TRACKER_CWD": said}).out.strip()
    head, _ = head_and_body(round_trip.queue / "inbox" / name)
    assert head["cwd"] == str(round_trip.aq.cwd)


def test_hidden_text_is_taken_out_and_counted(round_trip: Round) -> None:
    round_trip.service.put(
        title="Fix\u200b it", description="Do <!-- rm -rf / -->this.\n\n```\n<!-- shown -->\n```\n\U000e0041\u202e!"
    )
    ran = round_trip.aq("from-tracker", "T-1")
    assert "taken out of its text: 1 hidden comment and 3 invisible characters" in ran.err
    _, body = head_and_body(round_trip.queue / "inbox" / ran.out.strip())
    assert body == "# Fix it\n\nDo this.\n\n```\n<!-- shown -->\n```\n!\n"


def test_every_failure_is_said(round_trip: Round) -> None:
    """Of several that fail, each in its own words; the exit code is the first one's."""
    read = round_trip.aq("from-tracker", "T-8", "T-9", "T-1", check=1)
    told = round_trip.aq("to-tracker", "gone-1", "gone-2", check=None)
    moved = round_trip.aq("promote", "gone-1", "gone-2", check=None)
    for ran, names in ((read, ("T-8", "T-9")), (told, ("gone-1", "gone-2")), (moved, ("gone-1", "gone-2"))):
        assert ran.code
        assert all(name in ran.err for name in names)
    assert len(read.lines) == 1


def test_queries_at_once_make_one_job_of_each_item(round_trip: Round) -> None:
    for number in range(40):
        round_trip.service.put(f"T-{number}", labels=["aq"])
    environment = {**os.environ, **round_trip.aq.env}
    asking = [
        subprocess.Popen([*AQ, "from-tracker", "--query", "aq"], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    printed = [process.communicate(timeout=120)[0].split() for process in asking]
    assert [process.returncode for process in asking] == [0] * 4
    heads = [head_and_body(path)[0] for path in (round_trip.queue / "inbox").glob("*.md")]
    assert sorted(str(head["tracker-item"]) for head in heads) == sorted(f"T-{number}" for number in range(40))
    assert {tuple(sorted(names)) for names in printed} == {tuple(sorted(printed[0]))}
