"""Linear over GraphQL. Its errors come inside HTTP 200, a rate limit as 400, and its keys go without `Bearer`."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from agent_queue.core.calls import shown
from agent_queue.core.item import Fields, Item, plain
from agent_queue.core.label_map import Standing
from agent_queue.core.tracker_settings import TrackerSettings
from agent_queue.core.trouble import TrackerError, Trouble
from agent_queue.ports_tracker import Means
from agent_queue.trackers.asking import MOST_PAGES, Asking, an_object, objects, secret_of, wanted

URL = "https://api.linear.app"
STATUSES = {Standing.IN_PROGRESS: "In Progress", Standing.DONE: "Done", Standing.FAILED: "Canceled"}
PRIORITIES: Mapping[float, str] = {1: "critical", 2: "high", 3: "medium", 4: "low"}
_ID = re.compile(r"(?:linear:)?([A-Za-z][A-Za-z0-9]{0,9}-[1-9][0-9]{0,9})", re.ASCII)

_FIELDS = "identifier title description priority state { name type } labels { nodes { name } } creator { name email }"
GET = f"query Get($id: String!) {{ issue(id: $id) {{ id {_FIELDS} }} }}"
FIND = f"""query Find($filter: IssueFilter!, $after: String) {{
  issues(filter: $filter, first: 100, after: $after) {{ nodes {{ id {_FIELDS} }} pageInfo {{ hasNextPage endCursor }} }}
}}"""
COMMENTS = """query Comments($id: String!, $after: String) {
  issue(id: $id) { comments(first: 100, after: $after) { nodes { body } pageInfo { hasNextPage endCursor } } }
}"""
STATES = """query States($id: String!) {
  issue(id: $id) { id team { states(first: 100) { nodes { id name } } } }
}"""
SET = """mutation Set($id: String!, $state: String!) {
  issueUpdate(id: $id, input: { stateId: $state }) { success }
}"""
COMMENT = """mutation Comment($id: String!, $body: String!) {
  commentCreate(input: { issueId: $id, body: $body }) { success }
}"""
VIEWER = "query Viewer { viewer { name email } }"
QUERIES = (GET, FIND, COMMENTS, STATES, SET, COMMENT, VIEWER)


class Linear:
    """`[tracker] project` is a team's key: queries look at its issues only."""

    name = "linear"
    statuses: Mapping[Standing, str] = STATUSES
    visible_mark = True

    def __init__(self, settings: TrackerSettings, means: Means) -> None:
        self.secret_env = settings.token_env
        self._team = settings.project
        secret = secret_of(means.secret, self.name, self.secret_env)
        self._asking = Asking(means.transport(settings.url or URL), {"Authorization": secret}, has_secret=True,
                              secret_env=self.secret_env)  # fmt: skip

    def key(self, item: str) -> str:
        return f"linear:{self._name(item)}"

    def get(self, item: str) -> Item:
        return self._item(self._issue(GET, item))

    def find(self, label: str) -> Iterator[Item | TrackerError]:
        asked: dict[str, Any] = {
            "labels": {"name": {"eq": label}},
            "state": {"type": {"nin": ["completed", "canceled"]}},
            **({"team": {"key": {"eq": self._team}}} if self._team else {}),
        }
        yield from wanted(self._pages(FIND, {"filter": asked}, lambda data: data.get("issues")), self._item, label)

    def status(self, item: str) -> str | None:
        return plain(self._issue(GET, item).get("state")) or ""

    def set_status(self, item: str, status: str) -> None:
        issue = self._issue(STATES, item)
        states = objects(an_object(an_object(issue.get("team"), "team").get("states"), "states").get("nodes"))
        fitting = [one["id"] for one in states if str(one.get("name")).casefold() == status.casefold() and "id" in one]
        if not fitting:
            hint = f"[tracker.statuses] may name {', '.join(str(one.get('name')) for one in states) or 'none'}"
            raise TrackerError(Trouble.MISCONFIGURED, f"linear has no state {status!r}", hint=hint)
        self._done(SET, {"id": issue.get("id"), "state": fitting[0]}, "issueUpdate")

    def comments(self, item: str) -> Sequence[str] | None:
        asked = {"id": self._name(item)}
        found = self._pages(COMMENTS, asked, lambda data: an_object(data.get("issue"), "issue").get("comments"))
        return [body for one in found if isinstance(body := one.get("body"), str)]

    def add_comment(self, item: str, text: str) -> None:
        self._done(COMMENT, {"id": self._issue(STATES, item).get("id"), "body": text}, "commentCreate", twice=False)

    def check(self) -> Iterable[str]:
        yield f"signed in as {plain(self._ask(VIEWER, {}).get('viewer')) or 'somebody'}"

    def _issue(self, query: str, item: str) -> Mapping[str, Any]:
        found = self._ask(query, {"id": self._name(item)}).get("issue")
        if found is None:
            raise TrackerError(Trouble.NOT_FOUND, f"linear has no issue {self._name(item)}", hint="check its id")
        return an_object(found, "issue")

    def _pages(self, query: str, asked: Mapping[str, Any], connection: Any) -> Iterator[Mapping[str, Any]]:
        after: str | None = None
        for _ in range(MOST_PAGES):
            found = an_object(connection(self._ask(query, {**asked, "after": after})), "the list")
            yield from objects(found.get("nodes"))
            page = found.get("pageInfo")
            after = page.get("endCursor") if isinstance(page, dict) and page.get("hasNextPage") else None
            if not isinstance(after, str) or not after:
                return

    def _done(self, query: str, asked: Mapping[str, Any], name: str, *, twice: bool = True) -> None:
        if an_object(self._ask(query, asked, twice=twice).get(name), name).get("success") is not True:
            raise TrackerError(Trouble.REFUSED, f"linear did not carry out {name}", hint="check what the token may do")

    def _ask(self, query: str, asked: Mapping[str, Any], *, twice: bool = True) -> Mapping[str, Any]:
        """The data of a query; errors inside a good answer are errors."""
        answer = self._asking.good("POST", "/graphql", {"query": query, "variables": asked}, twice=twice)
        value = an_object(answer.json("POST /graphql"), "POST /graphql")
        errors = objects(value.get("errors"))
        if errors:
            raise _failed(errors[0])
        return an_object(value.get("data"), "POST /graphql")

    def _name(self, item: str) -> str:
        found = _ID.fullmatch(item.strip())
        if found is None:
            raise TrackerError(Trouble.NOT_FOUND, f"{item!r} is no issue of linear", hint="give an id such as ENG-12")
        return found[1].upper()

    def _item(self, issue: Mapping[str, Any]) -> Item:
        key = self.key(plain(issue.get("identifier")) or "")
        labels, creator, priority = issue.get("labels"), issue.get("creator"), issue.get("priority")
        fields = Fields(key, {**issue, "labels": labels.get("nodes") if isinstance(labels, dict) else labels})
        author = creator.get("email") if isinstance(creator, dict) else None  # names may be chosen freely
        return Item(
            id=key, title=fields.prose("title"), text=fields.prose("description"), status=fields.text("state"),
            priority=PRIORITIES.get(priority, "") if isinstance(priority, int | float) else "",
            labels=fields.labels("labels"),
            author=author if isinstance(author, str) else "", odd=tuple(fields.odd),
        )  # fmt: skip


def _failed(error: Mapping[str, Any]) -> TrackerError:
    """An error of GraphQL, by the code that Linear gives it."""
    extensions = error.get("extensions")
    code = str(extensions.get("code") or extensions.get("type") if isinstance(extensions, dict) else "")
    text = f"linear: {shown(str(error.get('message')).encode())}"
    if code.casefold() == "ratelimited":
        return TrackerError(Trouble.RATE_LIMITED, text, hint="it is asked again later", retry_after_s=60.0)
    if "not found" in text.casefold():
        return TrackerError(Trouble.NOT_FOUND, text, hint="check the item's id")
    if code.casefold() in ("authentication_error", "authentication error", "forbidden"):
        return TrackerError(Trouble.REFUSED, text, hint="check the token, and what it may do")
    if code.casefold() in ("internal_server_error", "internal error"):
        return TrackerError(Trouble.UNREACHABLE, text, hint="linear is in trouble; it is asked again later")
    return TrackerError(Trouble.REFUSED, text, hint="check [tracker] statuses and project")
