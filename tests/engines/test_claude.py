"""The real Claude Code."""

from functools import partial

import pytest

from .conftest import claude_settings
from .lab import Lab
from .model_server import HELLO
from .stories import AgentStories

pytestmark = pytest.mark.engines


class TestClaude(AgentStories):
    forget = 'rm -r "$HOME/.claude/projects"'

    @pytest.fixture
    def lab(self, claude: Lab) -> Lab:
        return claude

    def test_what_it_cost_is_journaled(self, lab: Lab) -> None:
        lab.serve("ok")
        job = lab.add(model="claude-sonnet-4-5")
        lab.aq("run", "--once")
        state = lab.state(job)
        assert state["model"] == lab.asked()[0]["model"] == "claude-sonnet-4-5"
        assert (state["turns"], state["cost_usd"]) == (3, pytest.approx(0.032, abs=0.002))

    def test_without_yolo_it_may_edit_and_not_run_what_it_likes(self, lab: Lab) -> None:
        lab.serve("tool_sleep")
        job = lab.add(yolo=False)
        lab.aq("run", "--once")
        assert lab.stage(job) == "review"
        assert lab.work(job) == {"README.md": "a repository", "hello.txt": HELLO}
        assert [denial["tool_name"] for denial in lab.printed(job)[-1]["permission_denials"]] == ["Bash"]

    def test_without_yolo_a_job_that_could_do_nothing_failed(self, lab: Lab) -> None:
        """It does not overwrite a file that it has not read, and the command needs a permission."""
        (lab.repository / "hello.txt").write_text("mine\n")
        lab.commit()
        lab.serve("tool_sleep")
        job = lab.add(yolo=False)
        lab.aq("run", "--once", code=1)
        assert lab.state(job)["result"] == "no_permission"
        assert lab.work(job)["hello.txt"] == "mine"

    def test_a_usage_limit_gives_the_job_back_until_its_reset(self, lab: Lab) -> None:
        """Only a subscription's log-in is told when the limit ends."""
        lab.settings = partial(claude_settings, key="CLAUDE_CODE_OAUTH_TOKEN")
        lab.serve("usage_limit")
        job = lab.add()
        lab.aq("run", "--once", code=75)
        assert lab.stage(job) == "inbox"
        state = lab.state(job)
        assert (state["result"], state["attempts"]) == ("held", 0)
        assert state["next_eligible"] == lab.asked()[0]["reset"]

    def test_its_own_budget_ends_the_run(self, lab: Lab) -> None:
        lab.serve("ok")
        job = lab.add(budget={"usd": 0.001})
        lab.aq("run", "--once", code=1)
        assert lab.state(job)["result"] == "budget_exceeded"
        assert len(lab.asked()) == 1
        self.assert_cost(lab, job)

    def test_a_budget_is_kept_within_one_call(self, lab: Lab) -> None:
        """Two calls cost more than this: there is no third, and what the first two did is saved."""
        lab.serve("ok")
        job = lab.add(budget={"usd": 0.02}, model="claude-sonnet-4-5")
        lab.aq("run", "--once", code=1)
        state = lab.state(job)
        assert state["result"] == "budget_exceeded"
        calls = len(lab.asked())
        assert state["cost_usd"] - state["cost_usd"] / calls < 0.02 <= state["cost_usd"]
        assert lab.work(job)["hello.txt"] == HELLO
        self.assert_cost(lab, job)

    def test_a_budget_that_the_program_does_not_know_is_watched(self, lab: Lab) -> None:
        """Of tokens it keeps no count of its own. Here the limit is reached while a tool runs for ever."""
        lab.serve("tool_sleep")
        job = lab.add(budget={"tokens": 30_000})
        supervisor = lab.supervise()
        assert supervisor.wait(timeout=60) == 1
        state = lab.state(job)
        assert (state["result"], state["stop"]) == ("budget_exceeded", "budget")
        assert len(lab.asked()) == 2
        assert lab.processes() == []
        assert lab.work(job)["hello.txt"] == HELLO
