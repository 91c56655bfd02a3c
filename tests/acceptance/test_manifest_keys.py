"""Each key of a job file does what the reference says: for each one a test that fails when the key is ignored."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_queue.core.manifest import KEYS

from .conftest import Agent, Aq, Jobs, wait_for

Git = Callable[..., str]

RECORDED = ("prefers", "repo", "baseBranch", "kind")
"""Nothing is said to act on them."""
ELSEWHERE = {
    "dirty": "test_scope_and_artifacts.py::test_they_can_be_included_and_stay_as_they_are_in_the_checkout",
    "allowed-scope": "test_scope_and_artifacts.py::test_a_change_out_of_scope_is_listed_and_lets_pass",
    "scope": "test_scope_and_artifacts.py::test_enforced_it_stops_at_the_gate",
    "artifacts": "test_scope_and_artifacts.py::test_artifacts_are_kept_with_the_run",
    "fallback": "test_lanes.py::test_a_fallback_takes_over_the_work",
    "profile": "test_profiles.py::test_the_persona_comes_before_the_body_and_the_file_stays",
}
"""Keys whose proof stands in a file of its subject."""


def result(aq: Aq, job: str) -> str | None:
    said: str | None = aq("show", job, "--json").json()["state"].get("result")
    return said


def said(aq: Aq, job: str) -> dict[str, Any]:
    """The effective manifest: value by key."""
    return {key: found["value"] for key, found in aq("show", job, "--json").json()["manifest"].items()}


def waits_for(aq: Aq, job: str) -> list[str]:
    (row,) = [row for row in aq("status", "--json").json()["jobs"] if row["id"] == job]
    found: list[str] = row["waiting_for"]
    return found


def test_engine_names_the_program(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    agent.plays("touch by-claude")
    body = "test -e by-claude || touch by-shell"
    named, other = jobs.add("named", body, engine="claude"), jobs.add("other", body)
    aq("run", "--once")
    assert (jobs.queue / "work" / named / "by-claude").exists()
    assert (jobs.queue / "work" / other / "by-shell").exists()


def test_engine_class_takes_the_first_of_its_class(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    (jobs.queue / "config.toml").write_text('[classes]\nmine = ["shell", "claude"]\nempty = ["nosuch"]\n')
    job = jobs.add("classed", "touch by-shell", engine=None, engine_class="mine")
    nobody = jobs.add("nobody", "true", engine=None, engine_class="empty")
    aq("run", "--once", check=1)
    assert (jobs.queue / "work" / job / "by-shell").exists()
    assert result(aq, nobody) == "no_engine"


def test_prefers_engine_reorders_the_class(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    agent.plays("touch by-claude")
    (jobs.queue / "config.toml").write_text('[classes]\nmine = ["shell", "claude"]\n')
    job = jobs.add("preferring", "touch by-shell", engine=None, engine_class="mine", prefers_engine="claude")
    aq("run", "--once")
    assert (jobs.queue / "work" / job / "by-claude").exists()


def test_model_is_passed_to_the_engine(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    agent.plays('echo "$@" > argv')
    job = jobs.add("modelled", "Do it.", engine="claude", model="sonnet-9")
    aq("run", "--once")
    assert "--model sonnet-9" in (jobs.queue / "work" / job / "argv").read_text()


def test_args_are_passed_to_the_engine(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("argued", 'echo "$1,$2" > argv', args="[one, 'two words']")
    aq("run", "--once")
    assert (jobs.queue / "work" / job / "argv").read_text() == "one,two words\n"


def test_cwd_is_where_the_agent_works(aq: Aq, jobs: Jobs, home: Path, repo: Path, git: Git) -> None:
    (repo / "deep").mkdir()
    (repo / "deep/there").write_text("")
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "second")
    (home / "plain").mkdir()
    outside = jobs.add("outside", "pwd > place", cwd="~/plain")
    inside = jobs.add("inside", "test -e there && touch was-here", cwd=repo / "deep")
    aq("run", "--once")
    assert (home / "plain/place").read_text() == f"{home}/plain\n"
    assert (jobs.queue / "work" / inside / "deep/was-here").exists()
    assert not (jobs.queue / "work" / outside).exists()


def test_cwd_may_be_relative_to_where_it_is_added_and_nowhere_else(aq: Aq, jobs: Jobs, repo: Path) -> None:
    (repo / "deep").mkdir()
    deep = jobs.add("deep", "pwd > place", cwd="deep", workspace="in-place")
    here = jobs.add("here", "true", cwd=".", workspace="in-place")
    path = jobs.write("dropped", "true", cwd="deep")
    (jobs.queue / "inbox/dropped.md").write_bytes(path.read_bytes())
    aq("run", "--once", cwd=jobs.folder)
    assert (repo / "deep/place").read_text() == f"{repo}/deep\n"
    assert said(aq, here)["cwd"] == str(repo)
    assert jobs.stage(deep) == "review"
    (row,) = [row for row in aq("status", "--json").json()["jobs"] if row["stage"] == "inbox"]
    assert row["invalid"].startswith('dropped.md:3:6: cwd: "deep" is relative')


def test_workspace_in_place_works_in_the_folder_itself(aq: Aq, jobs: Jobs, repo: Path, git: Git) -> None:
    jobs.add("in-place", "touch mark", workspace="in-place")
    aq("run", "--once")
    assert (repo / "mark").exists()
    assert git(repo, "log", "--oneline", "main").count("\n") == 0
    refused = jobs.add("refused", "true", workspace="worktree", cwd=jobs.folder)
    aq("run", "--once", check=1)
    assert result(aq, refused) == "setup_failed"


def test_two_jobs_never_work_in_one_folder_at_once_whatever_they_call_it(aq: Aq, jobs: Jobs, home: Path) -> None:
    (home / "plain").mkdir()
    (home / "link").symlink_to("plain")
    body = "mkdir here || exit 1; sleep 0.5; rmdir here"
    places = (("plain", None), ("link", None), ("plain", "db"), ("link", "net"))
    made = []
    for number, (name, lock) in enumerate(places):
        path = jobs.queue / "inbox" / f"job-{number}.md"
        said = f"engine: shell\ncwd: ~/{name}\n" + (f"lock: {lock}\n" if lock else "")
        path.write_text(f"---\n{said}---\n{body}\n")
        made.append(path.stem)
    aq("run", "--once", "--slots", "4")
    assert {jobs.stage(job) for job in made} == {"review"}


def test_base_is_where_the_branch_starts(aq: Aq, jobs: Jobs, repo: Path, git: Git) -> None:
    first = git(repo, "rev-parse", "HEAD")
    (repo / "later").write_text("")
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "second")
    job = jobs.add("early", "test ! -e later", base=first)
    aq("run", "--once")
    assert jobs.stage(job) == "review"
    assert aq("show", job, "--json").json()["state"]["wip_base"] == first


def test_yolo_gives_all_tools_without_asking(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    agent.plays('echo "$@" > argv')
    found = {flag: jobs.add(f"yolo-{flag}", "Do it.", engine="claude", yolo=flag) for flag in ("true", "false")}
    aq("run", "--once")
    argv = {flag: (jobs.queue / "work" / job / "argv").read_text() for flag, job in found.items()}
    wide = ("--dangerously-skip-permissions", "bypassPermissions")  # as root claude takes only the second
    assert any(word in argv["true"] for word in wide)
    assert not any(word in argv["false"] for word in wide)


def test_lock_keeps_jobs_that_share_one_apart(aq: Aq, jobs: Jobs, tmp_path: Path) -> None:
    first = jobs.add("first", f"mkfifo {tmp_path}/go; cat {tmp_path}/go", lock="[one, two]")
    second, third = jobs.add("second", "true", lock="two, three"), jobs.add("third", "true", lock="four")
    with aq.started("run"):
        wait_for((tmp_path / "go").exists)
        jobs.wait(third, "review")
        assert waits_for(aq, second) == ["lock two is in use"]
        assert jobs.stage(first) == "building"
        (tmp_path / "go").write_text("")
        jobs.wait(second, "review")


def test_timeout_ends_the_run(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("slow", "sleep 600", timeout="0.3s")
    aq("run", "--once", check=1)
    assert result(aq, job) == "timeout"


def test_verify_runs_in_order_to_the_first_failure(aq: Aq, jobs: Jobs) -> None:
    good = jobs.add("good", "touch work", verify="[test -e work, echo one >> said]")
    bad = jobs.add("bad", "touch work", verify="[echo one >> said, 'false', echo two >> said]")
    aq("run", "--once", check=1)
    assert (jobs.stage(good), jobs.stage(bad), result(aq, bad)) == ("testing", "failed", "verify_failed")
    assert (jobs.queue / "work" / bad / "said").read_text() == "one\n"


def test_verify_timeout_ends_the_verify(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("slow-verify", "true", verify="sleep 600", verify_timeout="0.3s")
    aq("run", "--once", check=1)
    assert result(aq, job) == "timeout"


def test_priority_goes_before_age(aq: Aq, jobs: Jobs, tmp_path: Path) -> None:
    for name in ("low", "medium", "critical", "high"):
        jobs.add(name, f"echo {name} >> {tmp_path}/order", priority=name)
    aq("run", "--once", "--slots", "1")
    assert (tmp_path / "order").read_text().split() == ["critical", "high", "medium", "low"]


def test_capabilities_that_are_not_there_keep_it_from_starting(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("abroad", "true", capabilities="[has:git, has:no-such-tool]")
    aq("run", "--once", check=1)
    assert result(aq, job) == "capability_mismatch"


def test_deps_are_waited_for(aq: Aq, jobs: Jobs) -> None:
    first = jobs.add("first", "true")
    second = jobs.add("second", "true", deps=first)
    aq("run", "--once")
    assert (jobs.stage(first), jobs.stage(second)) == ("review", "inbox")
    assert first in waits_for(aq, second)[0]
    aq("promote", first)
    aq("ship", first)
    aq("run", "--once")
    assert jobs.stage(second) == "review"


def test_deps_mode_soft_is_content_with_testing(aq: Aq, jobs: Jobs) -> None:
    first = jobs.add("first", "true", verify="'true'")
    soft = jobs.add("soft", "true", deps=first, deps_mode="soft")
    hard = jobs.add("hard", "true", deps=first, deps_mode="hard")
    aq("run", "--once")
    assert (jobs.stage(first), jobs.stage(soft), jobs.stage(hard)) == ("testing", "review", "inbox")


def test_idempotency_key_makes_one_job_of_two(aq: Aq, jobs: Jobs) -> None:
    path = jobs.write("once", "true", idempotency_key="K-1")
    assert aq("add", path).out == aq("add", path).out
    assert len(list((jobs.queue / "inbox").iterdir())) == 1


def test_retry_runs_it_again_as_often_and_for_what_it_says(aq: Aq, jobs: Jobs) -> None:
    keys = {"retry": "{max: 1, backoff: 0s, on: [crash]}"}
    crashes = jobs.add("crashes", "exit 3", **keys)
    fails = jobs.add("fails", "true", verify="'false'", **keys)
    once = jobs.add("once", "exit 3")
    aq("run", "--once", check=1)
    runs = {job: aq("show", job, "--json").json()["state"]["run"] for job in (crashes, fails, once)}
    assert list(runs.values()) == [2, 1, 1]
    assert [result(aq, job) for job in runs] == ["retries_exhausted", "verify_failed", "crash"]


def test_budget_ends_the_run(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("wall", "sleep 600", budget="{wall: 0.3s}", timeout="10m")
    aq("run", "--once", check=1)
    assert result(aq, job) == "budget_exceeded"


def test_tracker_item_is_shown_with_the_job(aq: Aq, jobs: Jobs) -> None:
    jobs.add("tracked", "true", tracker_item="T-7")
    (row,) = aq("status", "--json").json()["jobs"]
    assert row["tracker_item"] == "T-7"


def test_review_policy_auto_promotes_without_a_verify(aq: Aq, jobs: Jobs) -> None:
    auto, manual = jobs.add("auto", "true", review_policy="auto"), jobs.add("manual", "true", review_policy="manual")
    asked = jobs.add("asked", "true", review_policy="{reviewers: [ann]}")
    aq("run", "--once")
    assert [jobs.stage(job) for job in (auto, manual, asked)] == ["testing", "review", "review"]
    assert said(aq, asked)["review-policy"] == '{reviewers: ["ann"]}'


def test_ship_auto_ships_from_testing(aq: Aq, jobs: Jobs) -> None:
    auto = jobs.add("auto", "true", verify="'true'", ship="auto")
    manual = jobs.add("manual", "true", verify="'true'", ship="manual")
    aq("run", "--once")
    assert (jobs.stage(auto), jobs.stage(manual)) == ("shipped", "testing")


@pytest.mark.parametrize("key", RECORDED)
def test_what_is_only_recorded_is_kept_with_the_run(aq: Aq, jobs: Jobs, key: str) -> None:
    path = jobs.write("recorded", "true")
    path.write_text(path.read_text().replace("engine:", f"{key}: word\nengine:"))
    job = aq("add", path).out.strip()
    aq("run", "--once")
    assert json.loads((jobs.run_folder(job) / "manifest.json").read_text())[key]["origin"] == "job"


def test_every_key_has_a_test() -> None:
    here = Path(__file__)
    names = re.findall(r"^def test_(\w+)", here.read_text(), re.MULTILINE)
    proven = {proven_by(name) for name in names} - {None}
    assert proven | {*RECORDED, *ELSEWHERE} == set(KEYS)
    for place in ELSEWHERE.values():
        file, _, test = place.partition("::")
        assert f"def {test}(" in (here.parent / file).read_text()


def proven_by(name: str) -> str | None:
    """The key that a test is about: the longest one that its name begins with."""
    return max((key for key in KEYS if name.startswith(f"{key.replace('-', '_')}_")), key=len, default=None)
