"""What is asked of GitHub is what GitHub's own description allows, and what that shows as answers is understood."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_queue.core.tracker_settings import TrackerSettings
from agent_queue.core.trouble import TrackerError, Trouble
from agent_queue.ports_tracker import Answer, Item, Means, Request
from agent_queue.trackers.github import GitHub

from .fetched import ENVIRONMENT, fetched
from .github_service import GitHubService

DESCRIPTION, VALIDATOR = "@octokit/openapi@23.0.2", "openapi-core==0.23.1"
VALIDATE = Path(__file__).with_name("github_description.py")
REPOSITORY, ISSUE = "/repos/{owner}/{repo}", "/repos/{owner}/{repo}/issues/{issue_number}"


def described(deed: str, given: Any = None) -> Any:
    """Have the program beside this file read the description."""
    folder = fetched("github", DESCRIPTION, VALIDATOR)
    path = folder / "node_modules/@octokit/openapi/generated/api.github.com.json"
    done = subprocess.run(
        [sys.executable, str(VALIDATE), str(path), deed], input=json.dumps(given), capture_output=True, text=True,
        timeout=120, env={**ENVIRONMENT, "PYTHONPATH": str(folder / "python")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def examples() -> dict[str, list[Any]]:
    """The good answers that the description shows, by method and path."""
    found: dict[str, list[Any]] = described("examples")
    return found


def exchange(method: str, path: str, body: Any, status: int = 0, answer: str = "") -> dict[str, Any]:
    return {"method": method, "path": path, "body": body, "headers": {}, "status": status, "answer": answer}


class WholeGitHub(GitHubService):
    """The same service, with every field in its answers that the description's examples have."""

    def __init__(self, examples: dict[str, list[Any]]) -> None:
        super().__init__()
        self._issue_like = {key: value for key, value in examples[f"GET {ISSUE}"][0].items() if key != "pull_request"}
        self._comment_like = examples[f"GET {ISSUE}/comments"][0][0]
        # Two of the examples lack what the description requires.
        user = {**examples["GET /user"][0], "user_view_type": "private"}
        forked = ("template_repository", "parent", "source")
        repository = {key: value for key, value in examples[f"GET {REPOSITORY}"][0].items() if key not in forked}
        self._like = {"/user": user, "/repos/o/r": {**repository, "language": None}}

    def send(self, request: Request) -> Answer:
        status, value = self._served(request)
        path = request.path.partition("?")[0]
        if status < 300:
            value = [self._whole(one) for one in value] if isinstance(value, list) else self._whole(value)
            value = {**self._like[path], **value} if path in self._like else value
        answer = self._answer(status, value)
        self.seen.append((request, answer))
        return answer

    def _whole(self, value: dict[str, Any]) -> dict[str, Any]:
        if "number" in value:
            user = {**self._issue_like["user"], **value["user"]}
            labels = [self._whole(label) for label in value["labels"]]
            whole = {**self._issue_like, **value, "user": user, "labels": labels}
            if whole["state_reason"] is None:
                del whole["state_reason"]  # GitHub answers null for open issues, which its description forgets
            return whole
        if "body" in value:
            return {**self._comment_like, **value}
        if "name" in value:
            return {**self._issue_like["labels"][0], **value}
        return value


def test_every_request_and_every_answer_is_one_that_github_describes(examples: dict[str, list[Any]]) -> None:
    service = WholeGitHub(examples)
    carried: Any = lambda base: service  # noqa: E731
    tracker = GitHub(TrackerSettings(project="o/r"), Means(transport=carried, shelf=carried, secret="t"))
    item = service.create("Fix", "aq")
    read = tracker.get(item)
    assert (read.title, read.text, read.labels, read.author) == ("Fix", "It fails.", ("aq",), "ann")
    assert [found.id for found in tracker.find("aq") if isinstance(found, Item)] == ["github:o/r#1"]
    tracker.add_comment(item, "a comment")
    assert tracker.comments(item) == ["a comment"]
    for status in ("in_progress", "done", "in_progress", "wont_fix", "mine"):
        tracker.set_status(item, status)
        assert tracker.status(item) == status
    list(tracker.check())
    with pytest.raises(TrackerError):
        tracker.get("9")
    asked = [
        exchange(request.method, request.path, request.body, answer.status, answer.body.decode())
        for request, answer in service.seen
    ]
    assert {one["method"] for one in asked} == {"GET", "POST", "PATCH", "DELETE"}
    assert {one["status"] for one in asked} == {200, 201, 404}
    assert described("check", asked) == []


def test_what_github_does_not_describe_is_seen() -> None:
    wrong = [
        exchange("PATCH", "/repos/o/r/issues/1", {"state": "shipped"}),
        exchange("POST", "/repos/o/r/issues/1/comments", {}),
        exchange("GET", "/repos/o/r/issuez/1", None),
        exchange("GET", "/repos/o/r/issues/1", None, 200, '{"number": 1, "title": "Fix"}'),
        exchange("GET", "/repos/o/r/issues/1/comments", None, 200, "{}"),
        exchange("GET", "/repos/o/r/issues/1", None, 299, "{}"),
    ]
    assert len(described("check", wrong)) == len(wrong)


class Shown:
    """A transport that answers with one of the description's examples."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def send(self, request: Request) -> Answer:
        further = "page=" in request.path and not request.path.endswith("page=1")
        return Answer(status=200, body=json.dumps([] if further else self._value).encode())


def reader(value: Any) -> GitHub:
    carried: Any = lambda base: Shown(value)  # noqa: E731
    return GitHub(TrackerSettings(project="octocat/Hello-World"), Means(transport=carried, shelf=carried, secret="t"))


def test_the_answers_that_github_shows_are_understood(examples: dict[str, list[Any]]) -> None:
    for issue in examples[f"GET {ISSUE}"] + examples[f"PATCH {ISSUE}"]:
        assert issue["pull_request"]
        with pytest.raises(TrackerError, match="is a pull request") as found:
            reader(issue).get("1347")
        assert found.value.trouble is Trouble.REFUSED
        item = reader({**issue, "pull_request": None}).get("1347")
        assert item.title == issue["title"] == "Found a bug"
        assert item.text == issue["body"]
        assert item.author == issue["user"]["login"] == "octocat"
        assert item.labels == tuple(label["name"] for label in issue["labels"]) == ("bug",)
        assert item.status == issue["state"]
        assert item.odd == ()
    for listed in examples[f"GET {REPOSITORY}/issues"]:
        assert list(reader(listed).find("bug")) == []  # they are pull requests, all of them
        items = list(reader([{**issue, "pull_request": None} for issue in listed]).find("bug"))
        assert [item.id for item in items if isinstance(item, Item)] == ["github:octocat/Hello-World#1347"]
    for said in examples[f"GET {ISSUE}/comments"]:
        assert reader(said).comments("1347") == [comment["body"] for comment in said] == ["Me too"]
    for user in examples["GET /user"]:
        assert f"signed in as {user['login']}" in list(reader({**user, "full_name": "x"}).check())
    for repository in examples[f"GET {REPOSITORY}"]:
        assert "reads octocat/Hello-World" in list(reader({**repository, "login": "x"}).check())
