"""In real repositories: which changes are out of scope, what a job builds on, what it leaves as artifacts."""

import os
from pathlib import Path

import pytest

from agent_queue.core.job import JobId
from agent_queue.system.attach import WorkspaceBusyError, WorkspaceError
from agent_queue.system.git import Git
from agent_queue.system.onto import merged
from agent_queue.system.scope import outside

from .repositories import Life, Repository

FILES = ("a.md", "src/one.py", "src/deep/two.py", "docs/x.md", "docs/[odd].md", "new\nline.md")


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


@pytest.mark.parametrize(
    ("globs", "left"),
    [
        (["src/**"], ["a.md", "docs/[odd].md", "docs/x.md", "new\nline.md"]),
        (["src"], ["a.md", "docs/[odd].md", "docs/x.md", "new\nline.md"]),
        (["src/"], ["a.md", "docs/[odd].md", "docs/x.md", "new\nline.md"]),
        (["src/*"], ["a.md", "docs/[odd].md", "docs/x.md", "new\nline.md", "src/deep/two.py"]),
        (["*.md"], ["docs/[odd].md", "docs/x.md", "src/deep/two.py", "src/one.py"]),
        (["**/*.md"], ["src/deep/two.py", "src/one.py"]),
        (["**"], []),
        (["nothing/**"], sorted(FILES)),
        (["src/**", "docs/**", "*.md"], []),
    ],
)
def test_globs_mean_what_git_means_by_them(repo: Repository, globs: list[str], left: list[str]) -> None:
    git = Git(str(repo.path))
    base = git.run("rev-parse", "HEAD")
    repo.write(dict.fromkeys(FILES, "x"))
    repo.git("add", "-A")
    repo.git("commit", "-qm", "more")
    assert sorted(outside(git, base, "HEAD", globs)) == sorted(left)
    inside = Git(str(repo.path / "src"))
    assert sorted(outside(inside, base, "HEAD", globs)) == sorted(left), "also when asked from a sub-folder"


def test_in_place_what_the_person_had_changed_is_not_the_jobs(tmp_path: Path, repo: Repository) -> None:
    from agent_queue.core.choices import Workspace

    life = Life(tmp_path, repo.path, workspace=Workspace.IN_PLACE)
    repo.write({"mine.txt": "mine"})
    place = life.open()
    repo.write({"src/x.py": "x", "other.txt": "x"})
    commit = str(life.keep(place).facts["wip_commit"])
    assert life.workspaces.outside(place, commit, ["src/**"]) == ["other.txt"]


def branch(repo: Repository, name: str, files: dict[str, str], start: str = "main") -> str:
    """A branch with one more commit, as a job leaves it."""
    repo.git("switch", "-qc", name, start)
    repo.write(files)
    repo.git("add", "-A")
    repo.git("commit", "-qm", name)
    tip = repo.git("rev-parse", "HEAD")
    repo.git("switch", "-q", "main")
    return tip


def test_one_job_is_built_on_as_it_is(repo: Repository) -> None:
    one = branch(repo, "one", {"one.txt": "1"})
    branch_of_main = repo.git("rev-parse", "main")
    assert merged(Git(str(repo.path)), [one]) == one
    assert repo.git("rev-parse", "main") == branch_of_main


def test_several_are_merged_and_nothing_of_the_users_moves(repo: Repository) -> None:
    tips = [branch(repo, name, {f"{name}.txt": name}) for name in ("one", "two", "three")]
    before = repo.state()
    base = merged(Git(str(repo.path)), tips)
    assert repo.state() == before
    assert {"one.txt", "two.txt", "three.txt"} <= set(repo.git("ls-tree", "--name-only", base).split())
    assert all(Git(str(repo.path)).ask("merge-base", "--is-ancestor", tip, base) is not None for tip in tips)


def test_what_head_holds_by_now_is_taken_from_there(repo: Repository) -> None:
    one, two = branch(repo, "one", {"one.txt": "1"}), branch(repo, "two", {"two.txt": "2"})
    repo.git("merge", "-q", "--no-ff", "-m", "merged", one)
    repo.write({"later.txt": "x"})
    repo.git("add", "-A")
    repo.git("commit", "-qm", "later")
    git = Git(str(repo.path))
    assert merged(git, [one]) == repo.git("rev-parse", "HEAD")
    names = repo.git("ls-tree", "--name-only", merged(git, [one, two])).split()
    assert {"one.txt", "two.txt", "later.txt"} <= set(names)


def test_a_chain_is_its_end(repo: Repository) -> None:
    one = branch(repo, "one", {"one.txt": "1"})
    two = branch(repo, "two", {"two.txt": "2"}, "one")
    assert merged(Git(str(repo.path)), [one, two]) == two


def test_contradictions_are_a_persons_to_solve(repo: Repository) -> None:
    one, two = branch(repo, "one", {"same.txt": "1"}), branch(repo, "two", {"same.txt": "2"})
    with pytest.raises(WorkspaceBusyError, match=r"contradict each other in same\.txt"):
        merged(Git(str(repo.path)), [one, two])


def test_work_that_is_gone_is_said(repo: Repository) -> None:
    with pytest.raises(WorkspaceError, match="deadbeef"):
        merged(Git(str(repo.path)), ["deadbeef" * 5])


def test_artifacts_are_found_below_where_the_agent_works_and_nowhere_else(tmp_path: Path, repo: Repository) -> None:
    life = Life(tmp_path, repo.path, JobId("a"))
    place = life.open()
    root = Path(place.cwd)
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    repo.write({"dist/a.whl": "a", "dist/deep/b.txt": "b", "report.html": "r", ".hidden": "h"}, root)
    os.symlink(secret, root / "link")
    os.symlink(secret / "key", root / "key")
    os.mkfifo(root / "dist/pipe")

    def found(*globs: str) -> list[str]:
        return [name for name, _ in life.workspaces.artifacts(place, globs)]

    assert found("dist/*.whl") == ["dist/a.whl"]
    assert found("dist") == found("dist/") == ["dist/a.whl", "dist/deep/b.txt"]
    assert found("dist/**") == ["dist/a.whl", "dist/deep/b.txt"]
    assert found("*.html", ".hid*") == [".hidden", "report.html"]
    assert found("link/*", "link", "key", "../*", ".git", "nothing") == []
