"""What every agent program must go through with `aq`, whatever its ways. Its own file adds what it alone does."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from agent_queue.core.lanes import PAUSES, Cause

from .lab import Lab, until
from .model_server import FINAL, HELLO

WORK = {"README.md": "a repository", "hello.txt": HELLO, "copy.txt": HELLO}


def texts(value: Any) -> Iterator[str]:
    """Every text in a request."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)


class AgentStories:
    """Subclasses give the fixture `lab`."""

    forget = ""
    """A shell command that takes the program's conversations away."""

    def assert_cost(self, lab: Lab, job: str) -> None:
        """The journal agrees with the service to the token."""
        state = lab.state(job)
        assert {key: state[key] for key in lab.charged()} == lab.charged()
        assert state["usage"] == "exact"
        assert state["model"] == lab.asked()[0]["model"]

    def test_three_keys_go_all_the_way_to_shipped(self, lab: Lab) -> None:
        lab.serve("ok")
        before = lab.refs()
        job = lab.add()
        lab.aq("run", "--once")
        assert lab.stage(job) == "review"
        lab.aq("promote", job)
        assert lab.stage(job) == "testing"
        lab.aq("ship", job)
        assert lab.stage(job) == "shipped"

        assert lab.work(job) == WORK
        assert lab.refs() == before
        assert lab.git("status", "--porcelain", "--ignored") == ""
        assert lab.git("symbolic-ref", "HEAD") == "refs/heads/main"

    def test_what_the_run_was_is_journaled(self, lab: Lab) -> None:
        lab.serve("ok")
        job = lab.add()
        lab.aq("run", "--once")
        state = lab.state(job)
        assert state["resume_id"]
        assert (state["exit"], state["attempts"], state["tool_calls"], state["files_changed"]) == (0, 1, 2, 2)
        self.assert_cost(lab, job)

    def test_its_log_can_be_read(self, lab: Lab) -> None:
        lab.serve("ok")
        job = lab.add()
        lab.aq("run", "--once")
        log = lab.aq("logs", job)
        assert FINAL in log
        assert "cat hello.txt > copy.txt" in log
        assert '"type"' not in log
        assert '"type"' in lab.aq("logs", job, "--raw")

    def test_verify_leads_on_to_testing(self, lab: Lab) -> None:
        lab.serve("ok")
        job = lab.add(verify=["test -f hello.txt", "cmp hello.txt copy.txt"])
        lab.aq("run", "--once")
        assert lab.stage(job) == "testing"
        assert lab.state(job)["verify_exit"] == 0

    def test_cancel_in_the_middle_of_a_tool_leaves_no_process_and_keeps_the_work(self, lab: Lab) -> None:
        lab.serve("tool_sleep")
        job = lab.add()
        supervisor = lab.supervise()
        until(lab.sleepers)
        lab.aq("cancel", job)
        supervisor.wait(timeout=30)
        assert lab.processes() == []
        assert lab.stage(job) == "failed"
        assert lab.state(job)["result"] == "cancelled"
        assert lab.work(job)["hello.txt"] == HELLO
        self.assert_cost(lab, job)

    def test_timeout_in_the_middle_of_a_tool_leaves_no_process_and_the_next_run_goes_on(self, lab: Lab) -> None:
        lab.serve("tool_sleep@2-2")
        job = lab.add(timeout="10s", retry={"max": 1, "on": ["timeout"]})
        supervisor = lab.supervise()
        until(lab.sleepers)
        assert supervisor.wait(timeout=60) == 0
        assert lab.processes() == []
        assert [entry["stop"] for entry in lab.history(job) if "stop" in entry] == ["timeout"]
        assert (lab.stage(job), lab.state(job)["attempts"]) == ("review", 2)
        assert lab.work(job) == WORK

    VERIFY = 'echo "verify says 41 is not 42"; test -e "$HOME/again" || { touch "$HOME/again"; exit 3; }'

    def test_a_retry_goes_on_in_its_own_conversation_and_is_told(self, lab: Lab) -> None:
        lab.serve("ok")
        job = lab.add(verify=self.VERIFY, retry={"max": 1, "on": ["verify_failed"]})
        lab.aq("run", "--once")
        assert (lab.stage(job), lab.state(job)["attempts"]) == ("testing", 2)
        first, second = (entry for entry in lab.history(job) if entry["event"] == "started")
        ids = [entry["resume_id"] for entry in lab.history(job) if entry["event"] == "ended"]
        assert first["resume_id"] is None
        assert second["resume_id"] == ids[0]
        asked = list(texts(lab.run.bodies[len(lab.run.bodies) // 2 :]))
        assert any(FINAL in text for text in asked), "what it said in the first run stands in the conversation"
        assert any("verify says 41 is not 42" in text and "your own conversation" in text for text in asked)

    def test_a_conversation_that_is_gone_is_begun_anew_and_no_attempt_is_charged(self, lab: Lab) -> None:
        lab.serve("ok")
        forget = f"{self.VERIFY.removesuffix('exit 3; }')}{self.forget}; exit 3; }}"
        job = lab.add(verify=forget, retry={"max": 1, "on": ["verify_failed"]})
        lab.aq("run", "--once")
        assert (lab.stage(job), lab.state(job)["attempts"], lab.state(job)["run"]) == ("testing", 2, 3)
        assert [bool(entry["resume_id"]) for entry in lab.history(job) if entry["event"] == "started"] == [
            False, True, False
        ]  # fmt: skip
        told = (lab.root / "runs" / job / "3" / "prompt.md").read_text()
        assert "verify says 41 is not 42" in told
        assert lab.work(job) == WORK

    def test_cancel_in_the_middle_of_a_word(self, lab: Lab) -> None:
        lab.serve("slow@2")
        job = lab.add()
        supervisor = lab.supervise()
        until(lambda: len(lab.asked()) == 2)
        lab.aq("cancel", job)
        supervisor.wait(timeout=30)
        assert lab.processes() == []
        assert lab.state(job)["result"] == "cancelled"
        assert lab.work(job)["hello.txt"] == HELLO

    def test_a_stream_cut_off_once_changes_nothing(self, lab: Lab) -> None:
        lab.serve("cut@2-2")
        job = lab.add()
        lab.aq("run", "--once")
        assert lab.stage(job) == "review"
        assert [call["outcome"] for call in lab.asked()] == ["answered", "cut", "answered", "answered"]
        assert lab.work(job) == WORK
        self.assert_cost(lab, job)

    def test_an_agent_killed_outright_is_a_crash(self, lab: Lab) -> None:
        lab.serve("hang@3")
        job = lab.add()
        supervisor = lab.supervise()
        until(lambda: len(lab.asked()) == 3)
        os.kill(lab.agent(job), signal.SIGKILL)
        assert supervisor.wait(timeout=30) == 1
        assert lab.processes() == []
        assert lab.stage(job) == "failed"
        assert (lab.state(job)["result"], lab.state(job)["exit"]) == ("crash", -signal.SIGKILL)
        assert lab.work(job) == WORK

    def test_a_long_prompt_arrives_whole(self, lab: Lab) -> None:
        lab.serve("ok")
        body = "".join(f"{number:06} do not lose this line\n" for number in range(12_000))
        assert len(body) > 330_000
        job = lab.add(body)
        lab.aq("run", "--once")
        assert lab.stage(job) == "review"
        assert any(body in text for text in texts(lab.run.bodies[0]))

    def test_a_supervisor_killed_outright_is_replaced_and_the_agent_goes_on(self, lab: Lab) -> None:
        lab.serve("hang@2-2")
        job = lab.add()
        first = lab.supervise()
        until(lambda: len(lab.asked()) == 2)
        agent = lab.agent(job)
        first.kill()
        first.wait()
        second = lab.supervise()
        until(lambda: lab.supervisor() == second.pid)
        assert lab.agent(job) == agent
        lab.service.let_go(lab.name)
        assert second.wait(timeout=30) == 0
        assert lab.stage(job) == "review"
        assert (lab.state(job)["run"], lab.state(job)["attempts"], lab.state(job)["exit"]) == (1, 1, 0)
        assert lab.work(job) == WORK
        assert len(lab.asked()) == 3

    @pytest.mark.parametrize(("mode", "failure", "result"), [("bad_key", "auth", "auth_failed"), ("context",) * 3])
    def test_a_refusal_that_no_wait_would_mend_fails_the_job(
        self, lab: Lab, mode: str, failure: str, result: str
    ) -> None:
        lab.serve(mode)
        job = lab.add()
        lab.aq("run", "--once", code=1)
        assert lab.stage(job) == "failed"
        state = lab.state(job)
        assert (state["failure"], state["result"], state["attempts"]) == (failure, result, 1)
        assert lab.lanes() == []
        assert len(lab.asked()) <= 6

    @pytest.mark.parametrize(
        ("mode", "failure", "cause"),
        [
            ("rate_limited", "rate_limited", Cause.RATE),
            ("overloaded", "overloaded", Cause.OVERLOAD),
            ("err500", "overloaded", Cause.OVERLOAD),
            ("credit", "quota", Cause.QUOTA),
        ],
    )
    def test_what_is_the_services_fault_holds_the_job_until_it_is_well(
        self, lab: Lab, mode: str, failure: str, cause: Cause
    ) -> None:
        """It comes with work half done: the lane is parked for a while, nothing is charged, and nothing is lost."""
        lab.serve(f"{mode}@2")
        job = lab.add()
        lab.aq("run", "--once", code=75)
        assert lab.stage(job) == "inbox"
        (hold,) = (entry for entry in lab.history(job) if entry.get("move") == "hold")
        told = {key: hold[key] for key in ("result", "failure", "attempts", "lane")}
        assert told == {"result": "held", "failure": failure, "attempts": 0, "lane": lab.engine}
        (lane,) = lab.lanes()
        assert (lane["engine"], lane["reason"]) == (lab.engine, cause.value)
        assert lane["parked_until"] == pytest.approx(hold["next_eligible"], abs=0.01)
        shortest, _ = PAUSES[cause]
        assert shortest <= lane["parked_until"] - lab.state(job)["ended_at"] < shortest * 1.25 + 5
        assert lab.work(job) == {"README.md": "a repository", "hello.txt": HELLO}
        self.assert_cost(lab, job)
        calls = len(lab.asked())
        assert calls <= 7
        lab.aq("run", "--once", code=75)
        assert len(lab.asked()) == calls, "a parked lane starts nothing"

        lab.serve("ok")
        lab.aq("resume", lab.engine)
        lab.aq("run", "--once")
        assert (lab.stage(job), lab.lanes()) == ("review", [])
        assert (lab.state(job)["run"], lab.state(job)["attempts"]) == (2, 1)
        assert lab.work(job) == WORK
        runs = [entry for entry in lab.history(job) if entry["event"] == "ended"]
        assert {key: sum(run[key] for run in runs) for key in lab.charged()} == lab.charged()
