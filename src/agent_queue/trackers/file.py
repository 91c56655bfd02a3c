"""A folder of JSON items, one file each: a tracker without a server, to try the round trip with, or to keep."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from agent_queue.core.item import Fields, Item
from agent_queue.core.label_map import Standing
from agent_queue.core.tracker_settings import TrackerSettings
from agent_queue.core.trouble import TrackerError, Trouble
from agent_queue.ports_tracker import Means
from agent_queue.trackers.asking import an_object, missing, wanted

STATUSES = {Standing.IN_PROGRESS: "in_progress", Standing.DONE: "done", Standing.FAILED: "wont_fix"}
SUFFIX = ".json"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class FolderOfItems:
    """`T-1.json` holds `{"title", "description", "status", "priority", "labels", "comments": [...]}`; all but the title
    may be missing, and what else stands there is kept."""

    name = "file"
    secret_env = ""
    statuses: Mapping[Standing, str] = STATUSES
    visible_mark = False

    def __init__(self, settings: TrackerSettings, means: Means) -> None:
        if not settings.folder:
            raise missing("no folder of items is named", 'set [tracker] folder = "PATH"')
        self._shelf = means.shelf(settings.folder)

    def key(self, item: str) -> str:
        return item.strip().removesuffix(SUFFIX)

    def get(self, item: str) -> Item:
        data = self._shelf.read(self._file(item))
        if data is None:
            raise self._none(item)
        return _item(self.key(item), _values(item, data))

    def find(self, label: str) -> Iterator[Item | TrackerError]:
        names = (name for name in self._shelf.names() if name.endswith(SUFFIX))
        yield from wanted((name for name in names if _ID.fullmatch(self.key(name))), self.get, label)

    def status(self, item: str) -> str | None:
        return self.get(item).status

    def set_status(self, item: str, status: str) -> None:
        self._change(item, lambda values: {**values, "status": status})

    def comments(self, item: str) -> Sequence[str] | None:
        data = self._shelf.read(self._file(item))
        if data is None:
            raise self._none(item)
        return [text for text in _comments(_values(item, data)) if isinstance(text, str)]

    def add_comment(self, item: str, text: str) -> None:
        self._change(item, lambda values: {**values, "comments": [*_comments(values), text]})

    def check(self) -> Iterable[str]:
        names = [name for name in self._shelf.names() if name.endswith(SUFFIX)]
        yield f"{len(names)} items"

    def _change(self, item: str, change: "Any") -> None:
        found = []

        def changed(data: bytes) -> bytes:
            found.append(item)
            return json.dumps(change(_values(item, data)), indent=1, ensure_ascii=False).encode() + b"\n"

        self._shelf.change(self._file(item), changed)
        if not found:
            raise self._none(item)

    def _file(self, item: str) -> str:
        if not _ID.fullmatch(self.key(item)):
            raise self._none(item)
        return f"{self.key(item)}{SUFFIX}"

    @staticmethod
    def _none(item: str) -> TrackerError:
        hint = "an item is a file ID.json in [tracker] folder"
        return TrackerError(Trouble.NOT_FOUND, f"the folder has no item {item}", hint=hint)


def _values(item: str, data: bytes) -> Mapping[str, Any]:
    try:
        return an_object(json.loads(data), f"{item}{SUFFIX}")
    except (ValueError, RecursionError):
        raise TrackerError(Trouble.BAD_ANSWER, f"{item}{SUFFIX} is no JSON", hint="mend the file") from None


def _comments(values: Mapping[str, Any]) -> list[Any]:
    found = values.get("comments")
    return found if isinstance(found, list) else []


def _item(key: str, values: Mapping[str, Any]) -> Item:
    fields = Fields(key, values)
    return Item(
        id=key, title=fields.prose("title"), text=fields.prose("description"), status=fields.text("status"),
        kind=fields.text("type"), priority=fields.text("priority"), labels=fields.labels("labels"),
        author=fields.text("author"), odd=tuple(fields.odd),
    )  # fmt: skip
