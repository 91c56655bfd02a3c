"""Every way a run can end, in a worktree and in-place: what it wrote is on the job's branch, lies there for the next
attempt, and that attempt's agent was told how it came to be there.
"""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .conftest import SESSION, Agent, Aq, Jobs, begun, done, wait_for

Git = Callable[..., str]
BODY = "Write it.\n\n  $(echo the body stays as it is)"
RETRY = "{max: 1, on: [crash, timeout, stalled, budget_exceeded, verify_failed]}"
FOREVER = "sleep 600 & wait"

AGENT = """
number=$(ls {seen} | grep -c prompt); cat > {seen}/prompt.$number; ls > {seen}/files.$number
cat <<'END'
{hello}
END
[ $number -gt 0 ] && {{ echo '{end}'; exit 0; }}
echo 'written one second before' > last.txt
touch {seen}/on
sleep 1
{ending}
"""
"""Its first run writes a file, and ends in one way or another a second later; the second one ends well."""


@dataclass
class Story:
    """One job whose first run ends in some way."""

    aq: Aq
    jobs: Jobs
    agent: Agent
    repo: Path
    git: Git
    seen: Path
    workspace: str
    job: str = ""

    def begins(self, ending: str, **keys: Any) -> None:
        hello = "\n".join(json.dumps(event, separators=(",", ":")) for event in begun())
        end = json.dumps(done(), separators=(",", ":"))
        self.agent.plays(AGENT.format(seen=self.seen, hello=hello, end=end, ending=ending))
        said = {"retry": RETRY, **keys}
        self.job = self.jobs.add("story", BODY, engine="claude", workspace=self.workspace, **said)

    def runs(self, deed: Callable[[Any], object]) -> None:
        """A supervisor runs until the agent has written its file; then something happens to it."""
        with self.aq.started("run") as supervisor:
            wait_for((self.seen / "on").exists)
            wait_for((self.jobs.run_folder(self.job) / "run.json").exists)
            deed(supervisor)

    def process(self, who: str) -> int:
        return int(json.loads((self.jobs.run_folder(self.job) / "run.json").read_text())[who])

    def kept(self) -> str:
        return self.git(self.repo, "show", f"aq/wip/{self.job}:last.txt")


@pytest.fixture(params=["worktree", "in-place"])
def story(request: pytest.FixtureRequest, aq: Aq, jobs: Jobs, agent: Agent, repo: Path, git: Git, home: Path) -> Story:
    seen = home / "seen"
    seen.mkdir()
    return Story(aq, jobs, agent, repo, git, seen, request.param)


def verify_failed(story: Story) -> None:
    verify = f"echo 41 is not 42; test -e {story.seen}/again || {{ touch {story.seen}/again; exit 3; }}"
    story.begins(f"echo '{json.dumps(done())}'", verify=json.dumps(verify))


def crash(story: Story) -> None:
    story.begins("exit 3")


def killed(story: Story) -> None:
    """By the kernel, say, when memory is short."""
    story.begins("kill -9 $$")


def timeout(story: Story) -> None:
    story.begins(FOREVER, timeout="2s")


def wall(story: Story) -> None:
    story.begins(FOREVER, budget="{wall: 2s}")


def stalled(story: Story) -> None:
    with (story.jobs.queue / "config.toml").open("a") as file:
        file.write('\n[run]\nstall_stop = "2s"\n')
    story.begins(FOREVER)


def limit(story: Story) -> None:
    """A usage limit of the account, that ends at once."""
    info = {"status": "rejected", "resetsAt": 1, "rateLimitType": "five_hour", "isUsingOverage": False}
    event = {"type": "rate_limit_event", "session_id": SESSION, "rate_limit_info": info}
    end = {**done("You've hit your session limit"), "is_error": True, "api_error_status": 429}
    soon = "$(($(date +%s) + 2))"
    first = json.dumps(event, separators=(",", ":")).replace('"resetsAt":1', f'"resetsAt":{soon}')
    escaped = first.replace("\\", "\\\\").replace('"', '\\"')
    story.begins(f'echo "{escaped}"; cat <<"END"\n{json.dumps(end)}\nEND\nexit 1')


def cancelled(story: Story) -> None:
    story.begins(FOREVER)
    story.runs(lambda _: story.aq("cancel", story.job))
    story.aq("requeue", story.job)


def rejected(story: Story) -> None:
    story.begins(f"echo '{json.dumps(done())}'")
    story.aq("run", "--once")
    story.aq("reject", story.job)
    story.aq("requeue", story.job)


def success(story: Story) -> None:
    story.begins(f"echo '{json.dumps(done())}'")
    story.aq("run", "--once")
    story.aq("requeue", story.job)


def dragged(story: Story) -> None:
    story.begins(FOREVER)

    def drag(_: object) -> None:
        name = f"{story.job}.md"
        (story.jobs.queue / "building" / name).rename(story.jobs.queue / "failed" / name)
        wait_for((story.jobs.run_folder(story.job) / "outcome.json").exists)

    story.runs(drag)
    story.aq("requeue", story.job)


def stop_now(story: Story) -> None:
    story.begins(FOREVER)
    story.runs(lambda _: story.aq("stop", "--now"))


def sigterm(story: Story) -> None:
    story.begins(FOREVER)
    story.runs(lambda supervisor: (supervisor.send_signal(signal.SIGTERM), supervisor.wait(30)))


def sigint_twice(story: Story) -> None:
    story.begins(FOREVER)

    def interrupt(supervisor: Any) -> None:
        supervisor.send_signal(signal.SIGINT)
        wait_for(lambda: supervisor.poll() is not None or supervisor.send_signal(signal.SIGINT))

    story.runs(interrupt)


def supervisor_killed(story: Story) -> None:
    """Its agent dies while nobody looks."""
    story.begins(FOREVER)

    def kill(supervisor: Any) -> None:
        supervisor.kill()
        supervisor.wait()
        os.kill(story.process("pid"), signal.SIGKILL)
        wait_for((story.jobs.run_folder(story.job) / "exit.json").exists)

    story.runs(kill)


def shim_killed(story: Story) -> None:
    story.begins(FOREVER)

    def kill(_: object) -> None:
        os.kill(story.process("shim"), signal.SIGKILL)
        wait_for((story.seen / "prompt.1").exists)

    story.runs(kill)


def machine(story: Story) -> None:
    """All of aq at once, as in a power cut; the next supervisor recovers."""
    story.begins(FOREVER)

    def kill(supervisor: Any) -> None:
        supervisor.kill()
        os.kill(story.process("shim"), signal.SIGKILL)
        supervisor.wait()

    story.runs(kill)


PATHS: dict[Callable[[Story], None], str] = {
    verify_failed: "failed with `verify_failed`",
    crash: "(exit code 3)",
    killed: "(signal 9)",
    timeout: "its time was over (`timeout`)",
    wall: "its budget was used up",
    stalled: "no sign of life",
    limit: "by no fault of its own",
    cancelled: "a person cancelled it. Then a person put the task back",
    rejected: "a person rejected what it did. Then a person put the task back",
    success: "had ended well (review). Then a person put the task back",
    dragged: "a person took the task out of work",
    stop_now: "the queue was shut down",
    sigterm: "the queue was shut down",
    sigint_twice: "the queue was shut down",
    supervisor_killed: "(signal 9)",
    shim_killed: "died under it",
    machine: "died under it",
}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.__name__)
def test_what_a_run_wrote_is_kept_and_the_next_one_finds_it_and_was_told(
    story: Story, path: Callable[[Story], None]
) -> None:
    path(story)
    story.aq("run", "--once", "--wait", "1m")
    wait_for((story.seen / "files.1").exists)
    assert story.kept() == "written one second before"
    first, second = ((story.seen / f"prompt.{number}").read_text() for number in (0, 1))
    assert PATHS[path] in second
    assert PATHS[path] not in first
    assert "last.txt" in (story.seen / "files.1").read_text().split()
    assert " last.txt | 1 +" in second
    assert f"aq/wip/{story.job}" in second
    assert ("41 is not 42" in second) is (path is verify_failed)
    assert first.endswith(f"\n---\n\n{BODY}\n")
    assert second.endswith(f"\n---\n\n{BODY}\n")
    assert "last.txt" not in first
    assert story.git(story.repo, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert story.git(story.repo, "rev-list", "--count", "main") == "1"
