"""What the README promises of a job's way, each with the real `aq`, real git and real processes."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import AQ, Agent, Aq, Jobs, begun, done, wait_for

FOREVER = "sleep 1000"


def alive(marker: str) -> list[str]:
    """Command lines of processes that carry a text no other process has."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if marker in words:
                found.append(words)
    return found


def journal(queue: Path, job: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (queue / "journal" / f"{job}.jsonl").read_text().splitlines()]


def state(aq: Aq, job: str) -> dict[str, object]:
    return dict(aq("show", job, "--json").json()["state"])


def test_a_job_works_in_a_worktree_of_its_own_is_verified_and_ships(
    aq: Aq, jobs: Jobs, repo: Path, git: Callable[..., str]
) -> None:
    (repo / "dirty.txt").write_text("not committed\n")

    def users() -> tuple[str, str, bytes]:
        return git(repo, "status", "--porcelain"), git(repo, "rev-parse", "HEAD"), (repo / ".git/index").read_bytes()

    before = users()
    job = jobs.add("fix", "echo fixed > fix.txt", verify="test -f fix.txt")
    aq("run", "--once")
    assert jobs.stage(job) == "testing"
    assert git(repo, "show", f"aq/wip/{job}:fix.txt") == "fixed"
    assert before == (
        git(repo, "status", "--porcelain"),
        git(repo, "rev-parse", "HEAD"),
        (repo / ".git/index").read_bytes(),
    )
    assert not (repo / "fix.txt").exists()
    shipped = aq("ship", job)
    assert jobs.stage(job) == "shipped"
    assert f"git merge aq/wip/{job}" in shipped.err
    assert not (jobs.queue / "work" / job).exists()
    assert git(repo, "branch", "--list", f"aq/wip/{job}")


def test_three_keys_are_enough(aq: Aq, jobs: Jobs, agent: Agent, repo: Path) -> None:
    path = jobs.write("three", "Do it.", engine="claude", cwd=repo, yolo="true")
    agent.plays("cat > /dev/null; echo made > made.txt")
    job = aq("add", path).out.strip()
    aq("run", "--once")
    assert jobs.stage(job) == "review"
    aq("promote", job)
    aq("ship", job)
    assert jobs.stage(job) == "shipped"


def test_the_body_reaches_the_agent_verbatim_on_its_standard_input(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    body = "--dangerous looking\n\n$(rm -rf /) `x` \\ ' \" \u00fc\n" + "x" * 300_000
    agent.plays("cat > prompt.txt")
    job = jobs.add("verbatim", body, engine="claude")
    aq("run", "--once")
    preface = (jobs.run_folder(job) / "preface.md").read_text()
    assert (jobs.queue / "work" / job / "prompt.txt").read_text() == f"{preface}\n---\n\n{body}\n"
    assert len(preface) < 500


def test_verify_fails_then_passes_on_the_retry_which_finds_the_work_of_the_first_run(aq: Aq, jobs: Jobs) -> None:
    retry = "{max: 1, backoff: 1s, on: [verify_failed]}"
    job = jobs.add("again", "echo run >> runs.txt", verify='test "$(wc -l < runs.txt)" -eq 2', retry=retry)
    aq("run", "--once")
    assert jobs.stage(job) == "testing"
    starts = [entry for entry in journal(jobs.queue, job) if entry["event"] == "started"]
    assert [entry["run"] for entry in starts] == [1, 2]
    assert float(str(starts[1]["started_at"])) - float(str(starts[0]["started_at"])) >= 1


def test_retries_are_exhausted_and_not_asked_for_never_made(aq: Aq, jobs: Jobs) -> None:
    often = jobs.add("often", "exit 3", retry="{max: 1, backoff: 1s, on: [crash]}")
    other = jobs.add("other", "exit 3", retry="{max: 5, on: [verify_failed]}")
    once = jobs.add("once", "exit 3")
    aq("run", "--once", check=1)
    assert [state(aq, job)["result"] for job in (often, other, once)] == ["retries_exhausted", "crash", "crash"]
    assert [state(aq, job)["run"] for job in (often, other, once)] == [2, 1, 1]
    assert [jobs.stage(job) for job in (often, other, once)] == ["failed"] * 3


def test_a_timeout_keeps_the_work_on_its_branch_and_outranks_an_exit_of_0(
    aq: Aq, jobs: Jobs, repo: Path, git: Callable[..., str]
) -> None:
    job = jobs.add("slow", f"trap 'exit 0' TERM; echo half > half.txt; {FOREVER} & wait", timeout="1s")
    aq("run", "--once", check=1)
    assert state(aq, job)["result"] == "timeout"
    assert git(repo, "show", f"aq/wip/{job}:half.txt") == "half"


def test_budget_wall_names_the_result_only_when_it_is_the_smaller(aq: Aq, jobs: Jobs) -> None:
    wall = jobs.add("wall", FOREVER, timeout="30s", budget="{wall: 1s}")
    same = jobs.add("same", FOREVER, timeout="1s", budget="{wall: 1s}")
    aq("run", "--once", check=1)
    assert [state(aq, job)["result"] for job in (wall, same)] == ["budget_exceeded", "timeout"]


def test_a_shared_lock_keeps_jobs_from_overlapping(aq: Aq, jobs: Jobs, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    body = f"echo in >> {seen}; sleep 0.3; echo out >> {seen}"
    for number in range(3):
        jobs.add(f"one{number}", body, lock="database")
    aq("run", "--once", "--slots", "3")
    assert seen.read_text().split() == ["in", "out"] * 3


def test_priority_first_then_the_oldest(aq: Aq, jobs: Jobs, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    for name, priority in (("a", "low"), ("b", "medium"), ("c", "critical"), ("d", "medium"), ("e", "high")):
        jobs.add(name, f"echo {name} >> {seen}", priority=priority)
    aq("run", "--once", "--slots", "1")
    assert seen.read_text().split() == ["c", "e", "b", "d", "a"]


def test_a_file_dropped_by_hand_while_the_loop_runs_is_taken(aq: Aq, jobs: Jobs, repo: Path) -> None:
    with aq.started("run"):
        wait_for((jobs.queue / ".aq/supervisor.json").exists)
        with (jobs.queue / "inbox/dropped.md").open("w") as file:
            file.write(f"---\nengine: shell\ncwd: {repo}\n---\n")
            file.flush()
            file.write("echo dropped > dropped.txt\n")
        jobs.wait("dropped", "review")
    assert (jobs.queue / "work/dropped/dropped.txt").read_text() == "dropped\n"


def test_a_killed_supervisor_loses_nothing_and_runs_nothing_twice(aq: Aq, jobs: Jobs, tmp_path: Path) -> None:
    go, seen = tmp_path / "go", tmp_path / "seen"
    job = jobs.add("long", f"echo start >> {seen}; while [ ! -e {go} ]; do sleep 0.05; done; exit 7")
    with aq.started("run") as supervisor:
        wait_for(seen.exists)
        supervisor.kill()
    go.touch()
    aq("run", "--once", check=1)
    assert state(aq, job)["exit"] == 7
    assert seen.read_text().split() == ["start"]


def test_a_timeout_that_falls_due_while_no_supervisor_lives_is_kept(aq: Aq, jobs: Jobs, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    job = jobs.add("late", f"trap 'exit 0' TERM; touch {seen}; {FOREVER} & wait", timeout="2s")
    with aq.started("run") as supervisor:
        wait_for(seen.exists)
        supervisor.kill()
    wait_for((jobs.run_folder(job) / "exit.json").exists)
    assert jobs.stage(job) == "building"
    aq("run", "--once", check=1)
    assert state(aq, job)["result"] == "timeout"


def test_stop_detach_leaves_agents_to_the_next_supervisor(aq: Aq, jobs: Jobs, tmp_path: Path) -> None:
    go, seen = tmp_path / "go", tmp_path / "seen"
    job = jobs.add("on", f"echo start >> {seen}; while [ ! -e {go} ]; do sleep 0.05; done; echo end >> {seen}")
    with aq.started("run") as supervisor:
        wait_for(seen.exists)
        aq("stop", "--detach")
        supervisor.wait(10)
    go.touch()
    aq("run", "--once")
    assert jobs.stage(job) == "review"
    assert seen.read_text().split() == ["start", "end"]


def test_stop_now_keeps_the_work_and_charges_no_attempt(
    aq: Aq, jobs: Jobs, repo: Path, git: Callable[..., str]
) -> None:
    job = jobs.add("held", f"echo so-far > so-far.txt; {FOREVER}")
    with aq.started("run"):
        wait_for((jobs.queue / "work" / job / "so-far.txt").exists)
        aq("stop", "--now")
    assert jobs.stage(job) == "inbox"
    assert state(aq, job)["attempts"] == 0
    assert git(repo, "show", f"aq/wip/{job}:so-far.txt") == "so-far"


@pytest.mark.parametrize("supervised", [True, False])
def test_cancel_kills_the_whole_tree(aq: Aq, jobs: Jobs, tmp_path: Path, supervised: bool) -> None:
    marker = f"4242{os.getpid()}{int(supervised)}"
    body = f"(setsid sleep {marker} &); nohup sleep {marker} & (sleep {marker} &) ; sleep {marker}"
    job = jobs.add("tree", body)
    with aq.started("run") as supervisor:
        wait_for(lambda: len(alive(f"sleep {marker}")) >= 4)
        if not supervised:
            supervisor.kill()
            supervisor.wait()
        aq("cancel", job)
    assert jobs.stage(job) == "failed"
    assert state(aq, job)["result"] == "cancelled"
    assert alive(f"sleep {marker}") == []


def test_a_job_cancelled_while_it_verifies_ends_cancelled(aq: Aq, jobs: Jobs, tmp_path: Path) -> None:
    job = jobs.add("verifying", "true", verify=f"touch {tmp_path}/begun; {FOREVER}")
    with aq.started("run"):
        wait_for((tmp_path / "begun").exists)
        assert "verifying" in aq("promote", job, check=75).err
        aq("cancel", job)
    assert state(aq, job)["result"] == "cancelled"


def test_a_verify_cut_short_by_a_shutdown_is_run_again_and_the_agent_is_not(aq: Aq, jobs: Jobs, tmp_path: Path) -> None:
    go, seen = tmp_path / "go", tmp_path / "seen"
    job = jobs.add(
        "cut", f"echo agent >> {seen}", verify=f"echo verify >> {seen}; while [ ! -e {go} ]; do sleep 0.05; done"
    )
    with aq.started("run"):
        wait_for(lambda: seen.exists() and "verify" in seen.read_text())
        aq("stop", "--now")
    assert jobs.stage(job) == "review"
    go.touch()
    aq("run", "--once")
    assert jobs.stage(job) == "testing"
    assert seen.read_text().split() == ["agent", "verify", "verify"]


def test_a_running_job_that_a_person_drags_away_is_stopped_and_the_person_wins(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("dragged", f"touch begun; {FOREVER}")
    with aq.started("run"):
        wait_for((jobs.queue / "work" / job / "begun").exists)
        (jobs.queue / "building" / f"{job}.md").rename(jobs.queue / "failed" / f"{job}.md")
        wait_for(lambda: any(entry["event"] == "moved_by_hand" for entry in journal(jobs.queue, job)))
    assert jobs.stage(job) == "failed"
    assert (jobs.run_folder(job) / "exit.json").exists()


def test_requeue_goes_on_from_the_branch_and_fresh_begins_again(
    aq: Aq, jobs: Jobs, repo: Path, git: Callable[..., str]
) -> None:
    job = jobs.add("redo", "echo line >> lines.txt; exit 1")
    aq("run", "--once", check=1)
    aq("requeue", job)
    aq("run", "--once", check=1)
    assert git(repo, "show", f"aq/wip/{job}:lines.txt").split() == ["line", "line"]
    aq("requeue", job, "--fresh")
    aq("run", "--once", check=1)
    assert git(repo, "show", f"aq/wip/{job}:lines.txt").split() == ["line"]
    assert git(repo, "show", f"aq/old/{job}/2:lines.txt").split() == ["line", "line"]


def test_policies_may_waive_the_gates(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("auto", "true", **{"review-policy": "auto", "ship": "auto"})
    aq("run", "--once")
    assert jobs.stage(job) == "shipped"


def test_two_supervisors_are_one_too_many(aq: Aq, jobs: Jobs) -> None:
    with aq.started("run"):
        wait_for((jobs.queue / ".aq/supervisor.json").exists)
        refused = aq("run", "--once", check=75)
    assert "another supervisor runs this queue" in refused.err


def test_pause_and_resume(aq: Aq, jobs: Jobs) -> None:
    aq("pause", "shell")
    job = jobs.add("paused", "true")
    aq("run", "--once")
    assert jobs.stage(job) == "inbox"
    assert "paused" in aq("status").out
    aq("resume", "shell")
    aq("run", "--once")
    assert jobs.stage(job) == "review"


def test_twenty_adds_at_once_make_twenty_jobs(aq: Aq, jobs: Jobs) -> None:
    path = jobs.write("same", "true")
    calls = [subprocess.Popen([*AQ, "add", str(path)], stdout=subprocess.PIPE, cwd=aq.cwd) for _ in range(20)]
    names = {call.communicate()[0].decode().strip() for call in calls}
    assert len(names) == 20
    assert sorted(names) == sorted(item.stem for item in (jobs.queue / "inbox").iterdir())


def test_no_secret_and_no_prompt_reaches_the_journal(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    aq.env["GH_TOKEN"] = "canary-token-7431"
    agent.tells(
        *begun("canary-said-7431"), done("canary-result-7431"), then="echo canary-error-7431 >&2; env > env.txt; exit 9"
    )
    job = jobs.add("quiet", "canary-prompt-7431", engine="claude", verify="true")
    aq("run", "--once", check=1)
    assert "canary" not in (jobs.queue / "journal" / f"{job}.jsonl").read_text()
    assert "canary" not in (jobs.queue / "work" / job / "env.txt").read_text()


def test_clean_puts_finished_jobs_away_and_keeps_files_and_journals(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("old", "echo its last words; exit 1")
    aq("run", "--once", check=1)
    aq("clean", "--keep", "0")
    for words in (aq("status").out, aq("show", job).out, aq("logs", job).out):
        assert "its last words" in words, "what a person asks of it is read from the archive"
    assert not (jobs.queue / "runs" / job).exists()
    assert not (jobs.queue / "work" / job).exists()
    assert jobs.stage(job) == "failed"
    assert journal(jobs.queue, job)


def test_sigint_waits_for_what_runs(aq: Aq, jobs: Jobs, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job = jobs.add("drain", f"touch begun; while [ ! -e {go} ]; do sleep 0.05; done")
    later = jobs.add("later", "true", lock="x", priority="low")
    with aq.started("run", "--slots", "1") as supervisor:
        wait_for((jobs.queue / "work" / job / "begun").exists)
        supervisor.send_signal(signal.SIGINT)
        go.touch()
        assert supervisor.wait(10) == 130
    assert (jobs.stage(job), jobs.stage(later)) == ("review", "inbox")


def test_an_edit_while_it_runs_holds_from_the_next_claim(aq: Aq, jobs: Jobs, tmp_path: Path) -> None:
    go, seen = tmp_path / "go", tmp_path / "seen"
    job = jobs.add("edited", f"echo start >> {seen}; while [ ! -e {go} ]; do sleep 0.05; done", verify="true")
    with aq.started("run") as supervisor:
        wait_for(seen.exists)
        path = jobs.queue / "building" / f"{job}.md"
        path.write_text(path.read_text().replace("verify: true", "verify: false"))
        supervisor.kill()
    go.touch()
    aq("run", "--once")
    assert jobs.stage(job) == "testing"
    aq("requeue", job)
    aq("run", "--once", check=1)
    assert state(aq, job)["result"] == "verify_failed"


def test_a_job_waits_while_a_person_has_its_branch_checked_out(
    aq: Aq, jobs: Jobs, repo: Path, git: Callable[..., str]
) -> None:
    git(repo, "checkout", "-q", "-b", "aq/wip/mine")
    (jobs.queue / "inbox/mine.md").write_text(f"---\nengine: shell\ncwd: {repo}\n---\ntrue\n")
    ran = aq("run", "--once", check=75)
    assert f"aq/wip/mine is checked out at {repo}" in ran.err
    assert jobs.stage("mine") == "inbox"
    assert state(aq, "mine")["attempts"] == 0


def test_a_class_takes_the_first_of_its_engines_that_is_there_and_not_paused(
    aq: Aq, jobs: Jobs, agent: Agent, home: Path
) -> None:
    other = home / "bin" / "codex"
    other.write_text("#!/bin/sh\ncat > /dev/null; touch codex-was-here\n")
    other.chmod(0o755)
    aq.env["CODEX_BIN"] = str(other)
    aq("pause", "claude")
    job = jobs.add("class", "Do it.", engine=None, **{"engine-class": "agentic-coder", "prefers-engine": "claude"})
    aq("run", "--once")
    assert (jobs.queue / "work" / job / "codex-was-here").exists()
