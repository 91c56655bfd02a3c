"""What jobs leave about is listed with what it takes, and never put away by itself."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .conftest import Aq, Jobs

Git = Callable[..., str]


def found(aq: Aq) -> dict[str, dict[str, Any]]:
    """The findings about leftovers, by how their text begins."""
    told = aq("doctor", "--json", check=None).json()["findings"]
    return {one["text"]: one for one in told if one["about"] == "leftovers"}


def test_a_queue_without_leftovers_says_what_it_takes(aq: Aq, jobs: Jobs) -> None:
    (only,) = found(aq)
    assert "in 0 worktrees" in only


def test_worktrees_runs_and_snapshots_of_nobody_are_found(aq: Aq, jobs: Jobs, repo: Path, git: Git) -> None:
    gone, over = jobs.add("gone", "echo 1 > a.txt"), jobs.add("over", "exit 1")
    aq("run", "--once", check=1)
    (jobs.queue / "review" / f"{gone}.md").unlink()
    git(repo, "update-ref", f"refs/aq/snapshots/{over}", "HEAD")
    texts = found(aq)
    lone = next(one for text, one in texts.items() if text.startswith("worktrees of no job"))
    assert f"work/{gone}" in lone["text"]
    assert (lone["level"], "git worktree remove" in lone["fix"]) == ("warn", True)
    assert any(text.startswith("run folders of no job") and f"runs/{gone}" in text for text in texts)
    assert any(text.startswith("1 worktree of finished jobs") and f"work/{over}" in text for text in texts)
    snapshot = next(one for text, one in texts.items() if text.startswith("snapshots of finished jobs"))
    assert f"refs/aq/snapshots/{over}" in snapshot["text"]
    assert (jobs.queue / "work" / gone / "a.txt").exists()
    shutil.rmtree(repo / ".git")
    assert not any(text.startswith("snapshots") for text in found(aq)), "a repository that is gone has none"


def test_a_job_that_waits_for_its_next_run_has_no_leftovers(aq: Aq, jobs: Jobs, repo: Path, git: Git) -> None:
    job = jobs.add("waits", "echo 1 > a.txt")
    aq("run", "--once")
    git(repo, "update-ref", f"refs/aq/snapshots/{job}", "HEAD")
    assert len(found(aq)) == 1


def test_status_wide_says_what_the_disk_holds(aq: Aq, jobs: Jobs) -> None:
    jobs.add("big", "head -c 3000000 /dev/urandom > big.bin")
    aq("run", "--once")
    assert "DISK" not in aq("status").out
    assert "MiB in 1 worktree, " in aq("status", "--wide").out
    told = json.loads(aq("status", "--wide", "--json").data)["disk"]
    assert told["work"] >= 3_000_000
    assert (told["worktrees"], told["whole"]) == (1, True)
