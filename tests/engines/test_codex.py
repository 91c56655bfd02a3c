"""The real Codex."""

import subprocess
from datetime import UTC, datetime

import pytest

from .lab import Lab
from .stories import WORK, AgentStories

pytestmark = pytest.mark.engines

NO_NAMESPACES = (
    "unshare", "--map-root-user", "sh", "-c",
    'echo 0 >/proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-sys_admin "$@"', "sh",
)  # fmt: skip


def works(lab: Lab, *command: str) -> bool:
    """True when a command ends well in the lab; a shell looks for it on the lab's PATH."""
    shell = ("sh", "-c", 'exec "$@"', "sh")
    return subprocess.run([*shell, *command], env=lab.environment, capture_output=True, timeout=60).returncode == 0


class TestCodex(AgentStories):
    forget = 'rm -r "$HOME/.codex/sessions"'

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
        if not works(lab, "codex", "sandbox", "true"):
            pytest.skip("codex cannot make its sandbox on this machine, which lets it have no namespace")
        lab.serve("ok")
        job = lab.add(yolo=False)
        lab.aq("run", "--once")
        assert lab.stage(job) == "review"
        assert lab.work(job) == WORK

    def test_without_yolo_and_without_a_sandbox_it_could_do_nothing(self, lab: Lab) -> None:
        """In many containers nobody may make a namespace. It then ends with 0, and every command of it failed."""
        if works(lab, "codex", "sandbox", "true"):
            if not works(lab, *NO_NAMESPACES, "true"):
                pytest.skip("unshare and setpriv cannot take the namespaces away on this machine")
            lab.under = NO_NAMESPACES
        lab.serve("ok")
        job = lab.add(yolo=False)
        lab.aq("run", "--once", code=1)
        assert lab.state(job)["result"] == "no_permission"
        assert lab.work(job) == {"README.md": "a repository"}

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
