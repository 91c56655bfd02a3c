"""Several processes of git at once: what they print arrives whole, and none outlives what went wrong."""

import os
import subprocess
from pathlib import Path

import pytest

from agent_queue.system import kernel
from agent_queue.system.git import Git, GitError

MANY = 20_000


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """A repository with more files in its index than a pipe holds names of, and a pipe that nobody writes to."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    found = Git(str(tmp_path))
    blob = found.run("hash-object", "-w", "--stdin")
    rows = "".join(f"100644 {blob}\t{number}.txt\n" for number in range(MANY))
    found.run("update-index", "--index-info", given=rows.encode())
    os.mkfifo(tmp_path / "endless")
    return found


@pytest.mark.parametrize("memory", [True, False])
def test_what_they_print_arrives_whole(git: Git, monkeypatch: pytest.MonkeyPatch, memory: bool) -> None:
    if not memory:
        monkeypatch.setattr(kernel, "memory_file", lambda: None)
    (one, _), (other, _) = git.together(("ls-files", "-z"), ("ls-files", "-z", "--stage"))
    assert one.count(b"\0") == other.count(b"\0") == MANY


def test_the_others_end_with_the_one_that_takes_too_long(git: Git) -> None:
    with pytest.raises(GitError, match="no end after"):
        git.together(("hash-object", "--", "endless"), ("hash-object", "--", "endless"), limit_s=0.2)


def test_what_one_complains_of_is_raised_though_another_hangs(git: Git) -> None:
    with pytest.raises(GitError, match="single revision"):
        git.together(("rev-parse", "--verify", "nowhere"), ("hash-object", "--", "endless"))


def test_one_that_nobody_asks_any_more_is_ended(git: Git) -> None:
    with pytest.raises(KeyError), git.beside("hash-object", "--", "endless"):
        raise KeyError("something else")
