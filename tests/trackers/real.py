"""What every real tracker has to go through, with the real `aq`."""

import os
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from acceptance.conftest import AQ, Agent, Aq, begun, done, wait_for

from .faulty import Fault, Faulty


@dataclass
class Real:
    """A queue at a real tracker that has one item; `done`, `failed` and `started` are its own words."""

    aq: Aq
    queue: Path
    item: str
    key: str
    between: Faulty
    started: str
    done: str
    failed: str
    status: Callable[[], str]
    comments: Callable[[], list[str]]
    body: str
    priority: str

    def taken(self) -> str:
        return self.aq("from-tracker", self.item).out.strip().removesuffix(".md")

    def shipped(self) -> str:
        job = self.taken()
        self.aq("run", "--once")
        self.aq("promote", job)
        self.aq("ship", job)
        return job

    def settle(self) -> None:
        """See that nothing waits in the outbox: on a busy machine the end of a command may come before its news."""
        for _ in range(20):
            if not list((self.queue / "outbox").glob("*.json")):
                return
            self.aq("run", "--once", check=None)
        raise AssertionError("the outbox never emptied")

    def marks(self) -> list[str]:
        return [comment.strip().splitlines()[-1] for comment in self.comments()]

    def mark(self, job: str, status: str, run: int = 1) -> str:
        return f"[aq:{job}:{status.replace(' ', '_')}:{run}]"


def hang_after_the_comment() -> Callable[[str, bytes], Fault | None]:
    """Every write after a comment was written goes unanswered, and does not arrive."""
    comments: list[bytes] = []

    def fails(call: str, body: bytes) -> Fault | None:
        if not call.startswith(("PUT", "PATCH", "POST")):
            return None
        if b"aq:" in body or b"messages" in body:
            comments.append(body)
            return None
        return "hang" if comments else None

    return fails


class RealRoundTrips:
    """Subclass it in a file that has a fixture `real`."""

    def test_the_tracker_is_checked(self, real: Real) -> None:
        assert real.done.casefold() in real.aq("tracker", "check").out.casefold()
        lacking = real.aq("tracker", "check", check=78, env={"AQ_TRACKER_STATUS_FAILED": "Given up"})
        assert "it has no status 'Given up' for failed" in lacking.err
        assert real.done.casefold() in lacking.err.casefold()

    def test_there_and_back(self, real: Real) -> None:
        real.aq.env["AQ_TRACKER_AUTO"] = "1"
        job = real.taken()
        text = (real.queue / "inbox" / f"{job}.md").read_text()
        assert f"tracker-item: {real.key}\n" in text
        assert f"priority: {real.priority}\n" in text
        assert text.endswith(f"---\n{real.body}")
        assert real.aq("from-tracker", real.key).out.strip() == f"{job}.md"
        real.aq("run", "--once")
        real.settle()
        assert real.status() == real.started
        real.aq("promote", job)
        real.aq("ship", job)
        real.settle()
        assert real.status() == real.done
        assert real.marks() == [real.mark(job, real.done)]
        real.aq("to-tracker", job)
        assert len(real.comments()) == 1

    def test_every_outcome_is_told_once(self, real: Real, agent: Agent) -> None:
        real.aq.env["AQ_TRACKER_AUTO"] = "1"
        agent.plays("exit 3")
        job = real.taken()
        real.aq("run", "--once", check=1)
        real.settle()
        assert real.status() == real.failed
        real.aq("requeue", job)
        real.aq("run", "--once", check=1)
        real.settle()
        assert real.marks() == [real.mark(job, real.failed, 1), real.mark(job, real.failed, 2)]
        assert real.status() == real.failed

    @pytest.mark.parametrize("fault", [500, "cut", "late cut"], ids=str)
    def test_each_call_fails_once(self, real: Real, fault: Fault) -> None:
        """Every single request fails when it is made for the first time."""
        job = real.shipped()
        seen: set[tuple[str, bytes]] = set()

        def fails(call: str, body: bytes) -> Fault | None:
            kind = (call, re.sub(rb"[0-9]+", b"", body))  # a message that is written again has another number
            first = kind not in seen
            seen.add(kind)
            return fault if first else None

        real.between.fails = fails
        for _ in range(12):
            if not real.aq("to-tracker", job, check=None).code:
                break
        assert real.status() == real.done
        assert real.marks() == [real.mark(job, real.done)]
        assert len(seen) >= 4

    def test_killed_between_comment_and_status(self, real: Real) -> None:
        job = real.shipped()
        real.between.fails = hang_after_the_comment()
        process = subprocess.Popen([*AQ, "to-tracker", job], env={**os.environ, **real.aq.env})
        wait_for(real.between.hung.is_set, "the status")
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(real.comments()) == 1
        assert real.status() != real.done
        real.between.heal()
        real.aq("run", "--once")
        real.settle()
        assert real.status() == real.done
        assert real.marks() == [real.mark(job, real.done)]

    def test_a_supervisor_killed_between_comment_and_status(self, real: Real) -> None:
        """Its supervisor this time, while it tells the item by itself."""
        real.aq.env["AQ_TRACKER_AUTO"] = "1"
        with (real.queue / "config.toml").open("a") as config:
            config.write('[defaults]\nship = "auto"\nreview-policy = "auto"\n')
        job = real.taken()
        real.between.fails = hang_after_the_comment()
        with real.aq.started("run") as supervisor:
            wait_for(real.between.hung.is_set, "the status")
            supervisor.kill()
            supervisor.wait()
        assert real.marks() == [real.mark(job, real.done)]
        assert real.status() != real.done
        real.between.heal()
        real.aq("run", "--once")
        real.settle()
        assert real.status() == real.done
        assert real.marks() == [real.mark(job, real.done)]

    def test_everything_echoed_twice(self, real: Real) -> None:
        """The notes of what was told are lost, as by a crash: the mark in the comment is known again."""
        job = real.shipped()
        real.aq("to-tracker", job)
        journal = real.queue / "journal" / f"{job}.jsonl"
        kept = [line for line in journal.read_text().splitlines(keepends=True) if '"echoed"' not in line]
        journal.write_text("".join(kept))
        assert "told" in real.aq("to-tracker", job).out
        assert real.marks() == [real.mark(job, real.done)]
        assert real.status() == real.done

    def test_canaries(self, real: Real, agent: Agent) -> None:
        """What the item says, what the agent says, the environment and the token are in no request."""
        real.aq.env.update(AQ_TRACKER_AUTO="1", SOME_SECRET="env-canary-1")
        agent.tells(*begun("agent-canary-2"), done("agent-canary-3"))
        real.shipped()
        real.settle()
        assert real.status() == real.done
        sent = "\n".join(real.between.sent)
        assert "result: shipped" in sent
        for canary in ("It fails", "Fix the login", "agent-canary", "env-canary", real.aq.env["AQ_TRACKER_TOKEN"]):
            assert canary not in sent

    def test_told_by_several_at_once(self, real: Real) -> None:
        job = real.shipped()
        environment = {**os.environ, **real.aq.env}
        told = [
            subprocess.Popen([*AQ, "to-tracker", job], env=environment, stderr=subprocess.DEVNULL) for _ in range(3)
        ]
        assert {process.wait(60) for process in told} <= {0, 75}
        assert real.marks() == [real.mark(job, real.done)]
        assert real.status() == real.done

    def test_a_missing_item(self, real: Real) -> None:
        assert "404" in real.aq("from-tracker", "99999", check=1).err

    def test_an_unknown_status(self, real: Real) -> None:
        job = real.shipped()
        ran = real.aq("to-tracker", job, check=78, env={"AQ_TRACKER_STATUS_DONE": "no such status"})
        assert "no such status" in ran.err
        assert real.done.casefold() in ran.err.casefold()
