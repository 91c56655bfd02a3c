"""Beats: work is saved beside the branch while an agent works in it, and the agent notices nothing."""

import os
from pathlib import Path

import pytest

from agent_queue.core.manifest import Workspace
from agent_queue.system.git import GitError

from .repositories import BRANCH, SNAPSHOTS, Life, Repository

FIRST = {"README.md", "src/main.py", ".gitignore"}


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


@pytest.fixture
def life(tmp_path: Path, repo: Repository) -> Life:
    return Life(tmp_path, repo.path)


def own_state(repo: Repository, life: Life) -> dict[str, object]:
    """All of the worktree that its agent would see change."""
    folder = repo.path / ".git/worktrees" / life.job
    return {
        "index": ((folder / "index").read_bytes(), (folder / "index").stat().st_mtime_ns),
        "HEAD": (folder / "HEAD").read_bytes(), "names": sorted(os.listdir(folder)),
        "branch": repo.git("rev-parse", BRANCH),
        "status": repo.git("--no-optional-locks", "status", "--porcelain", cwd=life.root),
    }  # fmt: skip


def test_a_beat_saves_what_lies_there_and_nothing_else_changes(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n", "README.md": "mine\n", "x.log": "ignored"}, life.root)
    repo.git("status", cwd=life.root)
    before, theirs = own_state(repo, life), repo.state()
    commit = life.beat(place)
    assert set(repo.files(commit)) == {*FIRST, "one.txt"}
    assert repo.files(commit)["README.md"] == "mine"
    assert repo.parents(commit) == [place.base]
    assert own_state(repo, life) == before
    assert [row for row in theirs["refs"] if "refs/aq/" not in row] == [  # type: ignore[attr-defined]
        row
        for row in repo.state()["refs"]
        if "refs/aq/" not in row  # type: ignore[attr-defined]
    ]
    assert {**repo.state(), "refs": 0} == {**theirs, "refs": 0}


def test_a_beat_without_news_saves_nothing(repo: Repository, life: Life) -> None:
    place = life.open()
    assert life.beat(place) == ""
    repo.write({"one.txt": "1\n"}, life.root)
    first = life.beat(place)
    assert life.beat(place) == first
    life.keep(place)
    assert life.beat(life.open()) == first, "all of it is on the branch"


def test_beats_hold_what_the_agent_threw_away(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    repo.git("add", "-A", cwd=life.root)
    repo.git("commit", "--quiet", "-m", "mine", cwd=life.root)
    lost = repo.git("rev-parse", "HEAD", cwd=life.root)
    repo.write({"two.txt": "2\n"}, life.root)
    first = life.beat(place)
    repo.git("reset", "--quiet", "--hard", "HEAD~1", cwd=life.root)
    repo.git("clean", "--quiet", "-fd", cwd=life.root)
    assert life.beat(place) == first, "what is on the branch needs no snapshot, and takes none away"
    kept = life.keep(place)
    assert set(repo.files(first)) == {*FIRST, "one.txt", "two.txt"}
    assert repo.parents(first) == [lost], "the commit that the agent took back is held as well"
    assert set(repo.files(str(kept.facts["wip_commit"]))) == FIRST


def test_in_place_a_beat_leaves_the_checkout_alone(repo: Repository, tmp_path: Path) -> None:
    life = Life(tmp_path, repo.path, workspace=Workspace.IN_PLACE)
    place = life.open()
    repo.write({"one.txt": "1\n"})
    before = repo.state()
    commit = life.beat(place)
    assert {**repo.state(), "refs": 0} == {**before, "refs": 0}
    assert "one.txt" in repo.files(commit)


def test_a_lock_of_the_agents_git_stops_no_beat(repo: Repository, life: Life) -> None:
    place = life.open()
    lock = repo.path / ".git/worktrees" / life.job / "index.lock"
    lock.write_bytes(b"")
    repo.write({"one.txt": "1\n"}, life.root)
    assert "one.txt" in repo.files(life.beat(place))
    assert lock.exists(), "it may be in use"


def test_the_lock_of_a_beat_that_was_killed_stops_no_later_one(repo: Repository, life: Life) -> None:
    place = life.open()
    lock = repo.path / ".git" / f"{SNAPSHOTS}.lock"
    lock.parent.mkdir(parents=True)
    lock.write_bytes(b"")
    repo.write({"one.txt": "1\n"}, life.root)
    assert "one.txt" in repo.files(life.beat(place))


def test_a_beat_where_the_worktree_is_gone_says_so(life: Life) -> None:
    place = life.open()
    os.rename(life.root, life.root.with_name("elsewhere"))
    with pytest.raises(GitError):
        life.beat(place)


def test_many_changes_are_saved(repo: Repository, life: Life) -> None:
    """More paths than git is told by name."""
    repo.commit("many", {f"many/{number}": "x\n" for number in range(400)})
    place = life.open()
    for number in range(0, 400, 2):
        (life.root / f"many/{number}").unlink()
    repo.write({f"many/{number}": "y\n" for number in range(1, 400, 2)}, life.root)
    repo.write({f"new/{number}": "z\n" for number in range(100)}, life.root)
    commit = life.beat(place)
    assert repo.git("ls-tree", "-r", "--name-only", commit).count("\n") == len(FIRST) + 200 + 100 - 1
    assert repo.git("show", f"{commit}:many/1") == "y"


def test_a_new_life_has_snapshots_of_its_own(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    life.beat(place)
    assert repo.git("for-each-ref", "--format=%(refname)", "refs/aq") == SNAPSHOTS
