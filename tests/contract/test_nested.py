"""Repositories inside a workspace, submodules among them: what lies in them is saved by itself, and comes back."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_queue.core.choices import Dirty, Workspace

from .repositories import BRANCH, JOB, Life, Repository


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


@pytest.fixture
def life(tmp_path: Path, repo: Repository) -> Life:
    return Life(tmp_path, repo.path)


def copies(tmp_path: Path, run: int = 1) -> list[Path]:
    return sorted((tmp_path / "runs" / JOB / str(run) / "nested").glob("*.git"))


def inner_git(folder: Path, *words: str) -> str:
    flags = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always")
    done = subprocess.run(["git", *flags, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.removesuffix("\n")


def worked_in(folder: Path) -> None:
    """What an agent does in a repository inside: a commit, another branch, a stash, something staged, a new file."""
    repo = Repository(folder)
    repo.git("branch", "more")
    repo.write({"README.md": "stashed\n"})
    repo.git("stash", "--quiet")
    repo.write({"README.md": "changed\n", "new.txt": "new\n", "staged.txt": "staged\n", "x.log": "ignored"})
    repo.git("add", "staged.txt")


def state(folder: Path) -> tuple[object, ...]:
    files = {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(folder).parts and path.suffix != ".log"
    }
    refs = [row for row in inner_git(folder, "for-each-ref").splitlines() if "refs/aq/" not in row]
    told = (inner_git(folder, "status", "--porcelain"), inner_git(folder, "symbolic-ref", "HEAD"))
    return files, refs, inner_git(folder, "stash", "list"), *told


def test_what_lies_in_a_repository_inside_comes_back_into_a_new_worktree(
    repo: Repository, life: Life, tmp_path: Path
) -> None:
    place = life.open()
    worked_in(life.root / "deep/in ner")
    before = state(life.root / "deep/in ner")
    kept = life.keep(place)
    assert (kept.named["nested"], kept.facts["nested"], kept.note) == (("deep/in ner",), 1, "")
    (copy,) = copies(tmp_path)
    assert repo.git("--git-dir", str(copy), "log", "--format=%s", "HEAD") == "first"
    shutil.rmtree(life.root)
    place = life.open()
    assert place.lost == ()
    assert state(life.root / "deep/in ner") == before
    assert life.keep(place).changed is False


def test_a_repository_inside_that_has_no_commit_is_saved_too(repo: Repository, life: Life) -> None:
    place = life.open()
    Repository(life.root / "inner", commit=False)
    repo.write({"inner/file.txt": "x\n", "one.txt": "1\n"}, life.root)
    kept = life.keep(place)
    assert kept.note == ""
    assert kept.named["nested"] == ("inner",)
    assert "one.txt" in repo.files(BRANCH)
    shutil.rmtree(life.root)
    life.open()
    assert (life.root / "inner/file.txt").read_text() == "x\n"
    assert inner_git(life.root / "inner", "status", "--porcelain") == "?? file.txt"


def test_repositories_inside_repositories_inside(repo: Repository, life: Life) -> None:
    place = life.open()
    worked_in(life.root / "inner")
    worked_in(life.root / "inner/innermost")
    inner_git(life.root / "inner", "worktree", "add", "--quiet", "--detach", "../beside")
    repo.write({"beside/one.txt": "1\n"}, life.root)
    before = state(life.root / "inner/innermost")
    assert set(life.keep(place).named["nested"]) == {"inner", "inner/innermost", "beside"}
    shutil.rmtree(life.root)
    life.open()
    assert state(life.root / "inner/innermost") == before
    assert (life.root / "beside/one.txt").read_text() == "1\n"
    assert "one.txt" in inner_git(life.root / "beside", "status", "--porcelain")


def with_submodule(tmp_path: Path, repo: Repository) -> None:
    library = Repository(tmp_path / "library")
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library.path), "lib")
    repo.git("commit", "--quiet", "-m", "a submodule")


def test_what_lies_in_a_submodule_comes_back(tmp_path: Path, repo: Repository, life: Life) -> None:
    with_submodule(tmp_path, repo)
    theirs = repo.state()
    place = life.open()
    inner_git(life.root, "submodule", "--quiet", "update", "--init")
    inner_git(life.root / "lib", "checkout", "--quiet", "-b", "mine")
    (life.root / "lib/one.txt").write_text("1\n")
    inner_git(life.root / "lib", "add", "-A")
    inner_git(life.root / "lib", "commit", "--quiet", "-m", "mine")
    (life.root / "lib/two.txt").write_text("2\n")
    mine = inner_git(life.root / "lib", "rev-parse", "HEAD")
    before = state(life.root / "lib")
    kept = life.keep(place)
    assert kept.named["nested"] == ("lib",)
    assert f"160000 commit {inner_git(life.root / 'lib', 'rev-parse', 'HEAD')}" in repo.git("ls-tree", BRANCH)
    shutil.rmtree(life.root)
    (copy,) = copies(tmp_path)
    assert repo.git("--git-dir", str(copy), "log", "-1", "--format=%H", "mine") == mine
    repo.git("worktree", "unlock", str(life.root))
    repo.git("worktree", "prune")
    life.open()
    assert state(life.root / "lib") == before
    assert inner_git(life.root, "submodule", "status", "lib").split()[1] == "lib"
    assert repo.state()["checkout"] == theirs["checkout"]
    assert life.keep(life.open()).named["nested"] == ("lib",)


def test_a_submodule_as_it_was_checked_out_is_nothing_to_save(tmp_path: Path, repo: Repository, life: Life) -> None:
    with_submodule(tmp_path, repo)
    place = life.open()
    inner_git(life.root, "submodule", "--quiet", "update", "--init")
    kept = life.keep(place)
    assert "nested" not in kept.named
    assert copies(tmp_path) == []
    assert life.close() == ""


def test_a_beat_saves_it_and_an_agent_that_deletes_all_loses_nothing(repo: Repository, life: Life) -> None:
    place = life.open()
    worked_in(life.root / "inner")
    before = state(life.root / "inner")
    life.beat(place)
    (life.root / "inner/README.md").write_text("later\n")
    life.beat(place)
    (life.root / "inner/README.md").write_text("changed\n")
    life.beat(place)
    shutil.rmtree(life.root)
    kept = life.keep(place)
    assert kept.facts["wip_lost"] is True
    life.open()
    assert state(life.root / "inner") == before


def test_secrets_in_it_are_kept_beside_the_run(repo: Repository, life: Life, tmp_path: Path) -> None:
    place = life.open()
    worked_in(life.root / "inner")
    (life.root / "inner/.env").write_text("secret\n")
    kept = life.keep(place)
    assert kept.named["left_out"] == ("inner/.env",)
    assert not any(b"secret" in path.read_bytes() for path in copies(tmp_path)[0].rglob("*") if path.is_file())
    (life.root / "inner/.env").write_text("changed since\n")
    assert "inner" in life.close(), "this version of it is kept nowhere else"
    life.keep(place)
    assert life.close() == ""
    life.open()
    assert (life.root / "inner/.env").read_text() == "changed since\n"


@pytest.mark.parametrize(
    "deed",
    [
        lambda inner: (inner / "README.md").write_text("later\n"),
        lambda inner: inner_git(inner, "commit", "--quiet", "--allow-empty", "-m", "later"),
        lambda inner: inner_git(inner, "branch", "later"),
        lambda inner: inner_git(inner, "stash", "--quiet"),
        lambda inner: (inner / "new file").write_text("x\n"),
    ],
)
def test_a_worktree_goes_only_when_all_in_it_is_saved(
    repo: Repository, life: Life, deed: Callable[[Path], object]
) -> None:
    place = life.open()
    worked_in(life.root / "inner")
    life.keep(place)
    deed(life.root / "inner")
    left = life.close()
    assert left
    assert "inner" in left or "holds work" in left
    assert (life.root / "inner").exists()
    life.keep(place)
    assert life.close() == ""
    assert not life.root.exists()
    life.open()
    assert (life.root / "inner/.git").is_dir()


@pytest.mark.parametrize("where", ["keep", "close", "open", "beat", "diff"])
def test_nothing_that_its_configuration_names_is_run(repo: Repository, tmp_path: Path, where: str) -> None:
    life, mark = Life(tmp_path, repo.path), tmp_path / "mark"
    place = life.open()
    inner = Repository(life.root / "inner")
    inner.commit("with a filter", {".gitattributes": "*.txt filter=planted\n", "a.txt": "a\n"})
    if where in ("close", "open", "diff"):
        life.keep(place)
    for key in ("core.fsmonitor", "filter.planted.clean", "filter.planted.smudge", "filter.planted.process",
                "core.sshCommand", "diff.external", "core.alternateRefsCommand"):  # fmt: skip
        inner.git("config", key, f"touch {mark}; cat")
    inner.git("config", "core.worktree", "/")
    for name in ("post-commit", "reference-transaction", "post-index-change", "post-checkout"):
        (inner.path / ".git/hooks").mkdir(exist_ok=True)
        (inner.path / ".git/hooks" / name).write_text(f"#!/bin/sh\ntouch {mark}\n")
        (inner.path / ".git/hooks" / name).chmod(0o755)
    (inner.path / "a.txt").write_text("changed\n")
    match where:
        case "keep":
            kept = life.keep(place)
            assert kept.named["filters_off"] == ("inner/a.txt",)
            shutil.rmtree(life.root)
            life.open()
            assert (inner.path / "a.txt").read_text() == "changed\n"
        case "beat":
            life.beat(place)
        case "open":
            life.open()
        case "close":
            assert "inner" in life.close()
        case _:
            diff = life.workspaces.diff
            diff(JOB, life.past, str(repo.path), live=True, patch=True, colour=False, columns=80)
    assert not mark.exists()
    if where == "keep":
        life.keep(life.open())
        assert not mark.exists(), "nor in a later run, which did not see it come"


def test_in_place_it_is_saved_in_itself_and_nowhere_else(tmp_path: Path, repo: Repository) -> None:
    with_submodule(tmp_path, repo)
    life = Life(tmp_path, repo.path, workspace=Workspace.IN_PLACE)
    place = life.open()
    repo.write({"lib/README.md": "changed\n"})
    before = (repo.path / ".git/modules/lib/index").read_bytes()
    kept = life.keep(place)
    assert kept.named["nested"] == ("lib",)
    assert (repo.path / ".git/modules/lib/index").read_bytes() == before
    ref = inner_git(repo.path / "lib", "for-each-ref", "--format=%(refname)", "refs/aq")
    assert inner_git(repo.path / "lib", "show", f"{ref}:README.md") == "changed"
    assert copies(tmp_path) == []


def test_what_cannot_be_saved_is_named(repo: Repository, life: Life) -> None:
    place = life.open()
    worked_in(life.root / "inner")
    repo.write({"one.txt": "1\n"}, life.root)
    shutil.rmtree(life.root / "inner/.git/objects")
    (life.root / "inner/.git/objects").mkdir()
    kept = life.keep(place)
    assert "one.txt" in repo.git("ls-tree", "-r", "--name-only", BRANCH)
    assert kept.facts["not_saved"] == 1
    assert kept.named["not_saved"][0].startswith("the repository inner: ")
    assert "inner" in kept.note
    assert "inner" in life.close()


def test_locks_that_were_left_in_it_block_nothing(repo: Repository, life: Life) -> None:
    place = life.open()
    worked_in(life.root / "inner")
    life.beat(place)
    folder = life.root / "inner/.git"
    (snapshot,) = (folder / "refs/aq/snapshots").iterdir()
    for path in (folder / "index.lock", folder / "HEAD.lock", snapshot.with_name(f"{snapshot.name}.lock")):
        path.write_bytes(b"")
    (life.root / "inner/README.md").write_text("later\n")
    kept = life.keep(place)
    assert "not_saved" not in kept.named
    assert list(folder.rglob("*.lock")) == []
    inner_git(life.root / "inner", "commit", "--quiet", "-am", "it can commit again")


def test_a_fresh_start_begins_without_it(repo: Repository, life: Life, tmp_path: Path) -> None:
    place = life.open()
    worked_in(life.root / "inner")
    life.keep(place)
    (life.root / "inner/README.md").write_text("after the end\n")
    life.open(fresh=True)
    assert not (life.root / "inner").exists()
    (copy,) = copies(tmp_path)
    commit = repo.git("--git-dir", str(copy), "for-each-ref", "--format=%(refname)", "refs/aq")
    assert repo.git("--git-dir", str(copy), "show", f"{commit}:README.md") == "after the end"


@pytest.mark.parametrize("dirty", Dirty)
def test_what_a_person_has_not_committed_in_a_submodule_is_announced(
    tmp_path: Path, repo: Repository, life: Life, dirty: Dirty
) -> None:
    with_submodule(tmp_path, repo)
    repo.write({"lib/README.md": "changed\n", "mine.txt": "m\n"})
    place = life.open(dirty=dirty)
    assert "lib" in place.unseen
    assert ("mine.txt" in place.unseen) is (dirty is Dirty.ANNOUNCE)


def test_a_git_folder_elsewhere_stays_where_it_is(repo: Repository, life: Life, tmp_path: Path) -> None:
    place = life.open()
    inner_git(life.root, "init", "--quiet", f"--separate-git-dir={tmp_path}/elsewhere.git", "inner")
    (life.root / "inner/a.txt").write_text("a\n")
    kept = life.keep(place)
    assert kept.named["nested"] == ("inner",)
    ref = inner_git(life.root / "inner", "for-each-ref", "--format=%(refname)", "refs/aq")
    assert inner_git(life.root / "inner", "show", f"{ref}:a.txt") == "a"
    assert copies(tmp_path) == []
    assert os.path.isfile(life.root / "inner/.git")
