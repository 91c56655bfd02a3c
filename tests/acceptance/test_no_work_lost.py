"""No work is lost, whatever ends a run: what lay there a moment before the end is on the job's branch afterwards."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Agent, Aq, Jobs, begun, wait_for

LAST = "echo written >last.txt; touch {ready}; "
FOREVER = "sleep 1000"
Git = Callable[..., str]


def saved(git: Git, repo: Path, job: str) -> str:
    """What the job's branch holds of the file that was written last."""
    return git(repo, "show", f"aq/wip/{job}:last.txt")


def shim(jobs: Jobs, job: str) -> dict[str, int]:
    found: dict[str, int] = json.loads((jobs.run_folder(job) / "run.json").read_text())
    return found


@pytest.fixture(params=["worktree", "in-place"])
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    return tmp_path / "ready"


@pytest.mark.parametrize(
    ("end", "keys", "result"),
    [
        ("exit 0", {}, "review"),
        ("exit 3", {}, "crash"),
        (FOREVER, {"timeout": "1s"}, "timeout"),
        (FOREVER, {"budget": "{wall: 1s}"}, "budget_exceeded"),
        ("kill -KILL $$", {}, "crash"),
    ],
    ids=["success", "failure", "timeout", "budget", "killed agent"],
)
def test_a_run_that_ends_by_itself(
    aq: Aq, jobs: Jobs, git: Git, repo: Path, ready: Path, place: str, end: str, keys: dict[str, str], result: str
) -> None:  # fmt: skip
    job = jobs.add("ends", LAST.format(ready=ready) + end, workspace=place, **keys)
    aq("run", "--once", check=None)
    assert saved(git, repo, job) == "written"
    assert aq("show", job, "--json").json()["state"]["result"] == result


def test_a_run_that_falls_silent(
    aq: Aq, jobs: Jobs, git: Git, repo: Path, queue: Path, agent: Agent, ready: Path, place: str
) -> None:  # fmt: skip
    (queue / "config.toml").write_text('[run]\nstall_stop = "1s"\n')
    agent.tells(*begun(), then=LAST.format(ready=ready) + FOREVER)
    job = jobs.add("silent", "Do it.", workspace=place, engine="claude", yolo="true")
    aq("run", "--once", check=None)
    assert saved(git, repo, job) == "written"
    assert aq("show", job, "--json").json()["state"]["result"] == "stalled"


@pytest.mark.parametrize("how", ["SIGINT twice", "SIGTERM", "stop --now", "cancel"])
def test_a_run_that_is_stopped(
    aq: Aq, jobs: Jobs, git: Git, repo: Path, ready: Path, place: str, how: str
) -> None:  # fmt: skip
    job = jobs.add("stopped", LAST.format(ready=ready) + FOREVER, workspace=place)
    with aq.started("run") as supervisor:
        wait_for(ready.exists, "the agent")
        match how:
            case "SIGINT twice":
                supervisor.send_signal(signal.SIGINT)
                supervisor.send_signal(signal.SIGINT)
                wait_for(lambda: supervisor.poll() is not None or supervisor.send_signal(signal.SIGINT), "the end")
            case "SIGTERM":
                supervisor.send_signal(signal.SIGTERM)
            case "stop --now":
                aq("stop", "--now")
            case _:
                aq("cancel", job)
        jobs.wait(job, "failed" if how == "cancel" else "inbox")
    assert saved(git, repo, job) == "written"


@pytest.mark.parametrize("whom", ["supervisor", "shim", "all of them"])
def test_a_run_whose_process_is_killed(
    aq: Aq, jobs: Jobs, git: Git, repo: Path, ready: Path, place: str, whom: str
) -> None:  # fmt: skip
    """`all of them`, at one moment, is what a reboot and the kernel's out-of-memory killer leave to recovery."""
    job = jobs.add("killed", LAST.format(ready=ready) + FOREVER, workspace=place)
    with aq.started("run") as supervisor:
        wait_for(ready.exists, "the agent")
        record = shim(jobs, job)
        if whom != "shim":
            supervisor.kill()
            supervisor.wait()
        if whom != "supervisor":
            os.kill(record["shim"], signal.SIGKILL)
            jobs.wait(job, "inbox", "building")
    if whom == "all of them":
        os.killpg(record["pid"], signal.SIGKILL)
    aq("cancel", job, check=None)  # the next caller finds what was left, and saves it
    wait_for(lambda: aq("recover", check=None).code == 0 and jobs.stage(job) in ("failed", "inbox"), "recovery")
    assert saved(git, repo, job) == "written"


@pytest.mark.parametrize(
    "deed",
    [
        "git checkout -B main && git commit -qm mine", "git reset -q --hard", "git stash -u", "git branch -D feature",
        'git worktree remove --force --force "$PWD"', 'rm -rf "$PWD"', "rm -rf .git && git init -q .",
        "touch .git-lock; git rebase -q --onto feature HEAD~1; touch $(git rev-parse --git-dir)/index.lock",
    ],
)  # fmt: skip
def test_an_agent_that_throws_things_away(
    aq: Aq, jobs: Jobs, git: Git, repo: Path, queue: Path, ready: Path, deed: str
) -> None:  # fmt: skip
    """Nothing that a beat had saved is lost, what is the user's is as it was, and the next run begins in good order."""
    (queue / "config.toml").write_text('[run]\ncheckpoint_every = "1s"\n')
    for key, value in (("user.name", "somebody"), ("user.email", "somebody@localhost")):
        git(repo, "config", key, value)
    git(repo, "branch", "feature")
    (repo / "README.md").write_text("stashed\n")
    git(repo, "stash", "push", "-q")

    def theirs() -> tuple[str, ...]:
        refs = [row for row in git(repo, "for-each-ref").splitlines() if "/aq/" not in row]
        return (
            *refs,
            git(repo, "stash", "list"),
            git(repo, "status", "--porcelain"),
            git(repo, "symbolic-ref", "HEAD"),
        )

    before = theirs()
    wait = f"while [ ! -e {ready} ]; do sleep 0.05; done"
    job = jobs.add("careless", f"echo written >last.txt; git add -A; {wait}; {deed}")
    with aq.started("run"):
        ref = f"refs/aq/snapshots/{job}"
        wait_for(lambda: ref in git(repo, "for-each-ref", "--format=%(refname)", "refs/aq"), "a beat")
        ready.touch()
        jobs.wait(job, "review", "failed")
    assert theirs() == before
    assert git(repo, "show", f"{ref}:last.txt") == "written"
    if "reset" not in deed:
        assert saved(git, repo, job) == "written"
    aq("requeue", job)
    again = f"---\nengine: shell\ncwd: {repo}\n---\ngit commit -q --allow-empty -m fine && git status\n"
    (queue / "inbox" / f"{job}.md").write_text(again)
    ran = aq("run", "--once")
    assert jobs.stage(job) == "review", ran.err + ran.out
    assert git(repo, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert git(queue / "work" / job, "symbolic-ref", "HEAD") == f"refs/heads/aq/wip/{job}"


def test_what_is_not_on_the_branch_is_named_kept_and_put_back(aq: Aq, jobs: Jobs, git: Git, repo: Path) -> None:
    """A repository that the agent begins in its worktree, a secret, what git ignores; then the worktree is deleted."""
    (repo / ".gitignore").write_text("*.log\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "ignore")
    first = (
        "git init -q tool; cd tool; echo one > one.txt; git add -A; "
        "git -c user.name=a -c user.email=a@b commit -qm one; "
        "echo two > two.txt; cd ..; echo secret > .env; echo x > run.log; exit 1"
    )
    job = jobs.add("names", f"[ -e tool ] || {{ {first}; }}; cat tool/two.txt .env > seen.txt")
    aq("run", "--once", check=1)
    shown = aq("show", job).out
    for words in ("kept beside the run in kept/:\n    .env\n", "in nested/:\n    tool\n", "alone:\n    run.log\n"):
        assert words in shown
    told = [json.loads(line) for line in (jobs.queue / "journal" / f"{job}.jsonl").read_text().splitlines()]
    named = next(entry["named"] for entry in told if entry["event"] == "ended")
    assert named == {"left_out": [".env"], "nested": ["tool"], "ignored": ["run.log"]}
    shutil.rmtree(jobs.queue / "work" / job)
    aq("requeue", job)
    aq("run", "--once")
    assert git(repo, "show", f"aq/wip/{job}:seen.txt") == "two\nsecret"
    work = jobs.queue / "work" / job / "tool"
    assert (git(work, "status", "--porcelain"), git(work, "log", "--format=%s")) == ("?? two.txt", "one")
