"""The real Codex."""

from datetime import UTC, datetime

import pytest

from .lab import Lab
from .model_server import HELLO
from .stories import WORK, AgentStories

pytestmark = pytest.mark.engines


class TestCodex(AgentStories):
    tells_cost = False

    @pytest.fixture
    def lab(self, codex: Lab) -> Lab:
        return codex

    def test_a_model_that_it_does_not_know_is_no_failure(self, lab: Lab) -> None:
        """It warns with an `error` item, and offers its tools in another way."""
        lab.serve("ok")
        job = lab.add(model="gpt-5.1-codex")
        lab.aq("run", "--once")
        assert lab.stage(job) == "review"
        assert lab.work(job) == WORK
        assert lab.asked()[0]["model"] == "gpt-5.1-codex"

    def test_without_yolo_it_may_write_where_it_works(self, lab: Lab) -> None:
        lab.serve("ok")
        job = lab.add(yolo=False)
        lab.aq("run", "--once")
        assert lab.stage(job) == "review"
        assert lab.work(job)["hello.txt"] == HELLO

    @pytest.mark.parametrize("local_hour", [12, 23], ids=["today", "tomorrow"])
    def test_a_usage_limit_gives_the_job_back_until_its_reset(self, lab: Lab, local_hour: int) -> None:
        """It tells the reset as a local time, with a date when that is not today."""
        east = (local_hour - datetime.now(UTC).hour + 9) % 24 - 9
        lab.environment["TZ"] = f"Etc/GMT{-east:+}"
        lab.serve("usage_limit")
        job = lab.add()
        lab.aq("run", "--once", code=75)
        assert lab.stage(job) == "inbox"
        state = lab.state(job)
        assert (state["result"], state["attempts"]) == ("held", 0)
        assert state["next_eligible"] == lab.asked()[0]["reset"]
