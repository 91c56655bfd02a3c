"""What the next attempt is shown: the diffstat of what lies in its workspace, and the end of a log."""

from pathlib import Path

import pytest

from agent_queue.core.manifest import Workspace
from agent_queue.queues.runs import FileRunFolder
from agent_queue.system.files import Disk

from .repositories import BRANCH, Life, Repository


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


def test_a_new_worktree_has_nothing_to_show(repo: Repository, tmp_path: Path) -> None:
    life = Life(tmp_path, repo.path)
    assert life.workspaces.summary(life.open()) == ""


def test_what_the_last_run_left_is_shown_against_the_base(repo: Repository, tmp_path: Path) -> None:
    life = Life(tmp_path, repo.path)
    first = life.open()
    repo.write({"new.txt": "1\n2\n", "README.md": "edited\n", "with\nnewline.txt": "x\n"}, at=life.root)
    life.keep(first)
    repo.commit("the user goes on", {"other.txt": "2\n"})
    shown = life.workspaces.summary(life.open())
    assert [line.split("|")[0].strip() for line in shown.splitlines()[:-1]] == [
        "README.md", "new.txt", '"with\\nnewline.txt"'
    ]  # fmt: skip
    assert shown.splitlines()[-1] == " 3 files changed, 4 insertions(+), 1 deletion(-)"


def test_of_many_files_the_first_are_shown(repo: Repository, tmp_path: Path) -> None:
    life = Life(tmp_path, repo.path)
    first = life.open()
    repo.write({f"{number:03}.txt": "x\n" for number in range(300)}, at=life.root)
    life.keep(first)
    lines = life.workspaces.summary(life.open()).splitlines()
    assert len(lines) < 45
    assert "300 files changed" in lines[-1]


def test_in_place_what_a_person_left_uncommitted_is_shown(repo: Repository, tmp_path: Path) -> None:
    life = Life(tmp_path, repo.path, workspace=Workspace.IN_PLACE)
    repo.write({"mine.txt": "uncommitted\n"})
    before = repo.state()
    assert " mine.txt | 1 +" in life.workspaces.summary(life.open())
    assert repo.state() == before


def test_where_git_no_longer_has_the_base_nothing_is_shown(repo: Repository, tmp_path: Path) -> None:
    life = Life(tmp_path, repo.path)
    place = life.open()
    life.keep(place)
    gone = type(place)(cwd=place.cwd, root=place.root, branch=BRANCH, base="0" * 39 + "1", start=place.start)
    assert life.workspaces.summary(gone) == ""


def test_no_program_that_the_repository_names_runs(repo: Repository, tmp_path: Path) -> None:
    """A filter that an agent planted would run with the supervisor's rights."""
    life = Life(tmp_path, repo.path)
    first = life.open()
    repo.write({"a.txt": "1\n"}, at=life.root)
    life.keep(first)
    place = life.open()
    ran = tmp_path / "ran"
    repo.write({".git/info/attributes": "* diff=evil filter=evil\n"})
    for key in ("diff.evil.textconv", "diff.evil.command", "filter.evil.clean"):
        repo.git("config", key, f"sh -c 'touch {ran}; cat'")
    repo.write({"a.txt": "2\n"}, at=life.root)
    assert "a.txt" in life.workspaces.summary(place)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [(0, 4, b""), (3, 4, b"012"), (4, 4, b"0123"), (10, 4, b"6789"), (10, 0, b"")],
)
def test_the_end_of_a_log(tmp_path: Path, size: int, limit: int, expected: bytes) -> None:
    folder = FileRunFolder(str(tmp_path), Disk(str(tmp_path)))
    assert folder.tail("verify.log", limit) == b""
    (tmp_path / "verify.log").write_bytes(b"0123456789"[:size])
    assert folder.tail("verify.log", limit) == expected
