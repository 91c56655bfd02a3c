"""What jobs say, what agents say and what the environment holds stays where it belongs: canaries in each, and a search.

A canary is a word that stands nowhere else. Journal, caches, names, branches, commits, arguments and figures may hold
none; the job's own file, its run folder and the views of it may hold those of the prompt and of the agent. This is
harness I of the crash harnesses: how many places were looked at stands in docs/reliability.md.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crash.report import record

from .conftest import Agent, Aq, Jobs, begun, done, wait_for

PROMPT, SAID, FAILED = "canaryofprompt", "canaryofagent", "canaryoffailure"
PASSED, HIDDEN, SET = "canarypassed-9f8e7d", "canaryhidden-1a2b3c", "canaryset-4d5e6f"
OURS = (PROMPT, SAID, FAILED, PASSED, HIDDEN, SET)
BODY = f"# Mend the total\n\nThe rows are wrong: {PROMPT}, see there.\n"


looked_at = Counter[str]()


@pytest.fixture(autouse=True)
def counted(request: pytest.FixtureRequest) -> Iterator[None]:
    """Write down how many texts were searched by the test."""
    looked_at.clear()
    yield
    record(f"I canaries, {request.node.name}", tried=looked_at["texts"], bad=0)


def found_in(text: str | bytes) -> list[str]:
    looked_at["texts"] += 1
    data = text if isinstance(text, bytes) else text.encode()
    return [canary for canary in OURS if canary.encode() in data]


def leaks(folder: Path) -> dict[str, list[str]]:
    """The canaries in the files of a folder, and in their names."""
    found: dict[str, list[str]] = {}
    for path in folder.rglob("*"):
        if path.is_file() and (told := found_in(path.read_bytes()) + found_in(path.name)):
            found[str(path.relative_to(folder))] = told
    return found


def arguments() -> Iterator[bytes]:
    """The command lines of every process of this machine."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                yield (folder / "cmdline").read_bytes()
            except OSError:
                continue


@pytest.fixture
def world(aq: Aq, queue: Path, agent: Agent) -> Path:
    """A queue in whose environment and configuration there are secrets."""
    (queue / "config.toml").write_text(f'[env]\npass = ["OUR_TOKEN"]\n[engines.claude.env]\nTHEIR_KEY = "{SET}"\n')
    aq.env |= {"OUR_TOKEN": PASSED, "OTHER_SECRET": HIDDEN}
    return queue


def quoting(agent: Agent, *, gate: Path | None = None, fails: bool = False) -> None:
    """An agent that repeats all it sees, and writes it into its work."""
    text = f"{SAID} {PASSED} {SET}"
    end = done(f"{FAILED} {PASSED}") | ({"is_error": True} if fails else {})
    wait = f"while [ ! -e {gate} ]; do sleep 0.02; done; " if gate else ""
    agent.tells(*begun(text, tools=[("Bash", {"command": f"echo {text}"})]), end, then=f"{wait}cat > copy.txt")


def test_nothing_is_told_elsewhere(
    world: Path, aq: Aq, jobs: Jobs, agent: Agent, repo: Path, git: Callable[..., str], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    quoting(agent, gate=gate)
    job = jobs.add("mend", BODY, engine="claude", verify=f"echo {SAID} $OUR_TOKEN $OTHER_SECRET")
    with aq.started("run") as process:
        wait_for(lambda: (jobs.run_folder(job) / "agent.log").exists() and aq("logs", job).out, "its output")
        if Path("/proc").exists():
            assert [line for line in arguments() if found_in(line)] == []
        aq("status")
        gate.touch()
        jobs.wait(job, "testing")
        assert process.poll() is None
    quoting(agent, fails=True)
    aq("requeue", job)
    aq("run", "--once", check=1)
    assert jobs.stage(job) == "failed"
    for told in (aq("insights"), aq("insights", job), aq("insights", "--json"), aq("insights", job, "--csv")):
        assert found_in(told.data) == []
    aq("status", "--json")
    for folder in ("journal", ".aq", "lanes", "locks", "outbox"):
        assert leaks(world / folder) == {}, folder
    names = [path.name for path in world.rglob("*")]
    assert found_in("\n".join(names)) == []
    assert found_in(git(repo, "for-each-ref")) == []
    assert found_in(git(repo, "log", "--all", "--format=%an %ae %cn %ce %B %N")) == []


def test_the_views_show_no_secret_and_the_owner_has_the_bytes(world: Path, aq: Aq, jobs: Jobs, agent: Agent) -> None:
    quoting(agent, fails=True)
    job = jobs.add("mend", BODY, engine="claude")
    aq("run", "--once", check=1)
    log = aq("logs", job).out
    assert {PASSED, SET}.isdisjoint(found_in(log))
    assert "[OUR_TOKEN]" in log
    assert "[THEIR_KEY]" in log
    assert {SAID, PASSED, SET} <= set(found_in(aq("logs", job, "--raw").out))
    for view in (
        aq("show", job),
        aq("show", job, "--json"),
        aq("status"),
        aq("status", "--json"),
        aq("status", "--wide"),
    ):
        assert {PASSED, HIDDEN, SET}.isdisjoint(found_in(view.data))
    assert FAILED in aq("show", job).out, "why it failed is told"
    raw = [path for path in (world / "runs").rglob("*") if path.is_file()]
    assert raw
    assert {oct(path.stat().st_mode & 0o777) for path in raw} <= {"0o600"}
    assert {
        oct(path.stat().st_mode & 0o777) for path in world.rglob("*") if path.is_dir() and "work" not in path.parts
    } <= {"0o700"}


def test_the_log_of_a_verify_shows_no_secret(world: Path, aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("mend", "true", verify='echo "with $OUR_TOKEN"; printf "and sk-ant-api03-0123456789abcdefghij"')
    aq("run", "--once")
    assert aq("logs", job, "--verify").lines[-2:] == ["with [OUR_TOKEN]", "and [redacted]"]
    assert PASSED in aq("logs", job, "--verify", "--raw").out


def test_a_secret_that_is_not_passed_never_reaches_an_agent(world: Path, aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("mend", "env > seen.txt; cat seen.txt")
    aq("run", "--once")
    seen = aq("logs", job, "--raw").out
    assert PASSED in seen
    assert HIDDEN not in seen
    assert os.environ.get("HOME", "") in seen


def test_a_canary_is_seen(tmp_path: Path) -> None:
    """The search above can fail."""
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / f"{SAID}.jsonl").write_text(f'{{"event": "{PROMPT}"}}\n')
    assert leaks(tmp_path) == {f"journal/{SAID}.jsonl": [PROMPT, SAID]}
