"""Merging a job's branch in real repositories: nothing uncommitted is touched, a refusal changes nothing."""

import os
from pathlib import Path

import pytest

from agent_queue.core.errors import AqError, BusyError
from agent_queue.system.merge import How, MergeError, merge, target

from .repositories import Repository

BRANCH = "aq/wip/a"


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """With a branch of a job that changed one file, added one and deleted one."""
    repo = Repository(tmp_path / "repo")
    repo.commit("more", {"old.txt": "old\n", "mine.txt": "mine\n", "lines.txt": "".join(f"{n}\n" for n in range(20))})
    repo.git("switch", "-q", "-c", BRANCH)
    (repo.path / "old.txt").unlink()
    repo.commit("aq wip: a", {"README.md": "changed\n", "new/file.txt": "new\n", "lines.txt": with_line(2)})
    repo.git("switch", "-q", "main")
    return repo


def with_line(number: int) -> str:
    return "".join(f"{n}{' changed' if n == number else ''}\n" for n in range(20))


def tree(repo: Repository, branch: str = "main") -> set[str]:
    return set(repo.files(branch))


def test_a_fast_forward_updates_the_checkout(repo: Repository) -> None:
    merged = merge(str(repo.path), BRANCH, "main")
    assert (merged.how, merged.checkout) == (How.FAST_FORWARD, str(repo.path))
    assert merged.after == repo.git("rev-parse", "main") == repo.git("rev-parse", BRANCH)
    assert set(merged.files) == {"README.md", "old.txt", "new/file.txt", "lines.txt"}
    assert repo.git("status", "--porcelain") == ""
    assert (repo.path / "new/file.txt").read_text() == "new\n"
    assert not (repo.path / "old.txt").exists()


def test_a_merge_is_the_persons_commit(repo: Repository) -> None:
    repo.commit("the person goes on", {"lines.txt": with_line(15)})
    before = repo.git("rev-parse", "main")
    merged = merge(str(repo.path), BRANCH, "main")
    assert merged.how is How.MERGE
    assert repo.parents("main") == [before, repo.git("rev-parse", BRANCH)]
    assert repo.git("log", "-1", "--format=%an <%ae> %cn: %s") == (
        "A Person <person@example.org> A Person: Merge branch 'aq/wip/a'"
    )
    assert "2 changed" in (repo.path / "lines.txt").read_text()
    assert "15 changed" in (repo.path / "lines.txt").read_text()
    assert repo.git("status", "--porcelain") == ""


def test_what_is_merged_already_is_nothing(repo: Repository) -> None:
    merge(str(repo.path), BRANCH, "main")
    repo.commit("the person goes on", {"x": "x\n"})
    before = repo.state()
    assert merge(str(repo.path), BRANCH, "main").how is How.NOTHING
    assert repo.state() == before


def test_a_branch_that_is_checked_out_nowhere_moves_alone(repo: Repository) -> None:
    repo.git("switch", "-q", "-c", "other")
    repo.write({"README.md": "dirty\n"})
    before = repo.state()
    merged = merge(str(repo.path), BRANCH, "main")
    assert (merged.how, merged.checkout) == (How.FAST_FORWARD, "")
    assert repo.git("rev-parse", "main") == repo.git("rev-parse", BRANCH)
    after = repo.state()
    assert {**after, "refs": None} == {**before, "refs": None}


def test_the_checkout_may_be_another_worktree(repo: Repository, tmp_path: Path) -> None:
    repo.git("switch", "-q", "-c", "other")
    repo.git("worktree", "add", "-q", str(tmp_path / "linked tree"), "main")
    merged = merge(str(repo.path), BRANCH, "main")
    assert merged.checkout == str(tmp_path / "linked tree")
    assert (tmp_path / "linked tree/new/file.txt").read_text() == "new\n"
    assert not (repo.path / "new/file.txt").exists()


def test_other_changes_that_are_not_committed_stay_as_they_are(repo: Repository) -> None:
    repo.write({"mine.txt": "edited\n", "staged.txt": "staged\n", "untracked.txt": "u\n", "x.log": "ignored\n"})
    repo.git("add", "staged.txt")
    repo.git("stash", "list")
    before = repo.git("status", "--porcelain", "--ignored")
    merge(str(repo.path), BRANCH, "main")
    assert repo.git("status", "--porcelain", "--ignored") == before
    assert (repo.path / "mine.txt").read_text() == "edited\n"
    assert repo.git("show", ":staged.txt") == "staged"


@pytest.mark.parametrize("commit", [False, True], ids=["fast-forward", "merge"])
@pytest.mark.parametrize(
    ("files", "staged", "blocked"),
    [
        ({"README.md": "edited\n"}, False, ["README.md"]),
        ({"README.md": "edited\n"}, True, ["README.md"]),
        ({"old.txt": "edited\n"}, False, ["old.txt"]),
        ({"new/file.txt": "mine\n"}, False, ["new/file.txt"]),
        ({"new/file.txt": "mine\n", "lines.txt": "\n"}, True, ["lines.txt", "new/file.txt"]),
    ],
)
def test_changes_in_the_way_are_listed_and_nothing_happens(
    repo: Repository, commit: bool, files: dict[str, str | bytes], staged: bool, blocked: list[str]
) -> None:
    if commit:
        repo.commit("the person goes on", {"other.txt": "x\n"})
    repo.write(files)
    if staged:
        repo.git("add", "-A")
    before = repo.state()
    with pytest.raises(MergeError) as raised:
        merge(str(repo.path), BRANCH, "main")
    assert str(raised.value).splitlines()[1:] == [f"    {path}" for path in blocked]
    assert raised.value.exit_code == 1
    assert repo.state() == before


def test_an_ignored_file_in_the_way_is_not_overwritten(repo: Repository) -> None:
    repo.git("switch", "-q", BRANCH)
    repo.write({"out.log": "from the job\n"})
    repo.git("add", "-f", "out.log")
    repo.git("commit", "-q", "-m", "a log")
    repo.git("switch", "-q", "main")
    repo.write({"out.log": "mine\n"})
    before = repo.state()
    with pytest.raises(MergeError, match=r"\n    out\.log"):
        merge(str(repo.path), BRANCH, "main")
    assert repo.state() == before


@pytest.mark.parametrize("mine", ["new", "new/file.txt/deeper"])
def test_a_file_where_a_folder_comes_and_the_other_way_round(repo: Repository, mine: str) -> None:
    repo.write({mine: "mine\n"})
    before = repo.state()
    with pytest.raises(MergeError):
        merge(str(repo.path), BRANCH, "main")
    assert repo.state() == before


def test_a_file_that_became_a_folder_and_the_other_way_round_is_merged(repo: Repository) -> None:
    repo.commit("shapes", {"file": "x\n", "folder/a": "a\n", "folder/b": "b\n"})
    repo.git("switch", "-q", "-C", BRANCH)
    repo.git("rm", "-q", "-r", "file", "folder")
    repo.commit("turned", {"file/a": "a\n", "folder": "x\n"})
    repo.git("switch", "-q", "main")
    merge(str(repo.path), BRANCH, "main")
    assert repo.git("status", "--porcelain") == ""
    assert (repo.path / "folder").read_text() == "x\n"


def test_conflicts_are_listed_and_nothing_happens(repo: Repository) -> None:
    repo.commit("the person goes on", {"README.md": "otherwise\n", "old.txt": "still needed\n"})
    before = repo.state()
    with pytest.raises(MergeError) as raised:
        merge(str(repo.path), BRANCH, "main")
    assert str(raised.value).splitlines()[1:] == ["    README.md", "    old.txt"]
    assert repo.state() == before


@pytest.mark.parametrize("how", ["rebase", "bisect", "merge"])
def test_in_the_middle_of_something_nothing_happens(repo: Repository, how: str) -> None:
    repo.git("switch", "-q", "-c", "other")
    repo.commit("other", {"mine.txt": "other\n"})
    repo.git("switch", "-q", "main")
    repo.commit("main", {"mine.txt": "x\n"})
    if how == "bisect":
        repo.git("bisect", "start", "HEAD", "HEAD~2")
    else:
        assert not repo.ok(how, "other")
    before = repo.state()
    with pytest.raises(AqError) as raised:
        merge(str(repo.path), BRANCH, "main")
    assert isinstance(raised.value, MergeError if how == "merge" else BusyError)
    assert repo.state() == before


def test_no_hook_runs(repo: Repository, tmp_path: Path) -> None:
    for name in ("post-merge", "pre-merge-commit", "post-checkout", "reference-transaction", "post-index-change"):
        hook = repo.path / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        hook.chmod(0o755)
    merge(str(repo.path), BRANCH, "main")
    assert not (tmp_path / "ran").exists()


def test_names_with_anything_in_them(repo: Repository) -> None:
    odd = ["a b.txt", "with\nnewline", "ü.txt", os.fsdecode(b"\xff.bin")]
    repo.git("switch", "-q", BRANCH)
    repo.commit("odd", dict.fromkeys(odd, "x\n"))
    repo.git("switch", "-q", "main")
    merged = merge(str(repo.path), BRANCH, "main")
    assert set(odd) < set(merged.files)
    assert repo.git("status", "--porcelain") == ""


def test_sha256(tmp_path: Path) -> None:
    repo = Repository(tmp_path / "repo", form="sha256")
    repo.git("switch", "-q", "-c", BRANCH)
    repo.commit("one", {"a": "1\n"})
    repo.git("switch", "-q", "main")
    repo.commit("two", {"b": "2\n"})
    assert merge(str(repo.path), BRANCH, "main").how is How.MERGE


def test_where_to_is_asked_the_base_or_what_is_checked_out(repo: Repository) -> None:
    top = str(repo.path)
    repo.git("branch", "feature")
    assert target(top, None, None) == "main"
    assert target(top, "feature", None) == "feature"
    assert target(top, "feature", "main") == "main"
    for base, into in (("v1.0", None), ("origin/main", None), (None, "nope"), (BRANCH, None)):
        with pytest.raises(MergeError):
            target(top, base, into)
    repo.git("checkout", "-q", "--detach")
    with pytest.raises(MergeError, match="no branch checked out"):
        target(top, None, None)


def test_the_checkout_of_a_submodule_is_where_its_files_are(repo: Repository, tmp_path: Path) -> None:
    """git lists its own folder of it instead."""
    outer = Repository(tmp_path / "outer")
    outer.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repo.path), "lib")
    lib = outer.path / "lib"
    outer.git("-c", "protocol.file.allow=always", "fetch", "-q", "origin", f"{BRANCH}:{BRANCH}", cwd=lib)
    merged = merge(str(lib), BRANCH, "main")
    assert merged.checkout == str(lib)
    assert (lib / "new/file.txt").read_text() == "new\n"
    assert outer.git("status", "--porcelain", cwd=lib) == ""
