"""GitHub issues. Their state is only open or closed, so the finer status is a label `aq:STATUS`."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from agent_queue.core.item import Fields, Item, plain
from agent_queue.core.label_map import Standing
from agent_queue.core.tracker_settings import TrackerSettings
from agent_queue.core.trouble import TrackerError, Trouble
from agent_queue.ports_tracker import Means
from agent_queue.trackers.asking import PAGE, Asking, missing, objects, pages, query, quoted, secret_of, wanted

URL = "https://api.github.com"
VERSION = "2022-11-28"
STATUSES = {Standing.IN_PROGRESS: "in_progress", Standing.DONE: "done", Standing.FAILED: "wont_fix"}
CLOSING = {"done": "completed", "wont_fix": "not_planned"}
"""Statuses that close an issue, with GitHub's reason; any other leaves it open."""
OURS = "aq:"
_ID = re.compile(r"(?:github:)?(?:([\w.-]+/[\w.-]+)#|#?)([1-9][0-9]{0,17})", re.ASCII)
_PROJECT = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


class GitHub:
    """A bare number is an issue of `[tracker] project`."""

    name = "github"
    statuses: Mapping[Standing, str] = STATUSES
    visible_mark = False

    def __init__(self, settings: TrackerSettings, means: Means) -> None:
        self.secret_env = settings.token_env
        self._project = settings.project
        if self._project and not _PROJECT.fullmatch(self._project):
            raise missing(f"{self._project!r} is no repository of github", 'set [tracker] project = "OWNER/REPO"')
        headers = {
            "Authorization": f"Bearer {secret_of(means.secret, self.name, self.secret_env)}",
            "Accept": "application/vnd.github+json", "X-GitHub-Api-Version": VERSION,
        }  # fmt: skip
        self._asking = Asking(means.transport(settings.url or URL), headers, has_secret=True,
                              secret_env=self.secret_env)  # fmt: skip

    def key(self, item: str) -> str:
        return "github:{}#{}".format(*self._parts(item))

    def get(self, item: str) -> Item:
        issue = self._issue(item)
        if issue.get("pull_request"):
            raise TrackerError(Trouble.REFUSED, f"{self.key(item)} is a pull request", hint="give an issue")
        return self._item(self.key(item), issue)

    def find(self, label: str) -> Iterator[Item | TrackerError]:
        project = self._needed()

        def page(number: int) -> Sequence[Mapping[str, Any]]:
            asked = query(labels=label, state="open", per_page=PAGE, page=number)
            return objects(self._asking.json(f"/repos/{project}/issues{asked}"))

        def read(issue: Mapping[str, Any]) -> Item:
            return self._item(self.key(f"{project}#{plain(issue.get('number'))}"), issue)

        found = pages(page, lambda one: str(one.get("number")), full=PAGE)
        yield from wanted((one for one in found if not one.get("pull_request")), read, label)

    def status(self, item: str) -> str | None:
        issue = self._issue(item)
        ours = [label.removeprefix(OURS) for label in _labels(issue) if label.startswith(OURS)]
        status = ours[0] if len(ours) == 1 else ""
        return status if issue.get("state") == _state(status) else f"{status}, {issue.get('state')}"

    def set_status(self, item: str, status: str) -> None:
        path, issue = self._path(item), self._issue(item)
        for label in _labels(issue):
            if label.startswith(OURS) and label != OURS + status:
                self._asking.good("DELETE", f"{path}/labels/{quoted(label)}")
        if OURS + status not in _labels(issue):
            self._asking.good("POST", f"{path}/labels", {"labels": [OURS + status]})
        if issue.get("state") != _state(status) or issue.get("state_reason") != CLOSING.get(status):
            reason = {"state_reason": CLOSING[status]} if status in CLOSING else {}
            if issue.get("state") != _state(status) or reason:
                self._asking.good("PATCH", path, {"state": _state(status), **reason})

    def comments(self, item: str) -> Sequence[str] | None:
        path = f"{self._path(item)}/comments"

        def page(number: int) -> Sequence[Mapping[str, Any]]:
            return objects(self._asking.json(path + query(per_page=PAGE, page=number)))

        found = pages(page, lambda one: str(one.get("id")), full=PAGE)
        return [body for one in found if isinstance(body := one.get("body"), str)]

    def add_comment(self, item: str, text: str) -> None:
        self._asking.good("POST", f"{self._path(item)}/comments", {"body": text}, twice=False)

    def check(self) -> Iterable[str]:
        yield f"signed in as {_login(self._asking.object('/user')) or 'somebody'}"
        if self._project:
            yield f"reads {plain(self._asking.object(f'/repos/{self._project}').get('full_name'))}"

    def _issue(self, item: str) -> Mapping[str, Any]:
        return self._asking.object(self._path(item))

    def _path(self, item: str) -> str:
        return "/repos/{}/issues/{}".format(*self._parts(item))

    def _parts(self, item: str) -> tuple[str, str]:
        found = _ID.fullmatch(item.strip())
        if found is None:
            hint = "give OWNER/REPO#12, or a number of [tracker] project"
            raise TrackerError(Trouble.NOT_FOUND, f"{item!r} is no issue of github", hint=hint)
        return found[1] or self._needed(), found[2]

    def _needed(self) -> str:
        if not self._project:
            raise missing("no repository is named", 'set [tracker] project = "OWNER/REPO"')
        return self._project

    @staticmethod
    def _item(key: str, issue: Mapping[str, Any]) -> Item:
        fields = Fields(key, issue)
        return Item(
            id=key, title=fields.prose("title"), text=fields.prose("body"), status=fields.text("state"),
            kind=fields.text("type"), labels=fields.labels("labels"), author=_login(issue.get("user")),
            odd=tuple(fields.odd),
        )  # fmt: skip


def _login(user: Any) -> str:
    """Who somebody is: names may be chosen freely, and by several."""
    login = user.get("login") if isinstance(user, dict) else None
    return login if isinstance(login, str) else ""


def _state(status: str) -> str:
    return "closed" if status in CLOSING else "open"


def _labels(issue: Mapping[str, Any]) -> list[str]:
    found = issue.get("labels")
    return [name for one in (found if isinstance(found, list) else []) if (name := plain(one))]
