"""An agent in its workspace, with the environment that it is given: what its git may do, and what is undone."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_queue.core.job import JobId
from agent_queue.core.manifest import Workspace
from agent_queue.core.run import Place, guarded

from .repositories import BRANCH, JOB, Life, Repository

AROUND = ("-c", "core.hooksPath=/dev/null")
"""How an agent gets round the guard."""


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """With a branch, a tag and a stash of the user's."""
    repo = Repository(tmp_path / "repo")
    repo.git("branch", "feature")
    repo.git("tag", "v0")
    repo.write({"stashed.txt": "s\n"})
    repo.git("stash", "push", "--quiet", "--include-untracked")
    return repo


@pytest.fixture
def life(tmp_path: Path, repo: Repository) -> Life:
    return Life(tmp_path, repo.path)


def agent(place: Place, command: str, *, cwd: Path | str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run what an agent would, in its place."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    names = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd=cwd or place.cwd, env=guarded({**env, **names}, place.env), text=True,
        capture_output=True, check=False,
    )  # fmt: skip


def theirs(repo: Repository) -> tuple[object, ...]:
    """All of refs, stash and checkout that is the user's."""
    refs = [
        row for row in repo.git("for-each-ref").splitlines() if "refs/heads/aq/" not in row and "refs/aq/" not in row
    ]
    return refs, repo.git("stash", "list"), repo.git("symbolic-ref", "HEAD"), repo.git("status", "--porcelain")


@pytest.mark.parametrize(
    "command",
    [
        "git checkout -B main && git commit -m one", "git checkout -B other", "git branch -D feature",
        "git branch -f feature $new", "git branch new", "git tag v1", "git tag -d v0", "git tag -f v0 $new",
        "echo x >>README.md && git stash", "git stash drop", "git stash pop", "git stash clear",
        "git update-ref -d refs/heads/feature",
        "git fetch . +$new:refs/heads/feature", "git branch -m feature mine",
    ],
)  # fmt: skip
@pytest.mark.parametrize("in_place", [False, True])
def test_what_is_the_users_is_refused(repo: Repository, tmp_path: Path, command: str, in_place: bool) -> None:
    life = Life(tmp_path, repo.path, workspace=Workspace.IN_PLACE if in_place else None)
    place = life.open()
    before = theirs(repo)
    assert agent(place, "echo 1 >one.txt && git add one.txt").returncode == 0
    done = agent(place, f"new=$(git commit-tree HEAD^{{tree}} -p HEAD -m new); {command}")
    assert done.returncode != 0, done
    agent(place, "git reset --quiet one.txt README.md; git checkout --quiet README.md; rm -f one.txt stashed.txt")
    life.keep(place)
    assert theirs(repo) == before


def test_a_refusal_says_what_to_do(repo: Repository, life: Life) -> None:
    done = agent(life.open(), "git branch -D feature")
    assert f"agent-queue: refs/heads/feature is not this job's to move; its work goes to {BRANCH}." in done.stderr
    assert "'refs' under [workspace] in config.toml" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "echo 1 >one.txt && git add -A && git commit -qm one && git commit -q --amend -m two",
        "git commit -q --allow-empty -m one && git reset -q --hard HEAD~1 && git reset -q --soft HEAD@{1}",
        "git checkout -q --detach && git commit -q --allow-empty -m away && git checkout -q " + BRANCH,
        "git commit -q --allow-empty -m one && git rebase -q --root && git cherry-pick --allow-empty HEAD",
        "git gc -q && git pack-refs --all && git commit -q --allow-empty -m one", "git fetch -q origin",
        "git bisect start && git bisect bad && git bisect reset",
        "git commit -q --allow-empty -m x && git revert -n HEAD",
    ],
)  # fmt: skip
def test_all_else_works(repo: Repository, life: Life, tmp_path: Path, command: str) -> None:
    repo.git("init", "--quiet", "--bare", str(tmp_path / "origin.git"))
    repo.git("remote", "add", "origin", str(tmp_path / "origin.git"))
    repo.git("push", "--quiet", "origin", "feature")
    place = life.open()
    before = theirs(repo)
    done = agent(place, command)
    assert done.returncode == 0, done.stderr
    life.keep(place)
    assert theirs(repo) == before


def test_a_person_may_allow_more(repo: Repository, tmp_path: Path) -> None:
    life = Life(tmp_path, repo.path, refs=("feat/*", "refs/tags/v*"))
    place = life.open()
    done = agent(
        place, "git switch -qc feat/x && git commit -q --allow-empty -m one && git tag v1 && git branch feat/a/b"
    )
    assert done.returncode == 0, done.stderr
    assert agent(place, "git branch other").returncode != 0
    kept = life.keep(place)
    assert "refs_put_back" not in kept.facts
    assert repo.ok("rev-parse", "--verify", "refs/heads/feat/x")
    assert repo.ok("rev-parse", "--verify", "refs/tags/v1")


def test_other_repositories_are_not_guarded(life: Life, tmp_path: Path) -> None:
    """An agent that runs the tests of a program that uses git needs its branches and stashes."""
    place = life.open()
    script = (
        "git init -q . && git commit -q --allow-empty -m 1 && git checkout -q -b x && echo 1 >f && git add f && "
        "git stash -q && git stash pop -q && git branch -D x 2>/dev/null || git checkout -q --detach && git branch -D x"
    )
    (tmp_path / "other").mkdir()
    done = agent(place, script, cwd=tmp_path / "other")
    assert done.returncode == 0, done.stderr


def test_the_repositorys_own_hooks_run_as_ever(repo: Repository, life: Life, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for name in ("pre-commit", "post-commit", "reference-transaction"):
        hook = repo.path / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\necho {name} $1 >>{mark}\ncat >>{mark}\n")
        hook.chmod(0o755)
    done = agent(life.open(), "git commit -q --allow-empty -m one </dev/null")
    assert done.returncode == 0, done.stderr
    said = mark.read_text()
    assert "pre-commit" in said
    assert "post-commit" in said
    assert "reference-transaction committed" in said
    assert f"refs/heads/{BRANCH}" in said, "and it is given what git gives it"
    (repo.path / ".git/hooks/pre-commit").write_text("#!/bin/sh\nexit 3\n")
    assert agent(life.open(), "git commit -q --allow-empty -m two").returncode != 0


def test_settings_of_git_in_the_agents_environment_stay(repo: Repository, life: Life) -> None:
    place = life.open()
    given = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "Somebody"}
    env = guarded({**os.environ, **given}, place.env)

    def git(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(["git", *words], cwd=place.cwd, env=env, capture_output=True, text=True, check=False)

    assert git("config", "user.name").stdout == "Somebody\n"
    assert git("branch", "-D", "feature").returncode != 0
    (repo.path / ".git/hooks/pre-commit").write_text("#!/bin/sh\nexit 3\n")
    (repo.path / ".git/hooks/pre-commit").chmod(0o755)
    assert git("commit", "--allow-empty", "-m", "x").returncode != 0


# Round the guard.


@pytest.mark.parametrize(
    "command",
    [
        "git {around} branch -D feature", "git {around} branch -f feature " + BRANCH, "git {around} tag -d v0",
        "echo 2 >README.md && git {around} stash -q",
        "git {around} update-ref refs/heads/main " + BRANCH,
        "rm -f $(git rev-parse --git-common-dir)/refs/heads/feature",
        "git commit -q --allow-empty -m two && git push -q . HEAD:feature",
        "git {around} checkout -q -B feature && git {around} commit -q --allow-empty -m theirs",
    ],
)  # fmt: skip
def test_what_moved_all_the_same_is_put_back(repo: Repository, life: Life, command: str) -> None:
    place = life.open()
    agent(place, "echo 1 >one.txt && git add -A && git commit -qm one")
    before = theirs(repo)
    done = agent(place, command.format(around=" ".join(AROUND)))
    assert done.returncode == 0, done.stderr
    kept = life.keep(place)
    assert theirs(repo) == before
    assert len(kept.facts["refs_put_back"]) == 1
    assert "put back" in kept.note
    assert repo.git("symbolic-ref", "HEAD", cwd=life.root) == f"refs/heads/{BRANCH}"


def test_what_was_dropped_of_the_stash_is_kept(repo: Repository, life: Life) -> None:
    """It may be the user who dropped it: their stash is left as it is."""
    place = life.open()
    dropped = repo.git("rev-parse", "refs/stash")
    agent(place, f"git {' '.join(AROUND)} stash drop -q")
    life.keep(place)
    assert repo.git("rev-parse", f"refs/aq/rescued/{JOB}/stash-{dropped[:12]}") == dropped


def test_names_and_messages_may_hold_other_ends_of_lines(repo: Repository, life: Life) -> None:
    """Python ends a line at U+2028 and at a form feed; git does not."""
    repo.git("branch", "a\u2028b")
    repo.write({"README.md": "x\n"})
    repo.git("stash", "push", "--quiet", "-m", "one\ftwo")
    place = life.open()
    was, dropped = repo.git("rev-parse", "a\u2028b"), repo.git("rev-parse", "refs/stash")
    around = " ".join(AROUND)
    agent(place, f"git commit -q --allow-empty -m x && git {around} branch -f a\u2028b && git {around} stash drop -q")
    life.keep(place)
    assert repo.git("rev-parse", "a\u2028b") == was
    assert repo.git("rev-parse", f"refs/aq/rescued/{JOB}/stash-{dropped[:12]}") == dropped


def test_the_tip_of_what_was_put_back_is_kept(repo: Repository, life: Life) -> None:
    place = life.open()
    around = " ".join(AROUND)
    agent(place, f"git {around} checkout -q -B feature && git {around} commit -q --allow-empty -m theirs")
    tip = repo.git("rev-parse", "feature")
    life.keep(place)
    assert repo.git("rev-parse", "feature") == repo.git("rev-parse", "main")
    assert repo.git("rev-parse", f"refs/aq/rescued/{JOB}/heads/feature-{tip[:12]}") == tip


@pytest.mark.parametrize(
    "deed",
    [
        lambda repo: repo.commit("mine", {"mine.txt": "m\n"}),
        lambda repo: repo.git("checkout", "--quiet", "-b", "mine"),
        lambda repo: (repo.git("checkout", "--quiet", "feature"), repo.commit("mine", {"mine.txt": "m\n"})),
        lambda repo: repo.git("stash", "pop", "--quiet"),
        lambda repo: (repo.write({"README.md": "x\n"}), repo.git("stash", "push", "--quiet")),
        lambda repo: repo.git("branch", "more"),
    ],
)
def test_what_a_person_does_meanwhile_stays(repo: Repository, life: Life, deed: Callable[[Repository], object]) -> None:
    place = life.open()
    deed(repo)
    after = theirs(repo)
    kept = life.keep(place)
    assert theirs(repo) == after
    assert "refs_put_back" not in kept.facts


def test_what_was_put_back_for_one_job_is_not_put_forward_for_another(repo: Repository, tmp_path: Path) -> None:
    one, two = Life(tmp_path, repo.path), Life(tmp_path, repo.path, JobId("other"))
    place = one.open()
    was = repo.git("rev-parse", "feature")
    agent(place, f"git commit -q --allow-empty -m x && git {' '.join(AROUND)} branch -f feature {BRANCH}")
    later = two.open()
    one.keep(place)
    two.keep(later)
    assert repo.git("rev-parse", "feature") == was
