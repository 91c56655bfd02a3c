"""What a job may change, what it leaves behind, what it builds on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Aq

pytestmark = pytest.mark.usefixtures("queue")


def add(aq: Aq, path: Path, body: str, **keys: str) -> str:
    lines = "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in {"engine": "shell", **keys}.items())
    path.write_text(f"---\n{lines}---\n{body}\n")
    return aq("add", path).out.strip()


def test_a_change_out_of_scope_is_listed_and_lets_pass(aq: Aq, queue: Path, tmp_path: Path) -> None:
    body = "mkdir -p src && echo x > src/a && echo x > b && echo x > c"
    job = add(aq, tmp_path / "a.md", body, allowed_scope="src/**")
    ran = aq("run", "--once")
    assert "b, c" in ran.err
    assert (queue / f"review/{job}.md").exists()
    said = aq("show", job, "--json").json()
    assert said["state"]["scope_warning"] == 2
    assert said["outside_scope"] == ["b", "c"]
    assert "out of scope" in aq("show", job).out


def test_enforced_it_stops_at_the_gate(aq: Aq, queue: Path, tmp_path: Path) -> None:
    job = add(aq, tmp_path / "a.md", "echo x > b", allowed_scope="src/**", scope="enforce", verify="'true'")
    ran = aq("run", "--once", check=1)
    assert "it changed b; it may change src/**" in ran.err
    assert aq("show", job, "--json").json()["state"]["result"] == "scope_refused"


def test_within_its_scope_nothing_is_said(aq: Aq, tmp_path: Path) -> None:
    job = add(aq, tmp_path / "a.md", "mkdir -p src && echo x > src/a", allowed_scope="[src, docs/**]", scope="enforce")
    aq("run", "--once")
    assert aq("show", job, "--json").json()["state"]["scope_warning"] == 0


@pytest.mark.parametrize("key", ["allowed-scope", "artifacts"])
@pytest.mark.parametrize("glob", ["/etc/**", "../x", "a/../../b", "':(top)x'", "~/x"])
def test_a_glob_that_leads_out_is_refused_at_its_place(aq: Aq, tmp_path: Path, key: str, glob: str) -> None:
    (tmp_path / "a.md").write_text(f"---\nengine: shell\n{key}: {glob}\n---\ntrue\n")
    ran = aq("add", tmp_path / "a.md", check=65)
    assert "a.md:3:" in ran.err
    assert "leads out of the workspace" in ran.err


def test_artifacts_are_kept_with_the_run(aq: Aq, queue: Path, tmp_path: Path) -> None:
    body = "mkdir -p out && echo made > out/report.txt && echo no > other.txt"
    job = add(aq, tmp_path / "a.md", body, artifacts="[out/*.txt, cover]", verify="mkdir -p cover; echo 1 > cover/n")
    aq("run", "--once")
    kept = queue / f"runs/{job}/1/artifacts"
    assert sorted(str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()) == [
        "cover/n", "out/report.txt",
    ]  # fmt: skip
    assert (kept / "out/report.txt").read_text() == "made\n"
    assert str(kept.name) in aq("show", job).out


def test_artifacts_of_a_failed_run_are_kept_too(aq: Aq, queue: Path, tmp_path: Path) -> None:
    job = add(aq, tmp_path / "a.md", "echo why > trace.log; exit 3", artifacts="'*.log'")
    aq("run", "--once", check=1)
    assert (queue / f"runs/{job}/1/artifacts/trace.log").read_text() == "why\n"


def test_a_job_begins_with_the_work_of_those_it_needs(
    aq: Aq, queue: Path, tmp_path: Path, repo: Path, git: Callable[..., str]
) -> None:
    done = {"verify": "'true'", "ship": "auto"}
    add(aq, tmp_path / "one.md", "echo 1 > one.txt", idempotency_key="one", **done)
    add(aq, tmp_path / "two.md", "echo 2 > two.txt", idempotency_key="two", **done)
    job = add(aq, tmp_path / "next.md", "cat one.txt two.txt > both.txt", deps="[one, two]")
    alone = add(aq, tmp_path / "alone.md", "test ! -e one.txt", deps="one", base="HEAD")
    aq("run", "--once")
    assert git(repo, "show", f"aq/wip/{job}:both.txt").split() == ["1", "2"]
    assert aq("show", job, "--json").json()["state"]["files_changed"] == 1, (
        "the work of others is not counted as its own"
    )
    assert (queue / f"review/{alone}.md").exists()
    assert git(repo, "log", "--format=%s", "main").count("aq") == 0


def test_when_they_contradict_each_other_it_waits_and_says_so(aq: Aq, queue: Path, tmp_path: Path) -> None:
    done = {"verify": "'true'", "ship": "auto"}
    add(aq, tmp_path / "one.md", "echo 1 > same.txt", idempotency_key="one", **done)
    add(aq, tmp_path / "two.md", "echo 2 > same.txt", idempotency_key="two", **done)
    job = add(aq, tmp_path / "next.md", "true", deps="[one, two]")
    ran = aq("run", "--once", check=75)
    assert "contradict each other in same.txt" in ran.err
    assert (queue / f"inbox/{job}.md").exists()
    (row,) = (row for row in aq("status", "--json").json()["jobs"] if row["id"] == job)
    assert "contradict each other in same.txt" in " ".join(row["waiting_for"])
    assert row["attempts"] == 0


def test_uncommitted_changes_are_announced_as_not_seen(aq: Aq, queue: Path, tmp_path: Path, repo: Path) -> None:
    (repo / "draft.txt").write_text("mine")
    job = add(aq, tmp_path / "a.md", "test ! -e draft.txt && cat $AQ_PREFACE")
    aq("run", "--once")
    assert (queue / f"review/{job}.md").exists()
    assert "not committed, and so not here: draft.txt" in aq("logs", job, "--raw").out


def test_they_can_be_included_and_stay_as_they_are_in_the_checkout(
    aq: Aq, queue: Path, tmp_path: Path, repo: Path, git: Callable[..., str]
) -> None:
    tracked = git(repo, "ls-files").split()[0]
    (repo / "draft.txt").write_text("mine")
    (repo / tracked).write_text("changed")
    (repo / ".env").write_text("SECRET=1")
    before = git(repo, "status", "--porcelain")
    body = f"cat draft.txt {tracked} > both.txt; test ! -e .env && ! grep draft $AQ_PREFACE"
    job = add(aq, tmp_path / "a.md", body, dirty="include")
    aq("run", "--once")
    assert (queue / f"review/{job}.md").exists(), aq("logs", job, "--raw").out
    assert git(repo, "show", f"aq/wip/{job}:both.txt").startswith("mine")
    assert git(repo, "status", "--porcelain") == before


def test_changes_of_another_commit_than_the_base_are_not_included(
    aq: Aq, tmp_path: Path, repo: Path, git: Callable[..., str]
) -> None:
    git(repo, "commit", "-q", "--allow-empty", "-m", "later")
    (repo / "draft.txt").write_text("mine")
    job = add(aq, tmp_path / "a.md", "true", dirty="include", base="HEAD~1")
    ran = aq("run", "--once", check=1)
    assert "not of its base" in ran.err
    assert aq("show", job, "--json").json()["state"]["result"] == "setup_failed"
