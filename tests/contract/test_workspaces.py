"""Workspaces in real git repositories: each job at its place, its work on its branch, nothing of the user's touched."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from agent_queue.core.choices import Workspace
from agent_queue.core.errors import AqError
from agent_queue.core.history import History
from agent_queue.core.job import JobId
from agent_queue.core.manifest import Manifest
from agent_queue.system.attach import WorkspaceBusyError, WorkspaceError
from agent_queue.system.files import Disk
from agent_queue.system.layout import Layout
from agent_queue.system.mend import REASON
from agent_queue.system.worktrees import MachineWorkspaces

from .repositories import BRANCH, JOB, SNAPSHOTS, Life, Repository

FIRST = {"README.md": "hello", "src/main.py": "print(1)", ".gitignore": "*.log\nbuild/"}
HOOKS = ("pre-commit", "commit-msg", "post-commit", "post-checkout", "reference-transaction", "post-index-change",
         "post-rewrite", "pre-push", "post-merge", "prepare-commit-msg", "pre-auto-gc")  # fmt: skip


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


@pytest.fixture
def life(tmp_path: Path, repo: Repository) -> Life:
    return Life(tmp_path, repo.path)


def workspaces_in(root: Path) -> MachineWorkspaces:
    layout = Layout(str(root))
    return MachineWorkspaces(layout, Disk(layout.scratch))


def plan_of(tmp_path: Path, **manifest: object) -> object:
    return workspaces_in(tmp_path).plan(Manifest(**manifest))  # type: ignore[arg-type]


# Where a job will work.


def test_a_plan_is_made_by_looking(tmp_path: Path, repo: Repository) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    workspaces = workspaces_in(tmp_path)

    def plan(**manifest: object) -> tuple[str | None, bool, bool]:
        found = workspaces.plan(Manifest(**manifest))  # type: ignore[arg-type]
        return found.repository, found.worktree, bool(found.problem)

    top = str(repo.path)
    assert plan(cwd=top) == (top, True, False)
    assert plan(cwd=f"{top}/src") == (top, True, False)
    assert plan(cwd=top, workspace=Workspace.IN_PLACE) == (top, False, False)
    assert plan(cwd=str(plain)) == (None, False, False)
    assert plan(cwd=str(plain), workspace=Workspace.WORKTREE) == (None, False, True)
    assert plan(cwd=str(tmp_path / "gone")) == (None, False, True)
    assert plan(cwd=f"{top}/README.md") == (None, False, True)
    assert plan() == (None, False, True)


def test_a_home_in_a_cwd_is_known(tmp_path: Path, home: Path) -> None:
    repo = Repository(home / "code")
    found = workspaces_in(tmp_path).plan(Manifest(cwd="~/code/src"))
    assert (found.cwd, found.repository) == (f"{home}/code/src", str(repo.path))


# A worktree.


def test_a_job_works_in_a_worktree_on_its_own_branch(repo: Repository, life: Life) -> None:
    place = life.open()
    head = repo.git("rev-parse", "HEAD")
    assert (place.cwd, place.root, place.branch, place.base) == (str(life.root), str(life.root), BRANCH, head)
    assert place.start == repo.git("rev-parse", "HEAD^{tree}")
    assert repo.git("symbolic-ref", "HEAD", cwd=life.root) == f"refs/heads/{BRANCH}"
    assert (life.root / "src/main.py").read_text() == "print(1)\n"
    assert repo.git("status", "--porcelain", cwd=life.root) == ""
    assert "locked" in repo.git("worktree", "list", "--porcelain")


def test_what_a_run_changed_is_committed_to_its_branch(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"README.md": "hello\nworld\n", "new/file.txt": "1\n2\n", "run.log": "x"}, life.root)
    (life.root / "src/main.py").unlink()
    kept = life.keep(place, "exit code 0")
    assert repo.files(BRANCH) == {
        "README.md": "hello\nworld", "new/file.txt": "1\n2", ".gitignore": "*.log\nbuild/"
    }  # fmt: skip
    tip = repo.git("rev-parse", BRANCH)
    assert kept.facts == {
        "wip_branch": BRANCH, "wip_base": place.base, "wip_commit": tip, "files_changed": 3, "lines_added": 3,
        "lines_deleted": 1, "ignored": 1, "named": {"ignored": ["run.log"]},
    }  # fmt: skip
    assert (kept.changed, kept.note) == (True, "")
    assert (
        repo.git("log", "-1", "--format=%an <%ae> %s", BRANCH)
        == f"agent-queue <aq@localhost> aq wip: {JOB} (exit code 0)"
    )
    assert repo.parents(BRANCH) == [place.base]
    assert repo.git("status", "--porcelain", cwd=life.root) == "", "the index of the worktree follows"


def test_a_change_of_the_same_size_in_the_second_of_the_checkout_is_seen(repo: Repository, life: Life) -> None:
    """Git compares whole seconds here, and takes a file for clean that is older than the index it looks it up in."""
    while time.time() % 1 > 0.3:
        pass  # begin with most of a second left: checkout and change must fall into one
    place = life.open()
    repo.write({"README.md": "HELLO\n"}, life.root)
    second = int((life.root / "README.md").stat().st_mtime)
    while int(time.time()) <= second:
        pass  # and the checkpoint into a later one
    life.keep(place)
    assert repo.git("show", f"{BRANCH}:README.md") == "HELLO"


def test_a_run_that_changed_nothing_makes_no_commit(repo: Repository, life: Life) -> None:
    place = life.open()
    kept = life.keep(place)
    assert (kept.changed, kept.facts["wip_commit"], kept.facts["files_changed"]) == (False, place.base, 0)
    assert repo.git("rev-list", "--count", BRANCH) == "1"


def test_every_run_works_at_the_same_path_on_what_the_last_one_left(repo: Repository, life: Life) -> None:
    first = life.open()
    repo.write({"one.txt": "1\n", "build/cache": "kept", "x.log": "kept"}, life.root)
    life.keep(first)
    second = life.open()
    assert (second.root, second.branch, second.base) == (first.root, first.branch, first.base)
    assert second.start != first.start
    assert (life.root / "build/cache").read_text() == "kept", "what git ignores is left where it lies"
    repo.write({"two.txt": "2\n"}, life.root)
    kept = life.keep(second)
    assert set(repo.files(BRANCH)) == {*FIRST, "one.txt", "two.txt"}
    assert (kept.facts["files_changed"], kept.changed) == (2, True)
    third = life.open()
    assert life.keep(third).changed is False


def test_the_base_stays_that_of_the_first_run(repo: Repository, life: Life) -> None:
    first = life.open()
    life.keep(first)
    repo.commit("later", {"later.txt": "x\n"})
    assert life.open().base == first.base
    assert not (life.root / "later.txt").exists()


def test_a_new_life_has_a_new_branch(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    life.keep(place)
    assert life.close() == ""
    life.past = replace(life.past, life=2, fresh=True)
    again = life.open(fresh=True)
    assert again.branch == f"{BRANCH}+2"
    assert not (life.root / "one.txt").exists()
    assert "one.txt" in repo.files(BRANCH)


@pytest.mark.parametrize("base", ["old", "v1", "sha", "main~1", "origin/there"])
def test_a_base_is_any_commit_by_any_name(repo: Repository, life: Life, base: str) -> None:
    first = repo.git("rev-parse", "HEAD")
    repo.git("branch", "old")
    repo.git("tag", "-a", "v1", "-m", "one")
    repo.git("update-ref", "refs/remotes/origin/there", "HEAD")
    repo.commit("second", {"second.txt": "x\n"})
    place = life.open(base=first if base == "sha" else base)
    assert place.base == first
    assert not (life.root / "second.txt").exists()


def test_a_base_that_is_none_is_refused(repo: Repository, life: Life) -> None:
    before = repo.state()
    with pytest.raises(WorkspaceError, match="base: nowhere is no commit"):
        life.open(base="nowhere")
    assert repo.state() == before
    assert not repo.ok("rev-parse", "--verify", BRANCH)


def test_a_sub_folder_means_the_same_one_of_the_worktree(repo: Repository, life: Life) -> None:
    place = life.open(cwd=str(repo.path / "src"))
    assert (place.cwd, place.root) == (str(life.root / "src"), str(life.root))


def test_a_sub_folder_that_is_not_committed_is_refused(repo: Repository, life: Life) -> None:
    (repo.path / "new").mkdir()
    with pytest.raises(WorkspaceError, match="commit it first"):
        life.open(cwd=str(repo.path / "new"))


def test_a_repository_without_a_commit_is_refused(tmp_path: Path) -> None:
    repo = Repository(tmp_path / "empty", commit=False)
    before = repo.state()
    with pytest.raises(WorkspaceError, match="no commit yet"):
        Life(tmp_path, repo.path).open()
    assert repo.state() == before


def test_a_repository_without_a_file_whose_job_writes_none(tmp_path: Path) -> None:
    """Its worktree is as empty as one that an agent deleted, and nothing of it is gone."""
    repo = Repository(tmp_path / "empty", commit=False)
    repo.git("commit", "--quiet", "--allow-empty", "-m", "begun")
    life = Life(tmp_path, repo.path)
    place = life.open()
    kept = life.keep(place)
    assert (kept.note, kept.changed, kept.facts.get("wip_lost")) == ("", False, None)
    again = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    assert life.keep(again).changed
    assert repo.files(BRANCH).keys() == {"one.txt"}


def test_a_queue_below_a_symbolic_link_works(tmp_path: Path, repo: Repository) -> None:
    (tmp_path / "real").mkdir()
    os.symlink(tmp_path / "real", tmp_path / "link")
    life = Life(tmp_path / "link", repo.path)
    place = life.open()
    repo.write({"one.txt": "1\n"}, place.root)
    life.keep(place)
    assert life.open().cwd == place.cwd
    assert repo.git("status", "--porcelain", cwd=place.root) == ""
    assert life.close() == ""


def test_a_repository_below_a_symbolic_link_works(tmp_path: Path, repo: Repository) -> None:
    os.symlink(repo.path, tmp_path / "link")
    life = Life(tmp_path, tmp_path / "link" / "src")
    assert life.open().cwd == str(life.root / "src")


def test_sha256_repositories_work(tmp_path: Path) -> None:
    repo = Repository(tmp_path / "repo256", form="sha256")
    life = Life(tmp_path, repo.path)
    for run in range(2):
        place = life.open(fresh=run == 1)
        repo.write({"one.txt": f"{run}\n"}, life.root)
        assert len(life.keep(place).facts["wip_commit"]) == 64
    assert repo.files(f"aq/old/{JOB}/1")["one.txt"] == "0"


def test_a_linked_worktree_of_the_user_is_a_repository_too(tmp_path: Path, repo: Repository) -> None:
    repo.git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    (tmp_path / "side" / "mine.txt").write_text("uncommitted")
    life = Life(tmp_path, tmp_path / "side")
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    life.keep(place)
    assert "one.txt" in repo.files(BRANCH)
    assert repo.git("status", "--porcelain", cwd=tmp_path / "side") == "?? mine.txt"


# The user's repository.


def test_the_users_repository_is_untouched_to_the_byte(tmp_path: Path, repo: Repository, life: Life) -> None:
    repo.git("branch", "feature")
    repo.git("tag", "v1")
    repo.write({"stashed.txt": "s\n"})
    repo.git("stash", "push", "--quiet", "--include-untracked")
    repo.write({"staged.txt": "s\n", "README.md": "changed\n", "untracked.txt": "u\n", "x.log": "ignored"})
    repo.git("add", "staged.txt")
    os.symlink("README.md", repo.path / "link")
    before, reflog = repo.state(), repo.git("reflog")
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    life.keep(place)
    life.keep(life.open(fresh=True))
    assert life.close() == ""
    assert repo.state() == before
    assert repo.git("reflog") == reflog
    refs = repo.git("for-each-ref", "--format=%(refname)", "refs/heads/aq").splitlines()
    assert refs == [f"refs/heads/aq/old/{JOB}/1", f"refs/heads/{BRANCH}"]


@pytest.mark.parametrize("configured", [False, True])
@pytest.mark.parametrize("in_place", [False, True])
def test_no_hook_of_the_users_runs(
    tmp_path: Path, repo: Repository, life: Life, configured: bool, in_place: bool
) -> None:
    marks = tmp_path / "marks"
    hooks = tmp_path / "hooks" if configured else repo.path / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in (*HOOKS, "fsmonitor"):
        (hooks / name).write_text(f"#!/bin/sh\necho {name} >>{marks}\nexit 1\n")
        (hooks / name).chmod(0o755)
    if configured:
        repo.git("config", "core.hooksPath", str(hooks))
    repo.git("config", "core.fsmonitor", str(hooks / "fsmonitor"))
    repo.git("config", "core.fsmonitorHookVersion", "1")
    workspace = Workspace.IN_PLACE if in_place else None
    for fresh in (False, True):
        place = life.open(workspace=workspace, fresh=fresh)
        repo.write({"one.txt": f"{fresh}\n"}, place.root)
        life.keep(place)
    assert life.close() == ""
    assert not marks.exists()


def test_the_users_settings_do_not_get_in_the_way(repo: Repository, life: Life) -> None:
    for key, value in (
        ("commit.gpgSign", "true"), ("gpg.program", "/bin/false"), ("core.fsmonitor", "/bin/false"),
        ("user.useConfigOnly", "true"), ("core.editor", "/bin/false"), ("commit.template", "/nowhere"),
        ("diff.external", "/bin/false"), ("diff.renames", "copies"), ("diff.noprefix", "true"),
        ("status.showUntrackedFiles", "no"), ("core.splitIndex", "true"), ("index.threads", "1"),
        ("core.quotePath", "off"), ("color.ui", "always"), ("checkout.defaultRemote", "x"),
        ("branch.autoSetupMerge", "always"), ("worktree.guessRemote", "true"),
        ("core.commentChar", ";"), ("log.showSignature", "true"), ("core.untrackedCache", "true"),
    ):  # fmt: skip
        repo.git("config", key, value)
    place = life.open()
    repo.write({"one.txt": "1\n", "na\u00efve file": "2\n"}, life.root)
    kept = life.keep(place)
    assert (kept.facts["files_changed"], kept.facts["lines_added"]) == (2, 2)
    assert repo.git("status", "--porcelain", "-uall", cwd=life.root) == ""
    assert life.close() == ""


def test_our_own_environment_does_not_get_in_the_way(
    repo: Repository, life: Life, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.bare")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    place = life.open()
    (life.root / "one.txt").write_text("1\n")
    kept = life.keep(place)
    monkeypatch.undo()
    assert repo.git("rev-parse", BRANCH) == kept.facts["wip_commit"]


def test_the_users_locks_are_theirs(repo: Repository, life: Life) -> None:
    """A person's git is at work in the checkout, or died there: neither stops us, and the lock stays."""
    (repo.path / ".git/index.lock").write_text("theirs")
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    life.keep(place)
    assert (repo.path / ".git/index.lock").read_text() == "theirs"


# In place, and outside of git.


@pytest.fixture
def in_place(tmp_path: Path, repo: Repository) -> Life:
    return Life(tmp_path, repo.path, workspace=Workspace.IN_PLACE)


def test_in_place_work_is_saved_beside_the_users_branch(repo: Repository, in_place: Life) -> None:
    repo.write({"mine.txt": "uncommitted\n", "README.md": "edited\n"})
    repo.git("add", "mine.txt")
    place = in_place.open()
    assert (place.cwd, place.root, place.branch) == (str(repo.path), str(repo.path), BRANCH)
    repo.write({"agent.txt": "1\n"})
    before = repo.state()
    kept = in_place.keep(place)
    assert repo.state() == before
    assert set(repo.files(BRANCH)) == {*FIRST, "mine.txt", "agent.txt"}
    assert repo.parents(BRANCH) == [repo.git("rev-parse", "main")]
    assert (kept.changed, kept.facts["files_changed"]) == (True, 3)
    assert not (in_place.work / JOB).exists()


def test_in_place_what_lay_there_before_was_not_changed_by_the_run(repo: Repository, in_place: Life) -> None:
    repo.write({"mine.txt": "uncommitted\n", "README.md": "edited\n"})
    before = repo.state()
    place = in_place.open()
    assert repo.state() == before
    assert {"mine.txt", "README.md"} <= repo.files(SNAPSHOTS).keys(), "an agent may throw them away at once"
    assert in_place.keep(place).changed is False
    assert repo.state() == before


def test_in_place_a_later_run_goes_on_from_what_lies_there(repo: Repository, in_place: Life) -> None:
    first = in_place.open()
    repo.write({"one.txt": "1\n"})
    in_place.keep(first)
    repo.commit("the user goes on", {"two.txt": "2\n"})
    second = in_place.open()
    repo.write({"three.txt": "3\n"})
    in_place.keep(second)
    assert set(repo.files(BRANCH)) == {*FIRST, "one.txt", "two.txt", "three.txt"}
    assert repo.git("symbolic-ref", "HEAD") == "refs/heads/main"
    assert len(repo.parents(BRANCH)) == 2, "the branch, and the user's HEAD that was not in it"


def test_in_place_two_jobs_save_at_once(repo: Repository, in_place: Life, tmp_path: Path) -> None:
    """With locks of their own names they may overlap: neither may sweep away the other's index."""
    place = in_place.open()
    young, old = repo.path / ".git/aq-index-young", repo.path / ".git/aq-index-old"
    for path in (young, old):
        path.write_bytes(b"another job's")
    os.utime(old, (1, 1))
    in_place.keep(place)
    assert young.exists()
    assert not old.exists(), "what a killed checkpoint left long ago is swept"


def test_in_place_with_a_split_index(repo: Repository, in_place: Life) -> None:
    repo.git("config", "core.splitIndex", "true")
    repo.commit("second", {"two.txt": "2\n"})
    repo.git("update-index", "--split-index")
    place = in_place.open()
    repo.write({"agent.txt": "1\n"})
    before = repo.state()
    in_place.keep(place)
    assert repo.state() == before
    assert repo.git("status", "--porcelain") == "?? agent.txt"
    assert "agent.txt" in repo.files(BRANCH)


def test_in_place_on_the_jobs_own_branch_is_refused(repo: Repository, in_place: Life) -> None:
    repo.git("switch", "--quiet", "-c", BRANCH)
    before = repo.state()
    with pytest.raises(WorkspaceBusyError, match="checked out"):
        in_place.open()
    assert repo.state() == before


def test_outside_of_git_nothing_is_saved_and_nothing_changes(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "file").write_text("x")
    life = Life(tmp_path, plain)
    place = life.open()
    assert (place.cwd, place.root, place.branch) == (str(plain), None, None)
    kept = life.keep(place)
    assert (dict(kept.facts), kept.changed, kept.note) == ({}, None, "wip: cwd not a git repo")
    assert life.close() == ""
    assert os.listdir(plain) == ["file"]


# What a person, or an agent, did meanwhile.


def test_a_worktree_that_a_person_deleted_is_made_again(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    life.keep(place)
    shutil.rmtree(life.root)
    again = life.open()
    assert again.root == place.root
    assert (life.root / "one.txt").read_text() == "1\n"


def test_a_worktree_that_a_person_removed_with_git_is_made_again(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    life.keep(place)
    repo.git("worktree", "remove", "--force", "--force", str(life.root))
    life.open()
    assert (life.root / "one.txt").read_text() == "1\n"


@pytest.mark.parametrize("worktree", ["there", "gone"])
def test_a_branch_that_was_deleted_is_back_with_its_work(repo: Repository, life: Life, worktree: str) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    last = life.keep(place).facts["wip_commit"]
    if worktree == "gone":
        shutil.rmtree(life.root)
    repo.git("update-ref", "-d", f"refs/heads/{BRANCH}")
    again = life.open()
    assert repo.git("rev-parse", BRANCH) == last
    assert again.base == place.base
    assert again.note == f"{BRANCH} was gone and is back at {last[:12]}"
    assert (life.root / "one.txt").read_text() == "1\n"
    assert repo.git("status", "--porcelain", cwd=life.root) == ""


@pytest.mark.parametrize("beaten", [True, False])
def test_a_branch_that_its_agent_deleted_is_back_with_its_commits(repo: Repository, life: Life, beaten: bool) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    repo.git("add", "-A", cwd=life.root)
    repo.git("commit", "--quiet", "-m", "mine", cwd=life.root)
    mine = repo.git("rev-parse", "HEAD", cwd=life.root)
    repo.git("update-ref", "-d", f"refs/heads/{BRANCH}", cwd=life.root)
    repo.write({"two.txt": "2\n"}, life.root)
    if beaten:
        repo.git("merge-base", "--is-ancestor", mine, life.beat(place))
    assert life.keep(place).facts["files_changed"] == 2
    repo.git("merge-base", "--is-ancestor", mine, BRANCH)


@pytest.mark.parametrize("lost", ["HEAD:README.md", "HEAD^{tree}"])
def test_work_is_saved_though_what_it_began_with_is_lost(repo: Repository, life: Life, lost: str) -> None:
    """A power cut may take what a person's git had not flushed."""
    place = life.open()
    repo.write({"README.md": "new\n", "one.txt": "1\n"}, life.root)
    forget(repo, lost)
    facts = life.keep(place).facts
    assert repo.git("show", f"{facts['wip_commit']}:one.txt") == "1"
    assert repo.git("rev-parse", BRANCH) == facts["wip_commit"]
    assert facts["files_changed"] is None


@pytest.mark.parametrize("lost", ["HEAD:one.txt", "HEAD^{tree}"])
def test_work_is_saved_on_top_of_a_commit_of_its_agent_that_is_torn(repo: Repository, life: Life, lost: str) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    repo.git("add", "-A", cwd=life.root)
    repo.git("commit", "--quiet", "-m", "mine", cwd=life.root)
    forget(repo, lost, life.root)
    repo.write({"one.txt": "2\n"}, life.root)
    facts = life.keep(place).facts
    assert repo.git("show", f"{BRANCH}:one.txt") == "2"
    assert facts["files_changed"] == 1


def forget(repo: Repository, name: str, folder: Path | None = None) -> None:
    """Take an object out of the repository."""
    found = repo.git("rev-parse", name, cwd=folder or repo.path)
    (repo.path / ".git/objects" / found[:2] / found[2:]).unlink()


def test_a_branch_whose_work_git_has_dropped_begins_again(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    last = life.keep(place).facts["wip_commit"]
    assert life.close() == ""
    repo.git("update-ref", "-d", f"refs/heads/{BRANCH}")
    repo.git("-c", "gc.reflogExpire=now", "-c", "gc.reflogExpireUnreachable=now", "gc", "--quiet", "--prune=now")
    again = life.open()
    assert repo.git("rev-parse", BRANCH) == again.base == place.base
    assert again.note == f"the work of its last run, {last[:12]}, is not in {repo.path} any more"


def test_a_branch_that_was_moved_away_keeps_its_old_work_under_another_name(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    last = life.keep(place).facts["wip_commit"]
    repo.git("update-ref", f"refs/heads/{BRANCH}", place.base)
    again = life.open()
    kept = f"refs/aq/rescued/{JOB}/{last[:12]}"
    assert repo.git("rev-parse", kept) == last
    assert again.note.endswith(f"is kept at {kept}")
    assert (life.root / "one.txt").exists(), "and what lies in the worktree is left there"
    life.keep(again)
    assert "one.txt" in repo.files(BRANCH)


@pytest.mark.parametrize("elsewhere", ["in the checkout", "in a worktree"])
def test_a_branch_that_a_person_has_checked_out_is_theirs(
    repo: Repository, life: Life, tmp_path: Path, elsewhere: str
) -> None:
    life.keep(life.open())
    assert life.close() == ""
    if elsewhere == "in the checkout":
        repo.git("switch", "--quiet", BRANCH)
    else:
        repo.git("worktree", "add", "--quiet", str(tmp_path / "theirs"), BRANCH)
    before = repo.state()
    where = repo.path if elsewhere == "in the checkout" else tmp_path / "theirs"
    with pytest.raises(WorkspaceBusyError, match=str(where)):
        life.open()
    assert repo.state() == before


@pytest.mark.parametrize("name", ["aq", "aq/wip"])
def test_a_branch_of_the_users_in_the_way_is_said(repo: Repository, life: Life, name: str) -> None:
    repo.git("branch", name)
    before = repo.state()
    with pytest.raises(AqError, match="aq"):
        life.open()
    assert repo.state() == before


def test_what_lies_in_the_way_is_left_alone(repo: Repository, life: Life) -> None:
    life.root.mkdir()
    (life.root / "mine.txt").write_text("precious")
    with pytest.raises(WorkspaceError, match="in the way"):
        life.open()
    assert (life.root / "mine.txt").read_text() == "precious"


@pytest.mark.parametrize("link", [None, "", "gitdir: /half/writ", "gitdir: {repo}/.git/worktrees/job"])
def test_the_empty_folder_of_a_killed_worktree_add_is_used(repo: Repository, life: Life, link: str | None) -> None:
    life.root.mkdir()
    if link is not None:
        (life.root / ".git").write_text(link.format(repo=repo.path))
    life.open()
    assert (life.root / "README.md").exists()


@pytest.mark.parametrize("cut", ["locked", "gitdir", ".git", "HEAD", "commondir"])
@pytest.mark.parametrize("begun", [False, True])
def test_a_worktree_add_that_was_killed_is_done_again(repo: Repository, life: Life, cut: str, begun: bool) -> None:
    """git writes these files in this order, with no regard for a crash; beside half a record it lists no worktrees."""
    repo.git("worktree", "add", "--quiet", "--no-checkout", "--lock", "--reason", REASON, "-b", BRANCH, str(life.root))
    record = repo.path / ".git/worktrees" / JOB
    order = [record / "locked", record / "gitdir", life.root / ".git", record / "HEAD", record / "commondir"]
    names = [path.name for path in order]
    for path in order[names.index(cut) + (1 if begun else 0) :]:
        path.unlink()
    if begun:
        order[names.index(cut)].write_text("")
    life.open()
    assert (life.root / "README.md").exists()
    assert repo.git("worktree", "list", "--porcelain").count("worktree ") == 2


@pytest.mark.parametrize("some", [False, True])
def test_a_checkout_that_was_cut_short_is_completed(repo: Repository, life: Life, some: bool) -> None:
    """git was killed, or the machine lost power, while the worktree was being filled."""
    repo.git("worktree", "add", "--quiet", "--no-checkout", "--lock", "-b", BRANCH, str(life.root))
    if some:
        repo.write({"README.md": "hel"}, life.root)
        (repo.path / ".git/worktrees" / JOB / "index.lock").write_bytes(b"")
    place = life.open()
    assert repo.git("status", "--porcelain", cwd=life.root) == ""
    assert life.keep(place).changed is False
    assert repo.files(BRANCH) == FIRST


def test_an_index_that_was_not_brought_in_line_is(repo: Repository, life: Life) -> None:
    """We died after the branch had moved, and before the worktree's index followed."""
    place = life.open()
    index = repo.path / ".git/worktrees" / JOB / "index"
    before = index.read_bytes()
    repo.write({"one.txt": "1\n", "README.md": "changed\n"}, life.root)
    (life.root / "src/main.py").unlink()
    life.keep(place)
    index.write_bytes(before)
    assert repo.git("status", "--porcelain", cwd=life.root) != ""
    life.open()
    assert repo.git("status", "--porcelain", cwd=life.root) == ""
    assert (life.root / "one.txt").read_text() == "1\n"
    assert not (life.root / "src/main.py").exists()


def test_an_agent_that_committed_keeps_its_commits(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    repo.git("add", "-A", cwd=life.root)
    repo.git("commit", "--quiet", "-m", "mine", cwd=life.root)
    theirs = repo.git("rev-parse", "HEAD", cwd=life.root)
    assert life.keep(place).facts["wip_commit"] == theirs, "all is committed: nothing to add"
    repo.write({"two.txt": "2\n"}, life.root)
    life.keep(place)
    assert repo.parents(BRANCH) == [theirs]
    assert set(repo.files(BRANCH)) == {*FIRST, "one.txt", "two.txt"}


@pytest.mark.parametrize("way", [("switch", "--quiet", "-c", "other"), ("switch", "--quiet", "--detach")])
@pytest.mark.parametrize("commits", [False, True])
def test_an_agent_that_left_its_branch_loses_nothing(
    repo: Repository, life: Life, way: tuple[str, ...], commits: bool
) -> None:
    place = life.open()
    repo.git(*way, cwd=life.root)
    repo.write({"one.txt": "1\n"}, life.root)
    if commits:
        repo.git("add", "-A", cwd=life.root)
        repo.git("commit", "--quiet", "-m", "mine", cwd=life.root)
    repo.write({"two.txt": "2\n"}, life.root)
    kept = life.keep(place)
    assert kept.facts["wip_commit"] == repo.git("rev-parse", BRANCH)
    assert set(repo.files(BRANCH)) == {*FIRST, "one.txt", "two.txt"}
    life.open()
    assert repo.git("symbolic-ref", "HEAD", cwd=life.root) == f"refs/heads/{BRANCH}"
    assert repo.git("status", "--porcelain", cwd=life.root) == ""
    assert (life.root / "two.txt").exists()


def test_an_agent_that_rewrote_history_keeps_both(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    first = life.keep(place).facts["wip_commit"]
    repo.git("commit", "--quiet", "--amend", "--allow-empty", "-m", "mine", cwd=life.root)
    repo.git("switch", "--quiet", "--detach", cwd=life.root)
    repo.git("update-ref", f"refs/heads/{BRANCH}", first)
    repo.write({"two.txt": "2\n"}, life.root)
    life.keep(place)
    assert first in repo.parents(BRANCH)
    assert len(repo.parents(BRANCH)) == 2
    assert set(repo.files(BRANCH)) == {*FIRST, "one.txt", "two.txt"}


def test_an_agent_that_threw_all_away_has_changed_something(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    first = life.keep(place).facts["wip_commit"]
    second = life.open()
    (life.root / "one.txt").unlink()
    kept = life.keep(second)
    assert (kept.changed, kept.facts["files_changed"], repo.parents(BRANCH)) == (True, 0, [first])


@pytest.mark.parametrize("lock", ["index.lock", "HEAD.lock"])
def test_a_lock_that_a_killed_agent_left_blocks_nothing(repo: Repository, life: Life, lock: str) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    (repo.path / ".git/worktrees" / JOB / lock).write_bytes(b"")
    life.keep(place)
    assert "one.txt" in repo.files(BRANCH)
    again = life.open()
    repo.git("commit", "--quiet", "--allow-empty", "-m", "it can commit again", cwd=again.root)


def test_the_lock_of_its_branch_that_was_left_blocks_nothing_and_any_other_stays(repo: Repository, life: Life) -> None:
    place = life.open()
    own, other = (repo.path / ".git/refs/heads" / f"{name}.lock" for name in (BRANCH, "main"))
    for path in (own, other):
        path.write_bytes(b"")
    repo.write({"one.txt": "1\n"}, life.root)
    life.keep(place)
    assert "one.txt" in repo.files(BRANCH)
    own.write_bytes(b"")
    life.keep(life.open())
    assert (own.exists(), other.exists()) == (False, True)


def test_a_merge_under_way_is_saved_as_it_lies(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.commit("theirs", {"README.md": "theirs\n"})
    repo.write({"README.md": "ours\n"}, life.root)
    repo.git("commit", "--quiet", "-am", "ours", cwd=life.root)
    assert not _merges(repo, life)
    kept = life.keep(place)
    assert "<<<<<<<" in repo.files(BRANCH)["README.md"]
    assert kept.changed


def _merges(repo: Repository, life: Life) -> bool:
    try:
        repo.git("merge", "main", cwd=life.root)
    except AssertionError:
        return False
    return True


# What is saved.


def test_every_kind_of_file_is_saved(repo: Repository, life: Life) -> None:
    place = life.open()
    names = ["-dash", "two words", "na\u00efve", 'quo"te', "back\\slash", "new\nline", "#hash", ":(top)magic", "\u202e"]
    repo.write(dict.fromkeys(names, "x\n"), life.root)
    repo.write({"binary": bytes(range(256)) * 100, "empty": ""}, life.root)
    raw = os.fsencode(str(life.root)) + b"/latin-\xe9"
    Path(os.fsdecode(raw)).write_text("x\n")
    (life.root / "run.sh").write_text("#!/bin/sh\n")
    (life.root / "run.sh").chmod(0o755)
    os.symlink("/nowhere", life.root / "dangling")
    os.mkfifo(life.root / "fifo")
    kept = life.keep(place)
    tree = repo.git("ls-tree", "-r", "-z", BRANCH).split("\0")
    saved = {row.split("\t", 1)[1]: row.split(" ")[0] for row in tree if row}
    assert set(saved) == {*FIRST, *names, "binary", "empty", "run.sh", "dangling", os.fsdecode(b"latin-\xe9")}
    assert (saved["run.sh"], saved["dangling"]) == ("100755", "120000")
    assert kept.facts["files_changed"] == len(saved) - len(FIRST)


def test_what_git_ignores_is_left_out_and_left_alone(repo: Repository, life: Life) -> None:
    (repo.path / ".git/info/exclude").write_text("private/\n")
    place = life.open()
    repo.write({"x.log": "x", "build/out": "x", "private/key": "x", "kept.txt": "x\n"}, life.root)
    life.keep(place)
    assert set(repo.files(BRANCH)) == {*FIRST, "kept.txt"}
    assert (life.root / "private/key").exists()


def test_a_tracked_file_is_saved_even_if_it_is_ignored_by_now(repo: Repository, life: Life) -> None:
    repo.write({"old.log": "1\n"})
    repo.git("add", "--force", "old.log")
    repo.git("commit", "--quiet", "-m", "a log")
    place = life.open()
    repo.write({"old.log": "2\n"}, life.root)
    life.keep(place)
    assert repo.files(BRANCH)["old.log"] == "2"


@pytest.mark.parametrize("commits", [False, True])
def test_a_repository_inside_does_not_keep_the_rest_from_being_saved(
    repo: Repository, life: Life, commits: bool
) -> None:
    place = life.open()
    inner = Repository(life.root / "inner", commit=commits)
    repo.write({"inner/file.txt": "x\n", "one.txt": "1\n"}, life.root)
    assert inner.path.exists()
    kept = life.keep(place)
    assert "one.txt" in repo.git("ls-tree", "-r", "--name-only", BRANCH).splitlines()
    assert (life.root / "inner/file.txt").exists()
    assert (kept.note, kept.named["nested"]) == ("", ("inner",))
    life.open()


def test_a_large_change_is_counted(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({f"many/{number}": "x\n" * 3 for number in range(500)}, life.root)
    kept = life.keep(place)
    assert (kept.facts["files_changed"], kept.facts["lines_added"]) == (500, 1500)


# Fresh starts, and the end.


def test_a_fresh_start_keeps_the_old_branch_under_another_name(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    old = life.keep(place).facts["wip_commit"]
    newer = repo.commit("the base has moved", {"base.txt": "b\n"})
    again = life.open(fresh=True)
    assert repo.git("rev-parse", f"aq/old/{JOB}/1") == old
    assert (again.root, again.base, repo.git("rev-parse", BRANCH)) == (place.root, newer, newer)
    assert not (life.root / "one.txt").exists()
    assert (life.root / "base.txt").exists()
    assert repo.git("status", "--porcelain", cwd=life.root) == ""


def test_a_fresh_start_that_a_crash_cut_short_is_made_again(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    old = life.keep(place).facts["wip_commit"]
    again = replace(life.past, fresh=True)
    life.open(fresh=True)
    life.past = again  # the journal knows nothing of it
    place = life.open(fresh=True)
    assert repo.git("rev-parse", f"aq/old/{JOB}/1") == old
    assert not (life.root / "one.txt").exists()
    assert life.keep(place).changed is False


def test_a_worktree_is_removed_when_all_of_it_is_on_the_branch(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n", "x.log": "ignored"}, life.root)
    life.keep(place)
    assert life.close() == ""
    assert not life.root.exists()
    assert repo.git("worktree", "list").count("\n") == 0
    assert "one.txt" in repo.files(BRANCH), "the branch stays"
    assert life.close() == ""
    life.open()
    assert (life.root / "one.txt").exists()


@pytest.mark.parametrize("what", ["an edit", "a new file", "another branch"])
def test_a_worktree_with_unsaved_work_is_left(repo: Repository, life: Life, what: str) -> None:
    life.keep(life.open())
    match what:
        case "an edit":
            repo.write({"README.md": "mine\n"}, life.root)
        case "a new file":
            repo.write({"new.txt": "mine\n"}, life.root)
        case _:
            repo.git("switch", "--quiet", "-c", "mine", cwd=life.root)
    assert str(life.root) in life.close()
    assert life.root.exists()


def test_a_folder_that_is_no_worktree_any_more_is_left(repo: Repository, life: Life) -> None:
    life.keep(life.open())
    (life.root / ".git").unlink()
    assert str(life.root) in life.close()
    assert (life.root / "README.md").exists()


def test_a_merged_branch_can_be_dropped_and_no_other(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    life.keep(place)
    drop = life.workspaces.drop_merged
    assert life.close() == ""
    assert drop(str(repo.path), life.past) == ""
    assert repo.ok("rev-parse", "--verify", BRANCH)
    repo.git("merge", "--quiet", BRANCH)
    assert drop(str(repo.path), life.past) == BRANCH
    assert not repo.ok("rev-parse", "--verify", BRANCH)
    assert drop(str(repo.path), life.past) == ""
    assert drop(str(repo.path), History()) == ""


def test_many_jobs_of_one_repository_at_once(repo: Repository, tmp_path: Path) -> None:
    lives = [Life(tmp_path, repo.path, JobId(f"job-{number}")) for number in range(12)]

    def live(life: Life) -> None:
        for run in range(2):
            place = life.open()
            repo.write({f"{life.job}-{run}.txt": "x\n"}, life.root)
            life.keep(place)

    before = repo.state()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(live, lives))
    assert repo.state() == before
    for life in lives:
        assert set(repo.files(f"aq/wip/{life.job}")) == {*FIRST, f"{life.job}-0.txt", f"{life.job}-1.txt"}


# What is not simply on the branch.


def test_what_git_ignores_is_named(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"x.log": "x", "build/a/out": "x", "build/b": "x", "one.txt": "1\n"}, life.root)
    kept = life.keep(place)
    assert kept.named["ignored"] == ("build/", "x.log")
    assert kept.facts["named"] == {"ignored": ["build/", "x.log"]}


def test_in_place_what_the_person_has_git_ignore_is_not_told(repo: Repository, in_place: Life) -> None:
    repo.write({"x.log": "x"})
    assert "ignored" not in in_place.keep(in_place.open()).named


@pytest.mark.parametrize("how", ["--assume-unchanged", "--skip-worktree"])
def test_a_file_that_an_agent_told_git_not_to_look_at_is_saved(repo: Repository, life: Life, how: str) -> None:
    place = life.open()
    repo.git("update-index", how, "README.md", cwd=life.root)
    repo.write({"README.md": "mine\n"}, life.root)
    commit = life.beat(place)
    assert repo.files(commit)["README.md"] == "mine"
    life.keep(place)
    assert repo.files(BRANCH)["README.md"] == "mine"
    repo.git("update-index", how, "README.md", cwd=life.root)
    repo.write({"README.md": "later\n"}, life.root)
    assert "holds work" in life.close()


@pytest.mark.parametrize("how", ["--assume-unchanged", "--skip-worktree"])
def test_in_place_a_file_that_the_person_keeps_out_stays_out(repo: Repository, in_place: Life, how: str) -> None:
    repo.git("update-index", how, "README.md")
    repo.write({"README.md": "a password\n"})
    place = in_place.open()
    before = repo.state()
    in_place.keep(place)
    assert repo.state() == before
    assert repo.files(BRANCH)["README.md"] == "hello"


@pytest.mark.parametrize("many", [1, 400])
@pytest.mark.parametrize("tracked", [False, True])
def test_a_file_that_a_filter_refuses_keeps_no_other_from_being_saved(
    tmp_path: Path, repo: Repository, life: Life, many: int, tracked: bool
) -> None:
    """As where git-lfs is not installed, or a file is not in the encoding that it should be in."""
    repo.write({"old.big": "old\n"})
    repo.commit("files", {".gitattributes": "*.big filter=large\n*.u16 working-tree-encoding=UTF-16LE\n"})
    repo.git("config", "filter.large.clean", "false")
    repo.git("config", "filter.large.smudge", "cat")
    repo.git("config", "filter.large.required", "true")
    place = life.open()
    names = ["new.big", "odd.u16", *(["old.big"] if tracked else [])]
    repo.write({**dict.fromkeys(names, "new"), **{f"many/{number}": "x\n" for number in range(many)}}, life.root)
    kept = life.keep(place)
    assert repo.git("ls-tree", "-r", "--name-only", BRANCH, "many").count("\n") == many - 1
    assert sorted(kept.named["left_out"]) == sorted(names)
    assert "odd.u16: git hash-object" in kept.note
    copies = tmp_path / "runs" / JOB / "1" / "kept"
    assert {name: (copies / name).read_text() for name in names} == dict.fromkeys(names, "new")
    assert life.close() == ""
    place = life.open()
    assert (life.root / "new.big").read_text() == "new"
    assert place.lost == ((f"old.big, which is kept at {copies}/old.big",) if tracked else ())


def test_what_git_cannot_look_at_is_named_and_its_worktree_stays(repo: Repository, life: Life) -> None:
    """A folder too deep for a path: no permission keeps root from looking, this does."""
    place = life.open()
    repo.write({"new/one.txt": "1\n"}, life.root)
    above = os.open(life.root / "new", os.O_RDONLY)
    for _ in range(20):
        os.mkdir("deep" * 60, dir_fd=above)
        inner = os.open("deep" * 60, os.O_RDONLY, dir_fd=above)
        os.close(above)
        above = inner
    os.close(os.open("lost.txt", os.O_WRONLY | os.O_CREAT, dir_fd=above))
    os.close(above)
    kept = life.keep(place)
    assert "new/one.txt" in repo.files(BRANCH)
    assert kept.facts["not_saved"] == 1
    assert kept.named["not_saved"][0].startswith("could not open directory 'new/deep")
    assert "cannot be read" in life.close()


def test_a_filter_of_the_persons_that_is_broken_keeps_no_job_from_starting(repo: Repository, life: Life) -> None:
    repo.commit("files", {".gitattributes": "*.txt filter=broken\n"})
    repo.write({"mine.txt": "m\n"})
    repo.git("add", "mine.txt")
    repo.git("config", "filter.broken.process", "false")
    repo.git("config", "filter.broken.required", "true")
    repo.write({"mine.txt": "n\n", "new.txt": "new\n"})
    place = life.open()
    assert set(place.unseen) == {"mine.txt", "new.txt"}
    repo.write({"one.txt": "1\n", "plain": "p\n"}, life.root)
    kept = life.keep(place)
    assert kept.named["left_out"] == ("one.txt",)
    assert "plain" in repo.files(BRANCH)


def test_a_link_with_the_name_of_a_secret_is_a_link(repo: Repository, life: Life) -> None:
    place = life.open()
    os.symlink("../elsewhere.env", life.root / ".env")
    kept = life.keep(place)
    assert "left_out" not in kept.named
    assert repo.git("ls-tree", BRANCH, ".env").startswith("120000 blob")
    assert life.close() == ""


def test_what_an_agent_takes_off_its_branch_is_kept(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    first = str(life.keep(place).facts["wip_commit"])
    place = life.open()
    repo.git("reset", "--quiet", "--hard", "main", cwd=life.root)
    kept = life.keep(place)
    ref = f"refs/aq/rescued/{JOB}/{first[:12]}"
    assert (kept.named["rescued"], kept.facts["rescued"]) == ((ref,), 1)
    assert repo.files(ref)["one.txt"] == "1"


def test_the_commits_of_an_agent_that_deletes_its_branch_are_kept(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    repo.git("add", "-A", cwd=life.root)
    repo.git("commit", "--quiet", "-m", "mine", cwd=life.root)
    mine = repo.git("rev-parse", "HEAD", cwd=life.root)
    repo.git("update-ref", "-d", f"refs/heads/{BRANCH}")
    repo.write({"two.txt": "2\n"}, life.root)
    life.keep(place)
    assert repo.parents(BRANCH) == [mine]
    assert {"one.txt", "two.txt"} <= repo.files(BRANCH).keys()


def test_an_empty_worktree_is_filled_with_what_was_kept(repo: Repository, life: Life) -> None:
    place = life.open()
    repo.write({"one.txt": "1\n", ".env": "secret\n"}, life.root)
    life.keep(place)
    shutil.rmtree(life.root)
    life.root.mkdir()
    life.open()
    assert (life.root / ".env").read_text() == "secret\n"
    assert (life.root / "one.txt").read_text() == "1\n"


def test_what_an_agent_changes_of_configuration_and_hooks_is_named(repo: Repository, life: Life) -> None:
    repo.git("config", "remote.origin.url", "https://me:hunter2@example.org/a.git")
    repo.git("config", "core.hooksPath", "mine")
    place = life.open()
    before = (Path(place.run_folder or "") / "before.json").read_text()
    assert "hunter2" not in before
    for key, value in (("core.bare", "true"), ("core.hooksPath", "theirs"), ("core.worktree", "/nowhere")):
        repo.git("config", key, value, cwd=life.root)
    repo.git("config", "user.name", "an agent", cwd=life.root)
    repo.git("config", "branch.main.remote", "origin", cwd=life.root)
    (repo.path / ".git/hooks").mkdir(exist_ok=True)
    (repo.path / ".git/hooks/pre-commit").write_text("#!/bin/sh\n")
    repo.write({"one.txt": "1\n"}, life.root)
    kept = life.keep(place)
    assert kept.named["altered"] == ("hooks/pre-commit", "user.name")
    assert "user.name" in kept.note
    assert kept.named["settings_put_back"] == ("core.bare", "core.hookspath", "core.worktree")
    assert "put back: core.bare" in kept.note
    assert (repo.git("config", "core.bare"), repo.ok("config", "core.worktree")) == ("false", False)
    assert repo.git("config", "core.hooksPath") == "mine"
    assert "one.txt" in repo.files(BRANCH)
    assert "altered" not in life.keep(life.open()).named


def test_a_filter_that_an_agent_made_is_not_run_after_a_run_that_never_began(
    tmp_path: Path, repo: Repository, life: Life
) -> None:
    """The run between them was held before it had a workspace, and left no record."""
    repo.commit("attributes", {".gitattributes": "*.txt filter=planted\n"})
    place = life.open()
    repo.git("config", "filter.planted.clean", f"touch {tmp_path}/mark; cat", cwd=life.root)
    life.keep(place)
    life.past = replace(life.past, run=life.past.run + 1)
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    life.keep(place)
    assert life.close() == ""
    assert not (tmp_path / "mark").exists()


def test_a_person_goes_on_in_the_same_run_with_all_of_it_and_nothing_planted(
    tmp_path: Path, repo: Repository, life: Life
) -> None:
    repo.commit("attributes", {".gitattributes": "*.txt filter=planted\n"})
    place = life.open()
    repo.git("config", "filter.planted.clean", f"touch {tmp_path}/mark; cat", cwd=life.root)
    repo.write({"one.txt": "1\n", ".env": "secret\n"}, life.root)
    life.keep(place)
    shutil.rmtree(life.root)
    life.past = replace(life.past, run=life.past.run - 1)
    place = life.open()
    assert (life.root / ".env").read_text() == "secret\n"
    repo.write({"two.txt": "2\n"}, life.root)
    life.keep(place)
    assert "two.txt" in repo.files(BRANCH)
    assert not (tmp_path / "mark").exists()


def test_in_place_where_git_has_its_files_elsewhere_is_refused(tmp_path: Path, repo: Repository) -> None:
    (tmp_path / "elsewhere").mkdir()
    repo.git("config", "core.worktree", str(tmp_path / "elsewhere"))
    with pytest.raises(WorkspaceError, match="elsewhere"):
        Life(tmp_path, repo.path, workspace=Workspace.IN_PLACE).open()
    life = Life(tmp_path, repo.path)
    place = life.open()
    repo.write({"one.txt": "1\n"}, life.root)
    life.keep(place)
    assert "one.txt" in repo.files(BRANCH)
