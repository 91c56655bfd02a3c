"""What a person does with the work: merge it, push it, open a pull request, go on with the conversation."""

import json
import os
import pty
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import AQ, SESSION, Agent, Aq, Jobs, begun, done, wait_for

Git = Callable[..., str]


@pytest.fixture
def job(aq: Aq, jobs: Jobs) -> str:
    """One that wrote a file and rests in review."""
    found = jobs.add("fix-total", "echo fixed > fix.txt")
    aq("run", "--once")
    return found


@pytest.fixture
def remote(home: Path, repo: Path, git: Git) -> Path:
    folder = home / "remote.git"
    subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", str(folder)], check=True)
    git(repo, "remote", "add", "origin", str(folder))
    git(repo, "push", "-q", "origin", "main")
    return folder


def refs(git: Git, remote: Path) -> dict[str, str]:
    rows = (row.split() for row in git(remote, "for-each-ref", "--format=%(refname) %(objectname)").splitlines())
    return {row[0]: row[1] for row in rows}


def journal(jobs: Jobs, job: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (jobs.queue / "journal" / f"{job}.jsonl").read_text().splitlines()]


def test_merge_brings_the_work_into_the_base_and_says_so(aq: Aq, jobs: Jobs, job: str, repo: Path, git: Git) -> None:
    (repo / "README.md").write_text("not committed\n")
    said = aq("merge", "fix-total")
    assert said.lines == [
        f"main went forward to aq/wip/{job}: 1 file",
        f"updated {repo}".replace(str(Path.home()), "~"),
    ]
    assert (repo / "fix.txt").read_text() == "fixed\n"
    assert git(repo, "status", "--porcelain") == " M README.md"
    assert aq("merge", job).lines == [f"main has all of aq/wip/{job} already"]
    assert [entry["branch"] for entry in journal(jobs, job) if entry["event"] == "merged"] == ["main"]


def test_merge_tells_a_program_all_of_it(aq: Aq, job: str, repo: Path, git: Git) -> None:
    git(repo, "switch", "-q", "-c", "other")
    told = aq("merge", job, "--into", "main", "--json").json()
    assert told["schema_version"] == 1
    assert (told["job"], told["into"], told["how"], told["checkout"]) == (job, "main", "fast-forward", "")
    assert told["files"] == ["fix.txt"]
    assert told["after"] == git(repo, "rev-parse", "main")


def test_merge_refuses_with_the_files_and_changes_nothing(aq: Aq, job: str, repo: Path, git: Git) -> None:
    (repo / "fix.txt").write_text("mine\n")
    refused = aq("merge", job, check=1)
    assert "\n    fix.txt\n" in refused.err
    assert "commit or stash" in refused.err
    assert (repo / "fix.txt").read_text() == "mine\n"
    git(repo, "add", "fix.txt")
    git(repo, "commit", "-q", "-m", "mine")
    assert "in conflict over\n    fix.txt\n" in aq("merge", job, check=1).err


def test_a_job_in_work_is_not_merged_pushed_or_gone_on_with(aq: Aq, jobs: Jobs, tmp_path: Path, remote: Path) -> None:
    go = tmp_path / "go"
    running = jobs.add("long", f"touch {tmp_path}/on; until [ -e {go} ]; do sleep 0.05; done")
    with aq.started("run", "--once"):
        wait_for((tmp_path / "on").exists)
        assert "is running" in aq("merge", running, check=75).err
        assert "is running" in aq("push", running, check=75).err
        go.touch()
        jobs.wait(running, "review")


def test_a_job_without_a_branch_has_nothing_to_merge(aq: Aq, jobs: Jobs, tmp_path: Path, job: str, repo: Path) -> None:
    waiting = jobs.add("waiting", "true")
    assert "has not run yet" in aq("merge", waiting, check=1).err
    aq("cancel", waiting)
    plain = jobs.add("plain", "true", cwd=tmp_path)
    aq("run", "--once")
    assert "outside of git" in aq("merge", plain, check=1).err
    subprocess.run(["git", "-C", str(jobs.queue / "work" / job), "switch", "-q", "--detach"], check=True)
    subprocess.run(["git", "-C", str(repo), "branch", "-q", "-D", f"aq/wip/{job}"], check=True)
    assert "any more" in aq("merge", job, check=1).err


def test_push_gives_the_branch_a_name_of_its_own(
    aq: Aq, jobs: Jobs, job: str, remote: Path, repo: Path, git: Git
) -> None:
    before = refs(git, remote)
    told = aq("push", "fix-total", "--json").json()
    assert (told["name"], told["remote"], told["new"], told["pull_request"]) == (f"aq/{job}", "origin", True, None)
    assert refs(git, remote) == {**before, f"refs/heads/aq/{job}": git(repo, "rev-parse", f"aq/wip/{job}")}
    assert "is already at" in aq("push", job).out
    assert [entry["branch"] for entry in journal(jobs, job) if entry["event"] == "pushed"] == [f"aq/{job}"] * 2


@pytest.mark.parametrize("name", ["main", "master", "HEAD", "a b", "-d", "trunk"])
def test_push_never_touches_what_is_not_the_jobs(aq: Aq, job: str, remote: Path, git: Git, name: str) -> None:
    before = refs(git, remote)
    assert aq("push", job, f"--as={name}", check=1).err.startswith("aq: ")
    assert refs(git, remote) == before


def test_push_never_touches_the_remotes_default_branch_whatever_its_name(
    aq: Aq, job: str, remote: Path, repo: Path, git: Git
) -> None:
    git(repo, "push", "-q", "origin", "main:develop")
    git(remote, "symbolic-ref", "HEAD", "refs/heads/develop")
    git(repo, "fetch", "-q", "origin")
    git(repo, "remote", "set-head", "origin", "develop")
    before = refs(git, remote)
    assert "is not a job's to push" in aq("push", job, "--as", "develop", check=1).err
    assert refs(git, remote) == before


def test_push_is_never_forced(aq: Aq, job: str, remote: Path, repo: Path, git: Git) -> None:
    aq("push", job)
    git(repo, "config", "--add", "remote.origin.push", "+refs/heads/*:refs/heads/*")
    other = git(repo, "commit-tree", "main^{tree}", "-m", "somebody else's")
    git(repo, "push", "-q", "-f", str(remote), f"{other}:refs/heads/aq/{job}")
    before = refs(git, remote)
    refused = aq("push", job, check=1)
    assert "--as NAME" in refused.err
    assert refs(git, remote) == before
    aq("push", job, "--as", "second-try")
    assert "refs/heads/second-try" in refs(git, remote)


def test_push_where_there_is_nothing_or_nobody(aq: Aq, jobs: Jobs, job: str, repo: Path, git: Git) -> None:
    assert "git remote add" in aq("push", job, check=1).err
    git(repo, "remote", "add", "origin", "/no/such/place.git")
    assert "cannot be" not in aq("push", job, check=69).err
    assert "there is origin" in aq("push", job, "--remote", "upstream", check=1).err
    idle = jobs.add("idle", "true")
    aq("run", "--once")
    assert "changed nothing" in aq("push", idle, check=1).err


def test_push_shows_no_password(aq: Aq, job: str, remote: Path, repo: Path, git: Git) -> None:
    git(repo, "remote", "set-url", "--push", "origin", str(remote))
    git(repo, "remote", "set-url", "origin", "https://me:hunter2@example.org/a.git")
    told = aq("push", job)
    assert "hunter2" not in told.out + told.err
    assert "https://example.org/a.git" in told.out


def without_gh(home: Path) -> str:
    """A PATH with git and no gh."""
    folder = home / "no-gh"
    folder.mkdir()
    for name in ("git", "sh"):
        (folder / name).symlink_to(shutil.which(name) or "")
    return str(folder)


def test_a_pull_request_is_opened_with_gh(aq: Aq, jobs: Jobs, job: str, remote: Path, home: Path) -> None:
    gh = home / "bin" / "gh"
    gh.parent.mkdir(exist_ok=True)
    gh.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {home}/said\necho https://example.org/pull/7\n')
    gh.chmod(0o755)
    path = {"PATH": f"{gh.parent}:{os.environ['PATH']}"}
    told = aq("push", job, "--pr", env=path)
    assert told.lines[-1] == "https://example.org/pull/7"
    assert (home / "said").read_text().splitlines() == [
        "pr", "create", "--head", f"aq/{job}", "--base", "main", "--title", "fix total",
        "--body", f"Job `{job}` of agent-queue, 1 files changed."
    ]  # fmt: skip
    gh.write_text("#!/bin/sh\necho 'a pull request already exists' >&2\nexit 1\n")
    assert "already exists" in aq("push", job, "--pr", "--title", "T", env=path, check=1).err


def test_without_gh_it_is_pushed_all_the_same_and_said(aq: Aq, job: str, remote: Path, home: Path, git: Git) -> None:
    said = aq("push", job, "--pr", env={"PATH": without_gh(home)}, check=69)
    assert "gh, which is not installed" in said.err
    assert f"refs/heads/aq/{job}" in refs(git, remote)


def claude(aq: Aq, jobs: Jobs, agent: Agent) -> str:
    agent.tells(*begun(), done(), then="echo one >> work.txt")
    job = jobs.add("talk", "Do it.", engine="claude")
    aq("run", "--once")
    return job


def test_continue_prints_the_programs_own_command(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    job = claude(aq, jobs, agent)
    worktree = jobs.queue / "work" / job
    assert aq("continue", job).lines == [f"cd {worktree} && {agent.program} --resume {SESSION}"]
    told = aq("continue", "talk", "--json").json()
    assert (told["cwd"], told["argv"]) == (str(worktree), [str(agent.program), "--resume", SESSION])


def test_continue_without_a_conversation_says_so(aq: Aq, jobs: Jobs, agent: Agent, job: str) -> None:
    assert "no conversation" in aq("continue", job, check=1).err
    assert "has not run yet" in aq("continue", jobs.add("new", "true"), check=1).err
    talk = claude(aq, jobs, agent)
    agent.program.unlink()
    assert "not here any more" in aq("continue", talk, check=69).err


@pytest.mark.parametrize("there", [True, False], ids=["worktree", "worktree removed"])
def test_continue_on_a_terminal_starts_it_and_saves_what_was_done(
    aq: Aq, jobs: Jobs, agent: Agent, repo: Path, git: Git, there: bool
) -> None:
    job = claude(aq, jobs, agent)
    if not there:
        shutil.rmtree(jobs.queue / "work" / job)
    agent.plays('test -t 0 || exit 9; echo "$@" > said.txt; read line; echo "$line" >> work.txt; echo s > .env')
    leader, follower = pty.openpty()
    process = subprocess.Popen([*AQ, "continue", job], stdin=follower, stdout=follower, stderr=follower,
                               env={**os.environ, **aq.env}, start_new_session=True)  # fmt: skip
    os.close(follower)
    wait_for((jobs.queue / "work" / job / "said.txt").exists)
    aq("promote", job, check=75)
    aq("promote", job, check=75)
    os.write(leader, b"two\n")
    assert process.wait(timeout=30) == 0
    os.close(leader)
    assert git(repo, "show", f"aq/wip/{job}:work.txt") == "one\ntwo"
    assert git(repo, "show", f"aq/wip/{job}:said.txt") == f"--resume {SESSION}"
    assert "continued by a person" in git(repo, "log", "-1", "--format=%s", f"aq/wip/{job}")
    assert [entry["files_changed"] for entry in journal(jobs, job) if entry["event"] == "continued"] == [2]
    assert "kept/:\n    .env\n" in aq("show", job).out


def test_diff_of_one_run(aq: Aq, jobs: Jobs, repo: Path) -> None:
    job = jobs.add("twice", 'echo line >> "file-$(ls | grep -c file).txt"; exit 1', retry="{max: 1, on: [crash]}")
    aq("run", "--once", check=1)

    def changed(*arguments: str) -> list[str]:
        return [row["path"] for row in aq("diff", job, "--json", *arguments).json()["files"]]

    assert changed() == ["file-0.txt", "file-1.txt"]
    assert changed("--run", "1") == ["file-0.txt"]
    assert changed("--run", "2") == ["file-1.txt"]
    assert "+line" in aq("diff", job, "--run", "2", "--patch").out
    assert "it has had 2" in aq("diff", job, "--run", "3", check=2).err
    aq("requeue", job, "--fresh")
    aq("run", "--once", check=1)
    assert changed("--run", "3") == ["file-0.txt"]
