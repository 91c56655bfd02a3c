"""What is asked of GitHub is what GitHub's own description allows. Description and validator are fetched once."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_queue.core.tracker_settings import TrackerSettings
from agent_queue.ports_tracker import Means
from agent_queue.trackers.github import GitHub

from .github_service import GitHubService

ENVIRONMENT = dict(os.environ)
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
if os.path.exists(CERTIFICATES):  # node has a list of its own, and does not know who else is trusted on this machine
    ENVIRONMENT.setdefault("NODE_EXTRA_CA_CERTS", CERTIFICATES)
CACHE = Path(ENVIRONMENT.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agent-queue-tests" / "github"
DESCRIPTION, VALIDATOR = "@octokit/openapi@23.0.2", "openapi-core==0.23.1"
VALIDATE = Path(__file__).with_name("github_description.py")


@pytest.fixture(scope="module")
def fetched() -> Path:
    """The folder with both; skips where they cannot be had."""
    npm, marker = shutil.which("npm"), CACHE / "complete"
    if not marker.exists():
        if npm is None:
            pytest.skip("npm is not installed, so GitHub's description cannot be fetched")
        CACHE.mkdir(parents=True, exist_ok=True)
        for command in (
            [npm, "install", "--prefix", str(CACHE), "--no-save", "--no-audit", "--no-fund", DESCRIPTION],
            [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(CACHE / "python"), VALIDATOR],
        ):
            done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, cwd=CACHE)
            if done.returncode:
                pytest.skip(f"{command[-1]} cannot be fetched: {done.stderr[-300:]}")
        marker.touch()
    return CACHE


def problems(fetched: Path, exchanges: list[dict[str, Any]]) -> list[str]:
    description = fetched / "node_modules/@octokit/openapi/generated/api.github.com.json"
    done = subprocess.run(
        [sys.executable, str(VALIDATE), str(description)], input=json.dumps(exchanges), capture_output=True, text=True,
        timeout=120, env={**ENVIRONMENT, "PYTHONPATH": str(fetched / "python")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[str] = json.loads(done.stdout)
    return found


def exchange(method: str, path: str, body: Any) -> dict[str, Any]:
    return {"method": method, "path": path, "body": body, "headers": {}}


def test_every_request_is_one_that_github_describes(fetched: Path) -> None:
    service = GitHubService()
    carried: Any = lambda base: service  # noqa: E731
    tracker = GitHub(TrackerSettings(project="o/r"), Means(transport=carried, shelf=carried, secret="t"))
    item = service.create("Fix", "aq")
    tracker.get(item)
    assert [found.id for found in tracker.find("aq")] == ["github:o/r#1"]
    tracker.add_comment(item, "a comment")
    assert tracker.comments(item) == ["a comment"]
    for status in ("in_progress", "done", "in_progress", "wont_fix", "mine"):
        tracker.set_status(item, status)
        assert tracker.status(item) == status
    list(tracker.check())
    asked = [exchange(request.method, request.path, request.body) for request, _ in service.seen]
    assert {one["method"] for one in asked} == {"GET", "POST", "PATCH", "DELETE"}
    assert problems(fetched, asked) == []


def test_what_github_does_not_describe_is_seen(fetched: Path) -> None:
    wrong = [
        exchange("PATCH", "/repos/o/r/issues/1", {"state": "shipped"}),
        exchange("POST", "/repos/o/r/issues/1/comments", {}),
        exchange("GET", "/repos/o/r/issuez/1", None),
    ]
    assert len(problems(fetched, wrong)) == 3
