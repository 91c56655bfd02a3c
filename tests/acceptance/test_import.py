"""`aq import`: a queue folder of the original tool becomes one of ours, and stays as it is."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import Aq, Jobs

STAGES = ("inbox", "building", "review", "testing", "shipped", "failed")


@dataclass
class Old:
    """A queue folder of the original tool."""

    root: Path
    cwd: Path

    def job(self, stage: str, name: str, *lines: str, body: str = "echo work > work.txt\n") -> Path:
        path = self.root / stage / f"{name}.md"
        head = "".join(f"{line}\n" for line in ("engine: shell", f"cwd: {self.cwd}", *lines))
        path.write_text(f"---\n{head}---\n{body}")
        return path

    def notes(self, name: str, text: str) -> None:
        (self.root / ".state" / f"{name}.meta").write_text(text)

    def everything(self) -> dict[str, bytes | None]:
        """Every file with its bytes, every folder with None."""
        return {
            str(path.relative_to(self.root)): path.read_bytes() if path.is_file() else None
            for path in self.root.rglob("*")
        }


@pytest.fixture
def old(home: Path, repo: Path) -> Old:
    found = Old(home / "old", repo)
    for name in (*STAGES, ".state/logs", "logs", "profiles"):
        (found.root / name).mkdir(parents=True)
    return found


@pytest.fixture
def new(home: Path) -> Path:
    return home / "queue"


@contextmanager
def living() -> Iterator[int]:
    """A process that lives until the end of the context; its number."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid


def places(root: Path) -> set[str]:
    return {f"{path.parent.name}/{path.stem}" for stage in STAGES for path in (root / stage).iterdir()}


def test_jobs_come_over_by_stage_with_their_past_and_the_old_queue_stays(aq: Aq, old: Old, new: Path) -> None:
    for stage in STAGES:
        old.job(stage, f"in-{stage}")
    old.notes("in-building", "attempts=1\npid=999999999\n")
    old.notes("in-shipped", "engine=claude\ntokens_in=10\ntokens_out=5\nusage=exact\ncost_usd=0.25\nduration_s=60\n")
    old.notes(
        "in-failed",
        "attempts=2\nresult=failed\nexit=7\nnext_eligible=1700000000\ntracker-item=T-9\ntracker_echoed=wont_fix\n"
        "wip_branch=aq/wip/in-failed\nsome_key=1\nsome_key=2\n",
    )
    before = old.everything()
    ran = aq("import", old.root)
    assert old.everything() == before
    assert places(new) == {"inbox/in-inbox", "inbox/in-building", "review/in-review", "testing/in-testing",
                           "shipped/in-shipped", "failed/in-failed"}  # fmt: skip
    for stage in STAGES:
        there = new / ("inbox" if stage == "building" else stage) / f"in-{stage}.md"
        assert there.read_bytes() == before[f"{stage}/in-{stage}.md"]
    assert "imported 2 in inbox, 1 in review, 1 in testing, 1 in shipped, 1 in failed" in ran.out
    assert "some_key (2)" in ran.err
    state = aq("show", "in-failed", "--json").json()["state"]
    assert (state["result"], state["exit"], state["attempts"], state["run"]) == ("crash", 7, 2, 1)
    assert (state["tracker_item"], state["tracker_echoed"]) == ("T-9", "wont_fix")
    assert (state["wip_branch"], state["next_eligible"]) == ("aq/wip/in-failed", 1700000000)
    assert aq("show", "in-building", "--json").json()["state"]["attempts"] == 2
    counts = aq("status", "--json").json()["counts"]
    assert counts == {"inbox": 2, "building": 0, "review": 1, "testing": 1, "shipped": 1, "failed": 1}
    rows = {row["job"]: row for row in aq("insights", "--json").json()["jobs"]}
    assert (rows["in-shipped"]["cost_usd"], rows["in-shipped"]["engine"]) == (0.25, "claude")
    assert (rows["in-failed"]["attempts"], rows["in-failed"]["tracker_echoed"]) == (2, "wont_fix")


def test_a_file_among_the_journals_that_is_none_is_left_alone(aq: Aq, old: Old, new: Path) -> None:
    """A file manager leaves its own where it showed a folder."""
    aq("init")
    (new / "journal" / ".DS_Store").write_bytes(b"\0")
    old.job("inbox", "a")
    assert "imported 1 in inbox" in aq("import", old.root).out


def test_what_came_over_runs_and_is_moved_like_any_job(aq: Aq, old: Old, new: Path) -> None:
    old.job("inbox", "waits", "verify: [ -f work.txt ]")
    old.job("building", "was-running")
    old.job("failed", "failed", "retry: {max: 1, on: [crash]}")
    old.notes("failed", "attempts=2\nresult=timeout\n")
    old.job("review", "reviewed")
    old.job("testing", "tested")
    aq("import", old.root)
    aq("requeue", "failed")
    aq("promote", "reviewed")
    aq("ship", "tested")
    aq("run", "--once")
    assert places(new) == {"testing/waits", "review/was-running", "review/failed", "testing/reviewed",
                           "shipped/tested"}  # fmt: skip
    state = aq("show", "failed", "--json").json()["state"]
    assert (state["run"], state["attempts"], state["result"]) == (2, 1, "review")
    assert "work.txt" in aq("diff", "was-running").out


def test_a_second_import_copies_only_what_came_since(aq: Aq, old: Old, new: Path) -> None:
    old.job("inbox", "first")
    old.job("inbox", "Second one")
    aq("import", old.root)
    aq("run", "--once")
    before = {path: path.read_bytes() for path in (new / "journal").iterdir()}
    old.job("inbox", "third")
    old.job("inbox", "Second-one")
    (old.root / "inbox/first.md").rename(old.root / "shipped/first.md")
    ran = aq("import", old.root, "--json").json()
    assert [row["job"] for row in ran["imported"]] == ["third", "Second-one-2"]
    assert ran["already"] == 2
    assert places(new) == {"review/first", "review/Second-one", "inbox/third", "inbox/Second-one-2"}
    assert all(path.read_bytes() == data for path, data in before.items())
    assert aq("import", old.root, "--json").json()["imported"] == []


def test_an_import_cut_short_is_finished_by_the_next(aq: Aq, old: Old, new: Path) -> None:
    old.job("inbox", "cut")
    old.job("inbox", "removed")
    aq("import", old.root)
    journal = new / "journal/cut.jsonl"
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0])
    for name in ("cut", "removed"):
        (new / f"inbox/{name}.md").unlink()
    assert [row["job"] for row in aq("import", old.root, "--json").json()["imported"]] == ["cut"]
    assert places(new) == {"inbox/cut"}  # what a person removed since does not come back
    assert len(aq("show", "cut", "--json").json()["history"]) == 2


def test_a_dry_run_says_the_same_and_makes_nothing(aq: Aq, old: Old, new: Path) -> None:
    old.job("inbox", "one", "verify: ! grep TODO src")
    old.job("review", "two words")
    dry = aq("import", old.root, "--dry-run", "--json").json()
    assert not new.exists()
    assert dry["dry_run"] is True
    real = aq("import", old.root, "--json").json()
    assert {**real, "dry_run": True} == dry
    assert "would import no job" in aq("import", old.root, "--dry-run").out


def test_it_is_refused_while_the_daemon_lives(aq: Aq, old: Old, new: Path) -> None:
    old.job("inbox", "one")
    for place in ("daemon.pid", ".state/daemon.pid"):
        with living() as pid:
            (old.root / place).write_text(f"{pid}\n")
            ran = aq("import", old.root, check=75)
            assert f"daemon (pid {pid} in {place})" in ran.err
            assert not new.exists()
            dry = aq("import", old.root, "--dry-run", check=75)
            assert f"pid {pid}" in dry.err
            assert "would import 1 in inbox" in dry.out
    aq("import", old.root)
    assert places(new) == {"inbox/one"}


def test_it_is_refused_while_an_agent_lives_but_not_for_a_number_used_again(aq: Aq, old: Old, new: Path) -> None:
    for name in ("first", "second"):
        old.job("building", name)
    with living() as pid:
        for name in ("first", "second"):
            old.notes(name, f"pid=1\npid={pid}\n")
        ran = aq("import", old.root, check=75)
        assert f"first in building (pid {pid}), second in building (pid {pid})" in ran.err
        if sys.platform.startswith("linux"):
            for name in ("first", "second"):
                old.notes(name, f"pid={pid}\npidstart=1\n")
            aq("import", old.root)
            assert places(new) == {"inbox/first", "inbox/second"}


def test_logs_come_into_the_first_run(aq: Aq, old: Old, new: Path) -> None:
    for name in ("fix", "fix-login", "quiet"):
        old.job("failed", name)
    (old.root / ".state/logs/fix.log").write_text("the agent of fix\n")
    (old.root / ".state/logs/fix.1.log").write_text("an earlier one\n")
    (old.root / "logs/fix-login.log").write_text("the agent of fix-login\n")
    (old.root / "logs/fix-login.verify.log").write_text("its verify\n")
    aq("import", old.root)
    assert aq("logs", "fix-login").out == "the agent of fix-login\n"
    assert aq("logs", "fix-login", "--verify").out == "its verify\n"
    assert aq("logs", "failed/fix".removeprefix("failed/")).out == "the agent of fix\n"
    assert (new / "runs/fix/1/fix.1.log").read_text() == "an earlier one\n"
    assert not (new / "runs/quiet").exists()


def test_profiles_come_over_and_ours_stand(aq: Aq, old: Old, new: Path) -> None:
    (old.root / "profiles/tester.md").write_text("---\ndefault-verify: [ -f x ] && make\n---\nTest all of it.\n")
    (old.root / "profiles/ours.md").write_text("theirs\n")
    old.job("inbox", "one", "profile: tester")
    aq("init")
    (new / "profiles/ours.md").write_text("ours\n")
    (old.root / "profiles/odd.md").write_text("---\nyolo: true\n---\nYou may.\n")
    ran = aq("import", old.root, "--json").json()
    assert ran["profiles"] == ["odd.md", "tester.md"]
    assert ran["quoted"] == [{"file": "profiles/tester.md", "line": 2, "key": "default-verify"}]
    assert "profiles/odd.md:2:1: a profile has no key 'yolo'" in ran["problems"][0]
    assert (new / "profiles/ours.md").read_text() == "ours\n"
    verify = aq("show", "one", "--json").json()["manifest"]["verify"]
    assert verify == {"value": ["[ -f x ] && make"], "origin": "profile:tester"}


def test_lines_that_yaml_refuses_are_quoted_and_listed(aq: Aq, old: Old, new: Path) -> None:
    path = old.job("inbox", "raw", "verify: [ -f x ] && make", "timeout: 5m", body="verify: [ -f x ] && make\n")
    old.job("inbox", "negated", "verify: ! grep -q TODO work.txt")
    ran = aq("import", old.root)
    assert "raw.md:4: verify: put in quotes" in ran.err
    assert "negated.md:4: verify: put in quotes" in ran.err
    quoted = path.read_text().replace("verify: [ -f x ] && make\ntimeout", 'verify: "[ -f x ] && make"\ntimeout')
    assert (new / "inbox/raw.md").read_text() == quoted
    aq("run", "--once", check=1)
    assert places(new) == {"failed/raw", "testing/negated"}


def test_files_without_yolo_are_counted_and_written_only_when_told(aq: Aq, old: Old, new: Path) -> None:
    old.job("inbox", "silent")
    old.job("inbox", "says-no", "yolo: false")
    ran = aq("import", old.root, "--dry-run")
    assert "1 file does not say `yolo`" in ran.err
    assert aq("import", old.root, "--yolo", "--json").json()["without_yolo"] == 1
    assert "yolo: true\n---\n" in (new / "inbox/silent.md").read_text()
    assert (new / "inbox/says-no.md").read_bytes() == (old.root / "inbox/says-no.md").read_bytes()


def test_a_branch_that_is_checked_out_is_named(
    aq: Aq, old: Old, repo: Path, git: Callable[..., str], new: Path
) -> None:
    git(repo, "switch", "-q", "-c", "aq/wip/half-done")
    old.job("failed", "half-done")
    ran = aq("import", old.root)
    assert f"aq/wip/half-done is checked out at {repo}" in ran.err.replace("~", os.environ["HOME"])
    assert git(repo, "branch", "--show-current") == "aq/wip/half-done"


def test_illegal_names_are_changed_and_listed_and_no_job_is_lost(aq: Aq, old: Old, new: Path) -> None:
    for name in ("Fix login", "Fix-login", "a..b", "fix-LOGIN", "x.lock"):
        old.job("inbox", name)
    old.job("shipped", "Fix-login")
    old.job("inbox", "after", "deps: [a..b]")
    old.notes("Fix login", "wip_branch=aq/wip/Fix_login\n")
    ran = aq("import", old.root, "--json").json()
    assert {(row["from"], row["job"]) for row in ran["renamed"]} == {
        ("inbox/Fix login.md", "Fix-login-3"), ("inbox/a..b.md", "a.b"), ("inbox/fix-LOGIN.md", "fix-LOGIN-2"),
        ("inbox/x.lock.md", "x"), ("inbox/Fix-login.md", "Fix-login-4"),
    }  # fmt: skip
    assert ran["deps"] == [{"job": "after", "says": "a..b", "now": "a.b"}]
    assert ran["earlier_work"] == [{"job": "Fix-login-3", "branch": "aq/wip/Fix_login"}]
    assert len(places(new)) == 7


def test_what_cannot_be_read_comes_over_as_it_is_and_is_named(aq: Aq, old: Old, new: Path) -> None:
    old.job("inbox", "odd", "timeout: 90")
    (old.root / "inbox/bytes.md").write_bytes(b"caf\xe9\n")
    (old.root / "inbox/bare.md").write_text("no frontmatter\n")
    (old.root / "inbox/gone.md").symlink_to(old.root / "nowhere")
    ran = aq("import", old.root)
    assert "odd.md:4:10: timeout: expected a duration" in ran.err
    assert "bytes.md:1:4: byte 0xe9 is not UTF-8" in ran.err
    assert "bare.md:1:1: no cwd" in ran.err
    assert "inbox/gone.md: No such file" in ran.err
    assert (new / "inbox/bytes.md").read_bytes() == b"caf\xe9\n"


@pytest.mark.parametrize("mark", [".state/one.meta", "daemon.pid"])
def test_every_other_command_names_import_on_an_old_queue(aq: Aq, old: Old, mark: str) -> None:
    (old.root / mark).write_text("attempts=1\n" if mark.endswith("meta") else "999999999\n")
    before = old.everything()
    job = old.job("inbox", "x")
    commands = [
        ["init"], ["status"], ["run", "--once"], ["add", job], ["show", "x"], ["logs", "x"], ["diff", "x"],
        ["insights"], ["promote", "x"], ["requeue", "x"], ["cancel", "x"], ["stop"], ["pause"], ["recover"], ["clean"],
        ["lint", job], ["doctor"], ["watch"], ["import", old.root],
    ]  # fmt: skip
    for command in commands:
        ran = aq("--root", old.root, *command, check=78)
        assert f"aq --root NEW import {old.root}" in ran.err
    job.unlink()
    assert old.everything() == before


def test_what_is_no_old_queue_is_said(aq: Aq, home: Path, queue: Path, old: Old) -> None:
    assert "is not there" in aq("import", home / "nowhere", check=2).err
    assert "is a queue of aq already" in aq("import", queue, check=2).err
    assert "is no queue folder: it has none of inbox/" in aq("import", aq.cwd, check=2).err
    assert "lie in each other" in aq("--root", old.root / "new", "import", old.root, check=2).err
    assert not (old.root / "new").exists()


def test_a_running_queue_takes_the_imported_jobs_up(aq: Aq, old: Old, jobs: Jobs) -> None:
    old.job("inbox", "waits")
    old.job("review", "rests")
    with aq.started("run"):
        aq("import", old.root)
        jobs.wait("waits", "review")
    assert jobs.stage("rests") == "review"
