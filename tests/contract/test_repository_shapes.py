"""Repositories of every shape: a job works in each, or is refused with a sentence."""

import os
import subprocess
from pathlib import Path

import pytest

from agent_queue.core.manifest import Manifest
from agent_queue.system.attach import WorkspaceError

from .repositories import BRANCH, JOB, Life, Repository


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


def round_trip(tmp_path: Path, repo: Repository) -> dict[str, str]:
    """What the branch holds after a run that writes one file, whose worktree is then made anew."""
    life = Life(tmp_path, repo.path)
    before = repo.state()
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    life.beat(place)
    life.keep(place)
    assert life.close() == ""
    life.open()
    assert (life.root / "one.txt").read_text() == "1\n"
    assert repo.git("status", "--porcelain", cwd=life.root) == ""
    assert {**repo.state(), "refs": 0} == {**before, "refs": 0}
    return repo.files(BRANCH)


def test_a_detached_head(tmp_path: Path, repo: Repository) -> None:
    repo.git("checkout", "--quiet", "--detach")
    assert "one.txt" in round_trip(tmp_path, repo)


def test_a_shallow_clone(tmp_path: Path, repo: Repository) -> None:
    repo.commit("second", {"two.txt": "2\n"})
    shallow = Repository(tmp_path / "shallow", commit=False)
    shallow.git("fetch", "--quiet", "--depth=1", f"file://{repo.path}", "main")
    shallow.git("reset", "--quiet", "--hard", "FETCH_HEAD")
    assert "one.txt" in round_trip(tmp_path, shallow)


def test_links_modes_and_odd_names(tmp_path: Path, repo: Repository) -> None:
    os.symlink("README.md", repo.path / "link")
    repo.commit("odd", {"new\nline": "x\n", "tab\there": "x\n"})
    (repo.path / "src/main.py").chmod(0o755)
    repo.git("commit", "--quiet", "-am", "a mode")
    held = round_trip(tmp_path, repo)
    assert {"new\nline", "tab\there", "link"} <= held.keys()
    rows = repo.git("ls-tree", "-r", BRANCH).splitlines()
    assert [row.split()[0] for row in rows if row.endswith(("\tlink", "\tsrc/main.py"))] == ["120000", "100755"]


def test_a_name_that_changes_its_case_alone(tmp_path: Path, repo: Repository) -> None:
    life = Life(tmp_path, repo.path)
    place = life.open()
    (life.root / "README.md").rename(life.root / "readme.md")
    kept = life.keep(place)
    assert "readme.md" in repo.files(BRANCH)
    assert "README.md" not in repo.files(BRANCH)
    assert (kept.facts["files_changed"], kept.facts["lines_added"]) == (1, 0), "a renamed file is one file"


def test_a_sparse_checkout_stays_sparse_also_when_its_index_is_lost(tmp_path: Path, repo: Repository) -> None:
    repo.commit("far", {"far/a": "a\n", "far/b": "b\n", "near/c": "c\n"})
    repo.git("sparse-checkout", "set", "near")
    life = Life(tmp_path, repo.path)
    place = life.open()
    assert not (life.root / "far").exists()
    repo.write({"near/new": "n\n"}, life.root)
    (repo.path / ".git/worktrees" / JOB / "index").write_bytes(b"")
    life.keep(place)
    assert {"far/a", "far/b", "near/c", "near/new"} <= repo.files(BRANCH).keys()


@pytest.mark.parametrize("left", [b"", b"\0" * 200, b"DIRC garbage"])
def test_a_torn_index_loses_no_work(tmp_path: Path, repo: Repository, left: bytes) -> None:
    life = Life(tmp_path, repo.path)
    place = life.open()
    repo.write({"one.txt": "1\n", "README.md": "mine\n"}, life.root)
    (repo.path / ".git/worktrees" / JOB / "index").write_bytes(left)
    life.keep(place)
    assert repo.files(BRANCH)["README.md"] == "mine"
    assert repo.files(BRANCH).keys() >= {"one.txt", "src/main.py"}


@pytest.mark.parametrize("lost", ["HEAD", "commondir", "gitdir", ".git", "all of it"])
def test_a_link_that_a_power_cut_emptied_is_mended(tmp_path: Path, repo: Repository, lost: str) -> None:
    life = Life(tmp_path, repo.path)
    place = life.open()
    repo.write({"one.txt": "1\n", "README.md": "mine\n"}, life.root)
    record = repo.path / ".git/worktrees" / JOB
    if lost == "all of it":
        subprocess.run(["rm", "-rf", str(record)], check=True)
    else:
        (life.root / ".git" if lost == ".git" else record / lost).write_bytes(b"")
    kept = life.keep(place)
    assert "mended" in kept.note
    assert repo.files(BRANCH)["README.md"] == "mine"
    assert repo.files(BRANCH)["one.txt"] == "1"
    life.open()
    assert (life.root / "README.md").read_text() == "mine\n"


def test_a_bare_repository_is_refused_with_a_sentence(tmp_path: Path, repo: Repository) -> None:
    bare = tmp_path / "bare.git"
    repo.git("clone", "--quiet", "--bare", str(repo.path), str(bare))
    assert "is a bare repository" in Life(tmp_path, repo.path).workspaces.plan(Manifest(cwd=str(bare))).problem


def test_a_worktree_of_another_repository_is_refused_with_a_sentence(tmp_path: Path, repo: Repository) -> None:
    life = Life(tmp_path, repo.path)
    life.keep(life.open())
    other = Repository(tmp_path / "other")
    with pytest.raises(WorkspaceError, match="worktree of another repository"):
        life.open(cwd=str(other.path))
    assert (life.root / "README.md").exists()


def test_secrets_and_large_files_are_kept_beside_the_run_and_put_back(tmp_path: Path, repo: Repository) -> None:
    life = Life(tmp_path, repo.path)
    place = life.open()
    names = [".env", "sub/.env.local", "deploy/id_rsa", "a.pem"]
    repo.write({**dict.fromkeys(names, "secret\n"), ".env.example": "x\n", "one.txt": "1\n"}, life.root)
    with (life.root / "large.bin").open("wb") as file:
        file.truncate(50_000_001)
    kept = life.keep(place)
    assert set(kept.named["left_out"]) == {*names, "large.bin"}
    assert kept.facts["left_out"] == 5
    assert {".env.example", "one.txt"} <= repo.files(BRANCH).keys()
    assert not {*names, "large.bin"} & repo.files(BRANCH).keys()
    copy = tmp_path / "runs" / JOB / "1" / "kept" / ".env"
    assert (copy.read_text(), copy.stat().st_mode & 0o777) == ("secret\n", 0o600)
    (life.root / ".env").write_text("changed since\n")
    assert str(life.root) in life.close(), "this version of it is kept nowhere else"
    life.keep(place)
    assert life.close() == ""
    life.open()
    assert (life.root / ".env").read_text() == "changed since\n"
    assert (life.root / "sub/.env.local").read_text() == "secret\n"
    assert (life.root / "large.bin").stat().st_size == 50_000_001
