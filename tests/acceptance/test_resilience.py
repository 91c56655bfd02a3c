"""What a night can do to a queue, and what is left of it in the morning: nothing is lost, nothing runs twice."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from .conftest import AQ, Aq, Jobs, wait_for


def entries(jobs: Jobs, job: str) -> list[dict[str, Any]]:
    lines = (jobs.queue / "journal" / f"{job}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def moves(jobs: Jobs, job: str) -> list[str]:
    return [entry["move"] for entry in entries(jobs, job) if "move" in entry]


def record(jobs: Jobs, job: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((jobs.run_folder(job) / "run.json").read_text())
    return found


def crashed(aq: Aq, jobs: Jobs, body: str = "echo half > half; sleep 600", **keys: object) -> str:
    """A job whose supervisor, shim and agent were all killed in the middle of its work."""
    job = jobs.add("orphan", body, **keys)
    with aq.started("run") as supervisor:
        wait_for(lambda: "pid" in (record(jobs, job) if (jobs.run_folder(job) / "run.json").exists() else {}))
        wait_for(lambda: not body.startswith("echo half") or (jobs.queue / "work" / job / "half").exists(), "half")
        supervisor.kill()
        supervisor.wait()
    found = record(jobs, job)
    os.kill(found["shim"], signal.SIGKILL)
    wait_for(lambda: gone(found["shim"]))
    os.killpg(found["pid"], signal.SIGKILL)
    wait_for(lambda: gone(found["pid"]))
    assert jobs.stage(job) == "building"
    return job


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def recovered_once(aq: Aq, jobs: Jobs, job: str, *, attempts: int = 1) -> None:
    """`aq recover` puts it back with its attempt charged, and a second time finds nothing."""
    said = aq("recover")
    assert [line for line in said.err.splitlines() if job in line and "recovering" in line], said.err
    assert (jobs.stage(job), moves(jobs, job)) == ("inbox", ["begin", "recover"])
    assert aq("recover").out == "nothing to recover\n"
    state = aq("show", job, "--json").json()["state"]
    assert (state["attempts"], state["recoveries"], state["result"]) == (attempts, 1, "recovered")


def test_orphan_with_a_dead_pid(aq: Aq, jobs: Jobs) -> None:
    recovered_once(aq, jobs, crashed(aq, jobs))


def test_orphan_with_a_reused_pid(aq: Aq, jobs: Jobs) -> None:
    job = crashed(aq, jobs)
    with subprocess.Popen(["sleep", "600"]) as stranger:
        path = jobs.run_folder(job) / "run.json"
        path.write_text(json.dumps({**record(jobs, job), "shim": stranger.pid, "pid": stranger.pid}))
        recovered_once(aq, jobs, job)
        assert stranger.poll() is None, "a stranger that has got its pid is left alone"
        stranger.kill()


def test_orphan_with_no_journal(aq: Aq, jobs: Jobs) -> None:
    path = jobs.write("orphan", "true")
    (jobs.queue / "building" / "orphan.md").write_text(path.read_text().replace("---\n", f"---\ncwd: {aq.cwd}\n", 1))
    recovered_once(aq, jobs, "orphan")
    aq("run", "--once")
    assert (jobs.stage("orphan"), aq("show", "orphan", "--json").json()["state"]["attempts"]) == ("review", 2)


def test_work_of_an_orphan_lies_on_its_branch_and_main_is_untouched(
    aq: Aq, jobs: Jobs, git: Callable[..., str]
) -> None:
    before = git(aq.cwd, "rev-parse", "main", "HEAD"), (aq.cwd / ".git/index").read_bytes()
    job = crashed(aq, jobs)
    recovered_once(aq, jobs, job)
    assert git(aq.cwd, "show", f"aq/wip/{job}:half") == "half"
    assert (git(aq.cwd, "rev-parse", "main", "HEAD"), (aq.cwd / ".git/index").read_bytes()) == before
    assert git(aq.cwd, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert git(aq.cwd, "status", "--porcelain") == ""


def test_a_folder_that_is_no_repository_is_skipped_cleanly(aq: Aq, jobs: Jobs, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    job = crashed(aq, jobs, "touch half; sleep 600", cwd=str(plain))
    said = aq("recover")
    assert "wip: cwd not a git repo" in said.err
    assert jobs.stage(job) == "inbox"
    assert sorted(item.name for item in plain.iterdir()) == ["half"]


def test_head_is_on_the_jobs_branch_when_it_is_launched_again(aq: Aq, jobs: Jobs, tmp_path: Path) -> None:
    told = tmp_path / "head"
    body = f"git symbolic-ref HEAD >> {told}; test -e half && exit 0; echo half > half; sleep 600"
    job = jobs.add("again", body)
    with aq.started("run") as supervisor:
        wait_for((jobs.queue / "work" / job / "half").exists)
        supervisor.kill()
        supervisor.wait()
    os.kill(record(jobs, job)["shim"], signal.SIGKILL)
    aq("run", "--once")
    assert jobs.stage(job) == "review"
    assert told.read_text().splitlines() == [f"refs/heads/aq/wip/{job}"] * 2


def test_two_runs_at_least_a_second_apart_then_retries_exhausted(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("twice", "true", verify="false", retry="{ max: 1, backoff: 1s, on: [verify_failed] }")
    aq("run", "--once", check=1)
    assert moves(jobs, job) == ["begin", "advance", "retry", "begin", "advance", "fail"]
    began = [entry["started_at"] for entry in entries(jobs, job) if entry["event"] == "started"]
    assert began[1] - began[0] >= 1
    shown = aq("show", job, "--json").json()
    assert (jobs.stage(job), shown["state"]["result"]) == ("failed", "retries_exhausted")
    assert shown["report"].startswith(f"# {job}: retries_exhausted")
    text = aq("show", job).out
    assert "## What was tried" in text
    assert f"`aq requeue {job}`" in text


@pytest.mark.parametrize(("on", "way"), [("[crash]", ["begin", "retry", "begin", "fail"]),
                                         ("[verify_failed]", ["begin", "fail"])])  # fmt: skip
def test_a_crash_retries_when_named_and_fails_at_once_when_not(aq: Aq, jobs: Jobs, on: str, way: list[str]) -> None:
    job = jobs.add("crashes", "exit 7", retry=f"{{ max: 1, on: {on} }}")
    aq("run", "--once", check=1)
    assert (jobs.stage(job), moves(jobs, job)) == ("failed", way)


def test_a_job_that_always_fails_the_same_way_stops_after_two_attempts(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("same", "echo it took $$ ms; exit 3", retry="{ max: 9, on: [crash], stop_on_repeat: true }")
    aq("run", "--once", check=1)
    assert moves(jobs, job) == ["begin", "retry", "begin", "fail"]
    assert "twice the same failure" in aq("show", job).out


@pytest.mark.parametrize("kind", ["dead", "reused"])
def test_each_recovery_is_one_line_and_one_entry(aq: Aq, jobs: Jobs, kind: str) -> None:
    job = crashed(aq, jobs)
    said = aq("run", "--once", "--engine", "devin", check=None).err if kind == "dead" else aq("recover").err
    assert len([line for line in said.splitlines() if job in line and "recovering" in line]) == 1
    assert [entry["move"] for entry in entries(jobs, job) if entry.get("result") == "recovered"] == ["recover"]


def test_twenty_running_agents_outlive_a_change_of_the_supervisor(aq: Aq, jobs: Jobs, tmp_path: Path) -> None:
    go = tmp_path / "go"
    names = [
        jobs.add(f"job-{number:02}", f"echo $$ >> pids; until [ -e {go} ]; do sleep 0.1; done; echo done > done")
        for number in range(20)
    ]
    with aq.started("run", "--slots", "20") as first:
        wait_for(lambda: all((jobs.queue / "work" / name / "pids").exists() for name in names), "all twenty")
        aq("stop", "--detach")
        first.wait(timeout=60)
    with aq.started("run", "--slots", "20"):
        go.touch()
        for name in names:
            jobs.wait(name, "review")
    for name in names:
        assert len((jobs.queue / "work" / name / "pids").read_text().split()) == 1, "each ran once"
        assert moves(jobs, name) == ["begin", "advance"]


@pytest.fixture
def small_disk(aq: Aq, tmp_path: Path) -> Iterator[Path]:
    """A queue on a disk of its own, of 8 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", place], capture_output=True).returncode:
        pytest.skip("only root may mount a disk to fill")
    try:
        aq.env["AGENT_QUEUE_ROOT"] = str(place / "queue")
        aq("init")
        (place / "queue" / "config.toml").write_text('[limits]\nfree_disk = "off"\n')
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_ends_no_supervisor_and_no_job(aq: Aq, small_disk: Path, tmp_path: Path) -> None:
    go, log = tmp_path / "go", tmp_path / "log"
    runs = Jobs(aq, small_disk / "queue", tmp_path)
    first = runs.add("first", f"echo up > {tmp_path}/up; until [ -e {go} ]; do sleep 0.05; done; exit 0")
    with (
        log.open("w") as out,
        subprocess.Popen([*AQ, "run"], stderr=out, cwd=aq.cwd, env={**os.environ, **aq.env}) as it,
    ):
        wait_for((tmp_path / "up").exists)
        ready = small_disk / "second.md"
        ready.write_text(f"---\nengine: shell\ncwd: {aq.cwd}\n---\ntrue\n")
        fill = small_disk / "filler"
        with suppress(OSError), fill.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        go.touch()
        ready.rename(small_disk / "queue" / "inbox" / "second.md")
        wait_for(lambda: "nothing starts until there is room" in log.read_text(), "the full disk is said")
        assert it.poll() is None
        fill.unlink()
        runs.wait(first, "review")
        runs.wait("second", "review")
        assert "there is room again" in log.read_text()
        assert aq("show", first, "--json").json()["state"]["run"] == 1, "it ran once"
        it.terminate()
        assert it.wait(30) in (0, 130)


def test_under_nohup_a_closed_terminal_changes_nothing(aq: Aq, jobs: Jobs) -> None:
    with subprocess.Popen(
        ["nohup", *AQ, "run"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        cwd=aq.cwd, env={**os.environ, **aq.env},
    ) as it:  # fmt: skip
        wait_for(lambda: aq("status", "--json").json()["supervisor"])
        it.send_signal(signal.SIGHUP)
        jobs.wait(jobs.add("after", "true"), "review")
        assert it.poll() is None
        aq("stop", "--detach")
        assert it.wait(30) == 130


FORKS = (
    "sleep {s} & nohup sleep {s} >/dev/null 2>&1 & setsid sleep {s} & (setsid sh -c 'sleep {s} & sleep {s}' &) ; "
    "touch ready; sleep {s}"
)


def sleepers(seconds: str) -> list[str]:
    """The processes that sleep for just so long."""
    found = subprocess.run(["ps", "-eo", "pid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if f"sleep {seconds}" in line and line.split()[1][0] != "Z"]


@pytest.mark.parametrize("end", ["cancel", "timeout", "stop --now"])
def test_nothing_is_left_of_twenty_jobs_that_fork_daemons(aq: Aq, jobs: Jobs, end: str) -> None:
    seconds = str(100_000 + os.getpid() + {"cancel": 0, "timeout": 0.1, "stop --now": 0.2}[end])
    keys = {"timeout": "5s"} if end == "timeout" else {}
    names = [jobs.add(f"job-{number:02}", FORKS.format(s=seconds), **keys) for number in range(20)]
    with aq.started("run", "--slots", "20"):
        wait_for(lambda: all((jobs.queue / "work" / name / "ready").exists() for name in names), "all twenty")
        assert len(sleepers(seconds)) >= 60
        if end == "stop --now":
            aq("stop", "--now")
        elif end == "cancel":
            aq("cancel", *names)
        stage = "inbox" if end == "stop --now" else "failed"
        wait_for(lambda: all(jobs.stage(name) == stage for name in names), stage)
        assert sleepers(seconds) == []
