"""Linear in small, without a network: it keeps state, and carries out queries under Linear's own schema.

Whatever the schema does not have is an error, in what is asked as in what is answered. Needs graphql-core on the path.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_queue.ports_tracker import Answer, Request

STATES = {"Backlog": "backlog", "In Progress": "started", "Done": "completed", "Canceled": "canceled"}
PAGE = 2


@dataclass
class LinearService:
    """Satisfies `ports_tracker.Transport`; `schema` is one of graphql-core's."""

    schema: Any
    key: str
    issues: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: list[Request] = field(default_factory=list)

    def create(self, title: str, *labels: str, team: str = "ENG") -> str:
        """A new issue; its identifier."""
        name = f"{team}-{len(self.issues) + 1}"
        self.issues[name] = {
            "id": f"id-of-{name}", "identifier": name, "title": title, "description": "It fails.", "priority": 2.0,
            "state": {"name": "Backlog", "type": "backlog"}, "labels": {"nodes": [{"name": one} for one in labels]},
            "creator": {"name": "Ann", "email": "ann@example.org"}, "said": [],
            "team": {"key": team, "states": lambda info, first: {
                "nodes": [{"id": f"id-of-{state}", "name": state} for state in STATES]}},
            "comments": lambda info, first, after=None: _connection(
                [{"body": body} for body in self.issues[name]["said"]], after),
        }  # fmt: skip
        return name

    def send(self, request: Request) -> Answer:
        from graphql import graphql_sync

        self.seen.append(request)
        assert (request.method, request.path) == ("POST", "/graphql")
        if request.headers.get("Authorization") != self.key:
            return _answer(401, {"errors": [{"message": "Authentication required", "extensions": {
                "type": "authentication error", "code": "AUTHENTICATION_ERROR"}}]})  # fmt: skip
        root = {"issue": self._issue, "issues": self._issues, "issueUpdate": self._update,
                "commentCreate": self._comment, "viewer": {"name": "Bot", "email": "bot@example.org"}}  # fmt: skip
        done = graphql_sync(self.schema, request.body["query"], root, variable_values=request.body["variables"])
        return _answer(400 if done.errors and done.data is None and not _found(done.errors) else 200, done.formatted)

    def _issue(self, info: Any, id: str) -> dict[str, Any]:  # noqa: A002 - as the schema calls it
        from graphql import GraphQLError

        issue = next((one for one in self.issues.values() if id in (one["id"], one["identifier"])), None)
        if issue is None:
            raise GraphQLError("Entity not found: Issue", extensions={"type": "invalid input", "code": "INPUT_ERROR"})
        return issue

    def _issues(self, info: Any, filter: Mapping[str, Any], first: int, after: str | None = None) -> Any:  # noqa: A002
        return _connection([one for one in self.issues.values() if _fits(one, filter)], after)

    def _update(self, info: Any, id: str, input: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002
        state = input["stateId"].removeprefix("id-of-")
        self._issue(info, id)["state"] = {"name": state, "type": STATES[state]}
        return {"success": True, "lastSyncId": 1.0}

    def _comment(self, info: Any, input: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002
        self._issue(info, input["issueId"])["said"].append(input["body"])
        return {"success": True, "lastSyncId": 1.0}


def _connection(found: list[Any], after: str | None) -> dict[str, Any]:
    begin = int(after or 0)
    end = begin + PAGE
    return {"nodes": found[begin:end], "pageInfo": {"hasNextPage": end < len(found), "endCursor": str(end)}}


def _fits(value: Any, wanted: Mapping[str, Any]) -> bool:
    """Linear's filters, as far as they are used; of a collection one member has to fit."""
    for name, said in wanted.items():
        if name == "eq":
            fits = value == said
        elif name == "nin":
            fits = value not in said
        elif isinstance(value, dict) and "nodes" in value:
            fits = any(_fits(one.get(name), said) for one in value["nodes"])
        else:
            fits = _fits(value[name], said)
        if not fits:
            return False
    return True


def _found(errors: Any) -> bool:
    """True where the errors are those of a query that was carried out."""
    return all(error.path for error in errors)


def _answer(status: int, value: Any) -> Answer:
    return Answer(status=status, body=json.dumps(value).encode(), headers={"content-type": "application/json"})
