"""Redmine over its REST interface. A 204 proves nothing there: an unknown status changes nothing and answers so too."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from agent_queue.core.item import Fields, Item, plain
from agent_queue.core.label_map import Standing
from agent_queue.core.tracker_settings import TrackerSettings
from agent_queue.core.trouble import TrackerError, Trouble
from agent_queue.ports_tracker import Means
from agent_queue.trackers.asking import (
    PAGE,
    Asking,
    an_object,
    fitting,
    missing,
    objects,
    pages,
    query,
    secret_of,
    wanted,
)

STATUSES = {Standing.IN_PROGRESS: "In Progress", Standing.DONE: "Resolved", Standing.FAILED: "Rejected"}
PRIORITIES = {"immediate": "critical", "urgent": "critical", "high": "high", "normal": "medium", "low": "low"}
_ID = re.compile(r"(?:redmine:)?#?([1-9][0-9]{0,17})")


class Redmine:
    """Labels are the issue's category and the values of a custom field called Labels or Tags."""

    name = "redmine"
    statuses: Mapping[Standing, str] = STATUSES
    visible_mark = True

    def __init__(self, settings: TrackerSettings, means: Means) -> None:
        self.secret_env = settings.token_env
        self._project, self._said = settings.project, settings.statuses
        if not settings.url:
            raise missing("redmine has no address", 'set [tracker] url = "https://redmine.example.org"')
        headers = {"X-Redmine-API-Key": secret_of(means.secret, self.name, self.secret_env)}
        self._asking = Asking(means.transport(settings.url), headers, has_secret=True, secret_env=self.secret_env)

    def key(self, item: str) -> str:
        return f"redmine:{self._number(item)}"

    def get(self, item: str) -> Item:
        return self._item(self._issue(item))

    def find(self, label: str) -> Iterator[Item | TrackerError]:
        yield from wanted(pages(self._page, lambda one: str(one.get("id")), full=PAGE), self._item, label)

    def status(self, item: str) -> str | None:
        return plain(self._issue(item).get("status")) or ""

    def set_status(self, item: str, status: str) -> None:
        number = self._ids.get(status.casefold())
        if number is None:
            hint = f"[tracker.statuses] may name {', '.join(self._ids) or 'none'}"
            raise TrackerError(Trouble.MISCONFIGURED, f"redmine has no status {status!r}", hint=hint)
        self._change(item, {"status_id": number})

    def comments(self, item: str) -> Sequence[str] | None:
        issue = self._issue(item, include="journals")
        return [note for one in objects(issue.get("journals")) if isinstance(note := one.get("notes"), str)]

    def add_comment(self, item: str, text: str) -> None:
        self._change(item, {"notes": text}, twice=False)

    def check(self) -> Iterable[str]:
        user = an_object(self._asking.object("/users/current.json").get("user"), "GET /users/current.json")
        yield f"signed in as {plain(user.get('login')) or 'somebody'}"
        yield fitting(list(self._ids), self.statuses, self._said)

    @cached_property
    def _ids(self) -> dict[str, int]:
        """Status ids by name in lower case."""
        found = objects(self._asking.object("/issue_statuses.json").get("issue_statuses"))
        return {name.casefold(): one["id"] for one in found if (name := plain(one)) and isinstance(one.get("id"), int)}

    def _issue(self, item: str, **asked: str) -> Mapping[str, Any]:
        path = f"/issues/{self._number(item)}.json"
        return an_object(self._asking.object(path + query(**asked)).get("issue"), f"GET {path}")

    def _change(self, item: str, change: Mapping[str, Any], *, twice: bool = True) -> None:
        self._asking.good("PUT", f"/issues/{self._number(item)}.json", {"issue": change}, twice=twice)

    def _page(self, page: int) -> Sequence[Mapping[str, Any]]:
        asked = query(status_id="open", project_id=self._project, limit=PAGE, offset=(page - 1) * PAGE, sort="id")
        return objects(self._asking.object(f"/issues.json{asked}").get("issues"))

    def _number(self, item: str) -> str:
        found = _ID.fullmatch(item.strip())
        if found is None:
            raise TrackerError(Trouble.NOT_FOUND, f"{item!r} is no issue of redmine", hint="give its number")
        return found[1]

    def _item(self, issue: Mapping[str, Any]) -> Item:
        key = self.key(plain(issue.get("id")) or "")
        fields = Fields(key, issue)
        priority = fields.text("priority").casefold()
        labels = [fields.text("category"), *_custom(issue)]
        return Item(
            id=key, title=fields.prose("subject"), text=fields.prose("description"), status=fields.text("status"),
            kind=fields.text("tracker").casefold(), priority=PRIORITIES.get(priority, priority),
            labels=tuple(label for label in labels if label), author=fields.text("author"),
            odd=tuple(fields.odd),
        )  # fmt: skip


def _custom(issue: Mapping[str, Any]) -> Iterator[str]:
    """The values of custom fields that hold labels."""
    for custom in objects(issue.get("custom_fields")):
        value = custom.get("value")
        if str(custom.get("name")).casefold() in ("labels", "tags"):
            values = value if isinstance(value, list) else str(value or "").split(",")
            yield from (label.strip() for label in values if isinstance(label, str))
