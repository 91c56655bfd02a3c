"""What a worktree gets besides what git brings: copies, links and a setup, and none of it in a commit."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Agent, Aq, Jobs, wait_for
from .test_main_job import alive, journal, state

Git = Callable[..., str]


def configure(jobs: Jobs, **keys: object) -> None:
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    (jobs.queue / "config.toml").write_text(f"[workspace]\n{lines}")


@pytest.fixture
def project(repo: Path, git: Git) -> Path:
    """A checkout as people have it: dependencies that git ignores as folders, settings that are in no commit."""
    (repo / ".gitignore").write_text("node_modules/\n*.local\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "ignore")
    (repo / "node_modules").mkdir()
    (repo / "node_modules/left-pad.js").write_text("pad\n")
    (repo / "settings.local").write_text("port = 1\n")
    (repo / "config dir").mkdir()
    (repo / "config dir/[a].txt").write_text("a\n")
    return repo


def test_copies_and_links_are_there_and_in_no_commit(aq: Aq, jobs: Jobs, project: Path, git: Git) -> None:
    configure(jobs, link=["node_modules"], copy=["*.local", "config dir", "not-there"])
    body = (
        "cat node_modules/left-pad.js settings.local 'config dir/[a].txt' > seen.txt; git add -A; "
        "git -c user.name=a -c user.email=a@b commit -q -m mine"
    )
    job = jobs.add("equipped", body)
    aq("run", "--once")
    assert git(project, "show", f"aq/wip/{job}:seen.txt") == "pad\nport = 1\na"
    assert set(git(project, "ls-tree", "-r", "--name-only", f"aq/wip/{job}").splitlines()) == {
        ".gitignore", "README.md", "seen.txt"
    }  # fmt: skip
    work = jobs.queue / "work" / job
    assert (work / "node_modules").is_symlink()
    assert not (work / "settings.local").is_symlink()
    assert git(project, "status", "--porcelain") == '?? "config dir/"'
    assert "new, and not in git yet" not in aq("diff", job).out


def test_what_a_person_leaves_out_everywhere_is_left_out_still(
    aq: Aq, jobs: Jobs, project: Path, git: Git, home: Path
) -> None:
    (home / ".config/git").mkdir(parents=True, exist_ok=True)
    ignore = Path(os.environ.get("XDG_CONFIG_HOME", home / ".config")) / "git/ignore"
    ignore.parent.mkdir(parents=True, exist_ok=True)
    ignore.write_text("*.swp\n")
    configure(jobs, copy=["settings.local"])
    job = jobs.add("swp", "echo x > a.swp; echo y > b.txt")
    aq("run", "--once")
    assert "a.swp" not in git(project, "ls-tree", "-r", "--name-only", f"aq/wip/{job}")
    assert "b.txt" in git(project, "ls-tree", "-r", "--name-only", f"aq/wip/{job}")


def test_setup_runs_once_in_a_new_worktree_and_what_it_makes_is_in_no_commit(
    aq: Aq, jobs: Jobs, project: Path, git: Git, tmp_path: Path
) -> None:
    configure(jobs, setup=[f"echo ran >> {tmp_path}/ran; mkdir deps; echo dep > deps/a", "echo ready; pwd"])
    retry = "{max: 2, on: [crash]}"
    job = jobs.add("set-up", "cat deps/a; echo again >> work.txt; test $(wc -l < work.txt) -ge 2", retry=retry)
    aq("run", "--once")
    assert jobs.stage(job) == "review"
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert git(project, "ls-tree", "-r", "--name-only", f"aq/wip/{job}").split() == [
        ".gitignore",
        "README.md",
        "work.txt",
    ]
    said = aq("logs", job, "--setup", "--run", "1").out
    assert said.splitlines()[1:] == ["+ echo ready; pwd", "ready", str(jobs.queue / "work" / job)]
    shutil.rmtree(jobs.queue / "work" / job)
    aq("requeue", job)
    aq("run", "--once")
    assert (tmp_path / "ran").read_text() == "ran\n" * 2, "a worktree that is made again is set up again"


def test_a_setup_that_fails_is_a_failure_of_its_own_and_the_agent_is_not_started(
    aq: Aq, jobs: Jobs, project: Path, agent: Agent, tmp_path: Path
) -> None:
    configure(jobs, setup=f"echo installing; test -e {tmp_path}/go && exit 0; touch {tmp_path}/go; exit 4")
    agent.plays(f"cat > {tmp_path}/prompt")
    once = jobs.add("once", "Do it.", engine="claude")
    aq("run", "--once", check=1)
    assert (state(aq, once)["result"], state(aq, once).get("exit")) == ("setup_failed", None)
    assert not (tmp_path / "prompt").exists()
    assert "installing" in aq("logs", once, "--setup").out
    assert "aq logs --setup" in aq("show", once).out
    (tmp_path / "go").unlink()
    again = jobs.add("again", "Do it.", engine="claude", retry="{max: 1, on: [setup_failed]}")
    aq("run", "--once")
    assert jobs.stage(again) == "review"
    assert "`setup_failed`: the workspace could not be made ready" in (tmp_path / "prompt").read_text()


def test_a_setup_past_its_time_is_ended_with_all_its_processes(aq: Aq, jobs: Jobs, project: Path) -> None:
    marker = f"8484{os.getpid()}"
    configure(jobs, setup=f"(setsid sleep {marker} &); sleep {marker}", setup_timeout="1s")
    job = jobs.add("slow", "true")
    aq("run", "--once", check=1)
    assert state(aq, job)["result"] == "setup_failed"
    assert alive(f"sleep {marker}") == []


@pytest.mark.parametrize("supervised", [True, False])
def test_cancel_ends_a_setup(aq: Aq, jobs: Jobs, project: Path, tmp_path: Path, supervised: bool) -> None:
    marker = f"8585{os.getpid()}{int(supervised)}"
    configure(jobs, setup=f"touch {tmp_path}/on; sleep {marker}")
    job = jobs.add("cancelled", f"touch {tmp_path}/never")
    with aq.started("run") as supervisor:
        wait_for((tmp_path / "on").exists)
        if not supervised:
            supervisor.kill()
            supervisor.wait()
        aq("cancel", job)
    assert (jobs.stage(job), state(aq, job)["result"]) == ("failed", "cancelled")
    assert alive(f"sleep {marker}") == []
    assert not (tmp_path / "never").exists()


def test_stop_now_ends_a_setup_and_charges_nothing(aq: Aq, jobs: Jobs, project: Path, tmp_path: Path) -> None:
    marker = f"8686{os.getpid()}"
    configure(jobs, setup=f"test -e {tmp_path}/on || {{ touch {tmp_path}/on; sleep {marker}; }}")
    job = jobs.add("stopped", "echo done > done.txt")
    with aq.started("run"):
        wait_for((tmp_path / "on").exists)
        assert "running" in aq("status").out.lower()
        aq("stop", "--now")
    assert (jobs.stage(job), state(aq, job)["attempts"]) == ("inbox", 0)
    assert alive(f"sleep {marker}") == []
    aq("run", "--once")
    assert jobs.stage(job) == "review"


def test_a_setup_cut_off_by_a_crash_runs_again_and_leaves_nothing_on_the_branch(
    aq: Aq, jobs: Jobs, project: Path, git: Git, tmp_path: Path
) -> None:
    marker = f"8787{os.getpid()}"
    half = f"echo half > half.txt; test -e {tmp_path}/on || {{ touch {tmp_path}/on; sleep {marker}; }}"
    configure(jobs, setup=half)
    job = jobs.add("crashed", "echo done > done.txt")
    with aq.started("run") as supervisor:
        wait_for((tmp_path / "on").exists)
        record = jobs.run_folder(job) / "setup/run.json"
        wait_for(record.exists)
        supervisor.kill()
        os.kill(int(json.loads(record.read_text())["shim"]), 9)
        supervisor.wait()
    aq("run", "--once")
    assert jobs.stage(job) == "review"
    assert alive(f"sleep {marker}") == []
    assert git(project, "ls-tree", "-r", "--name-only", f"aq/wip/{job}").split() == [
        ".gitignore",
        "README.md",
        "done.txt",
    ]
    assert [entry.get("move") for entry in journal(jobs.queue, job) if entry["event"] == "move"] == [
        "begin", "recover", "begin", "advance"
    ]  # fmt: skip


def test_in_place_and_outside_of_git_nothing_is_put_and_no_setup_runs(
    aq: Aq, jobs: Jobs, project: Path, tmp_path: Path
) -> None:
    configure(jobs, setup=f"touch {tmp_path}/ran", copy=["settings.local"], link=["node_modules"])
    jobs.add("here", "true", workspace="in-place")
    plain = tmp_path / "plain"
    plain.mkdir()
    jobs.add("plain", "true", cwd=plain)
    aq("run", "--once")
    assert not (tmp_path / "ran").exists()
    assert list(plain.iterdir()) == []


def test_an_agent_that_changed_a_copy_loses_nothing(aq: Aq, jobs: Jobs, project: Path) -> None:
    configure(jobs, copy=["settings.local"], link=["node_modules"])
    job = jobs.add("changed", "echo port = 2 > settings.local", verify="true")
    aq("run", "--once")
    shipped = aq("ship", job)
    assert "settings.local" in shipped.err
    assert (jobs.queue / "work" / job / "settings.local").read_text() == "port = 2\n"
    assert (project / "settings.local").read_text() == "port = 1\n"


@pytest.mark.parametrize("bad", ["/etc/passwd", "~/x", "../x", "a/../../x", ".git/hooks", "a/.git"])
def test_a_path_that_leads_out_of_the_repository_is_refused(aq: Aq, jobs: Jobs, bad: str) -> None:
    configure(jobs, copy=[bad])
    assert "no path below the repository" in aq("run", "--once", check=78).err


def test_a_link_planted_in_the_way_leads_no_copy_out(aq: Aq, jobs: Jobs, project: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (project / "sub").mkdir()
    (project / "sub/x.local").write_text("x\n")
    job = jobs.add("planter", f"test -e sub || {{ ln -s {outside} sub; exit 1; }}", retry="{max: 1, on: [crash]}")
    aq("run", "--once", check=None)
    configure(jobs, copy=["sub/x.local"])
    aq("requeue", job, check=None)
    aq("run", "--once", check=None)
    assert list(outside.iterdir()) == []
