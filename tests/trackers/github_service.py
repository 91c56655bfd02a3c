"""GitHub's issues in small, without a network: it keeps state, and answers as GitHub's description says it may."""

import json
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from agent_queue.ports_tracker import Answer, Request


class GitHubService:
    """Satisfies `ports_tracker.Transport`; `seen` are the requests with their answers."""

    def __init__(self) -> None:
        self.issues: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.seen: list[tuple[Request, Answer]] = []

    def create(self, title: str, *labels: str) -> str:
        number = len(self.issues) + 1
        self.issues[number] = {
            "number": number, "title": title, "body": "It fails.", "state": "open", "state_reason": None,
            "labels": [{"name": label} for label in labels], "user": {"login": "ann"},
        }  # fmt: skip
        return str(number)

    def send(self, request: Request) -> Answer:
        answer = self._answer(*self._served(request))
        self.seen.append((request, answer))
        return answer

    @staticmethod
    def _answer(status: int, value: Any) -> Answer:
        return Answer(status=status, body=json.dumps(value).encode(), headers={"content-type": "application/json"})

    def _served(self, request: Request) -> tuple[int, Any]:
        if (
            request.headers.get("Accept") != "application/vnd.github+json"
            or "X-GitHub-Api-Version" not in request.headers
        ):
            return 415, {"message": "headers"}
        parts, asked = urlsplit(request.path).path.strip("/").split("/"), parse_qs(urlsplit(request.path).query)
        match request.method, parts:
            case "GET", ["user"]:
                return 200, {"login": "bot"}
            case "GET", ["repos", "o", "r"]:
                return 200, {"full_name": "o/r"}
            case "GET", ["repos", "o", "r", "issues"]:
                return 200, self._paged([one for one in self.issues.values() if self._wanted(one, asked)], asked)
            case method, ["repos", "o", "r", "issues", number, *rest]:
                issue = self.issues.get(int(number))
                return (
                    self._issue(method, issue, rest, request.body, asked) if issue else (404, {"message": "Not Found"})
                )
            case _:
                return 404, {"message": "Not Found"}

    @staticmethod
    def _wanted(issue: dict[str, Any], asked: dict[str, list[str]]) -> bool:
        names = {label["name"] for label in issue["labels"]}
        return issue["state"] == asked["state"][0] and asked["labels"][0] in names

    @staticmethod
    def _paged(found: list[Any], asked: dict[str, list[str]]) -> list[Any]:
        page, size = int(asked["page"][0]), int(asked["per_page"][0])
        return found[(page - 1) * size : page * size]

    def _issue(
        self, method: str, issue: dict[str, Any], rest: list[str], body: Any, asked: dict[str, list[str]]
    ) -> tuple[int, Any]:
        comments = self.comments.setdefault(issue["number"], [])
        match method, rest:
            case "GET", []:
                return 200, issue
            case "PATCH", []:
                issue.update(body)
                if body.get("state") == "open":
                    issue["state_reason"] = None
                return 200, issue
            case "GET", ["comments"]:
                return 200, self._paged(comments, asked)
            case "POST", ["comments"]:
                comments.append({"id": len(comments) + 1, "body": body["body"]})
                return 201, comments[-1]
            case "POST", ["labels"]:
                issue["labels"] += [{"name": name} for name in body["labels"]]
                return 200, issue["labels"]
            case "DELETE", ["labels", name]:
                issue["labels"] = [label for label in issue["labels"] if label["name"] != unquote(name)]
                return 200, issue["labels"]
            case _:
                return 405, {"message": "method"}
