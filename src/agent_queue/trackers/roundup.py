"""Roundup over its REST interface. An issue's text is its first message; a message on a resolved issue reopens it."""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from agent_queue.core.calls import Answer
from agent_queue.core.item import Fields, Item, plain
from agent_queue.core.label_map import Standing
from agent_queue.core.tracker_settings import TrackerSettings
from agent_queue.core.trouble import TrackerError, Trouble
from agent_queue.ports_tracker import Means
from agent_queue.trackers.asking import Asking, an_object, fitting, missing, objects, query, secret_of, wanted

STATUSES = {Standing.IN_PROGRESS: "in-progress", Standing.DONE: "resolved", Standing.FAILED: "deferred"}
PRIORITIES = {"critical": "critical", "urgent": "high", "bug": "medium", "feature": "medium", "wish": "low"}
_ID = re.compile(r"(?:roundup:)?(?:issue)?([1-9][0-9]{0,17})")
_ORIGIN = re.compile(r"https?://[^/]+", re.IGNORECASE)
ALL = {"@verbose": 3}
"""Names instead of links, and the text of messages: without it a mark in a comment would not be seen."""


class Roundup:
    """Labels are the issue's keywords, as the classic template has them."""

    name = "roundup"
    statuses: Mapping[Standing, str] = STATUSES
    visible_mark = True

    def __init__(self, settings: TrackerSettings, means: Means) -> None:
        self.secret_env, self._said = settings.token_env, settings.statuses
        if not settings.url or not settings.user:
            hint = 'set [tracker] url = "https://example.org/TRACKER" and user = "NAME"'
            raise missing("roundup has no address or no user", hint)
        secret = secret_of(means.secret, self.name, self.secret_env)
        origin = _ORIGIN.match(settings.url)
        headers = {
            "Authorization": f"Basic {b64encode(f'{settings.user}:{secret}'.encode()).decode()}",
            "X-Requested-With": "rest", "Origin": origin[0] if origin else settings.url,
            "Referer": f"{settings.url}/",
        }  # fmt: skip
        self._asking = Asking(means.transport(f"{settings.url}/rest/data"), headers, has_secret=True,
                              secret_env=self.secret_env)  # fmt: skip

    def key(self, item: str) -> str:
        return f"roundup:{self._number(item)}"

    def get(self, item: str) -> Item:
        return self._item(self._number(item), self._entity(f"/issue/{self._number(item)}")[0])

    def find(self, label: str) -> Iterator[Item | TrackerError]:
        keywords = self._collection("/keyword", name=label)
        named = [number for one in keywords if one.get("name") == label and (number := plain(one.get("id")))]
        issues = self._collection("/issue", keyword=",".join(named)) if named else []
        yield from wanted(issues, lambda one: self.get(plain(one.get("id")) or ""), label)

    def status(self, item: str) -> str | None:
        return plain(self._entity(f"/issue/{self._number(item)}")[0].get("status")) or ""

    def set_status(self, item: str, status: str) -> None:
        if not any(one.get("name") == status for one in self._collection("/status")):
            hint = (
                f"[tracker.statuses] may name {', '.join(str(one.get('name')) for one in self._collection('/status'))}"
            )
            raise TrackerError(Trouble.MISCONFIGURED, f"roundup has no status {status!r}", hint=hint)
        self._patch(item, {"@op": "replace", "status": status})

    def comments(self, item: str) -> Sequence[str] | None:
        messages = objects(self._entity(f"/issue/{self._number(item)}")[0].get("messages"))
        texts = [self._entity(f"/msg/{plain(one.get('id'))}")[0].get("content") for one in messages]
        return [text for text in texts if isinstance(text, str)]

    def add_comment(self, item: str, text: str) -> None:
        """A message that is not joined to the issue is seen by nobody: cut in between, it is as if never written."""
        path = "/msg"
        made = an_object(self._asking.good("POST", path, {"content": text}, twice=False).json(path), path)
        number = plain(an_object(made.get("data"), path).get("id"))
        self._patch(item, {"@op": "add", "messages": [number]})

    def check(self) -> Iterable[str]:
        yield fitting([str(one.get("name")) for one in self._collection("/status")], self.statuses, self._said)

    def _patch(self, item: str, change: Mapping[str, Any]) -> None:
        """Change an issue as it was read; when somebody else changed it meanwhile, read it and try once more."""
        path = f"/issue/{self._number(item)}"
        answer: Answer | None = None
        for _ in range(2):
            _, etag = self._entity(path)
            answer = self._asking.send("PATCH", path, change, headers={"If-Match": etag}, twice=False)
            if answer.status != 412:
                break
        assert answer is not None
        self._asking.judged(answer, f"PATCH {path}")

    def _entity(self, path: str) -> tuple[Mapping[str, Any], str]:
        """The attributes of one thing, and its etag."""
        data = an_object(self._asking.object(path + query(**ALL)).get("data"), f"GET {path}")
        return an_object(data.get("attributes"), f"GET {path}"), str(data.get("@etag") or "")

    def _collection(self, path: str, **asked: str) -> list[Mapping[str, Any]]:
        data = an_object(self._asking.object(path + query(**{"@verbose": 2}, **asked)).get("data"), f"GET {path}")
        return objects(data.get("collection"))

    def _number(self, item: str) -> str:
        found = _ID.fullmatch(item.strip())
        if found is None:
            raise TrackerError(Trouble.NOT_FOUND, f"{item!r} is no issue of roundup", hint="give its number")
        return found[1]

    def _item(self, number: str, issue: Mapping[str, Any]) -> Item:
        fields = Fields(f"roundup:{number}", issue)
        priority = fields.text("priority").casefold()
        texts = self.comments(number) or [""]
        first = Fields(f"roundup:{number}", {"text": texts[0]})
        return Item(
            id=f"roundup:{number}", title=fields.prose("title"), text=first.prose("text"),
            status=fields.text("status"), priority=PRIORITIES.get(priority, ""),
            kind="bug" if priority == "bug" else "",
            labels=fields.labels("keyword"), author=fields.text("creator"), odd=tuple(fields.odd),
        )  # fmt: skip
