"""The platform's items interface: the tracker that is there when nobody says another. Paths can be configured."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from agent_queue.core.item import Fields, Item, plain, unwrapped
from agent_queue.core.label_map import Standing
from agent_queue.core.tracker_settings import TrackerSettings
from agent_queue.core.trouble import TrackerError, Trouble
from agent_queue.ports_tracker import Means
from agent_queue.trackers.asking import PAGE, Asking, an_object, objects, pages, query, quoted, wanted

URL = "http://localhost:4003"
PATHS = {"item": "/api/items/{id}", "comments": "/api/items/{id}/comments", "query": "/api/items"}
STATUSES = {Standing.IN_PROGRESS: "in_progress", Standing.DONE: "done", Standing.FAILED: "wont_fix"}
LONGEST_ID = 200
LISTS = ("data", "items", "comments", "results")


class Items:
    """Trusts a 2xx without reading back, so that a canned answer does."""

    name = "items"
    statuses: Mapping[Standing, str] = STATUSES
    visible_mark = False

    def __init__(self, settings: TrackerSettings, means: Means) -> None:
        self.secret_env = settings.token_env
        self._product = settings.product
        self._paths = {**PATHS, **settings.paths}
        headers = {"Authorization": f"Bearer {means.secret}"} if means.secret else {}
        if settings.product:
            headers["X-Product-Id"] = settings.product
        base = (settings.url or URL).removesuffix("/api")
        self._asking = Asking(means.transport(base), headers, has_secret=bool(means.secret),
                              secret_env=self.secret_env)  # fmt: skip

    def key(self, item: str) -> str:
        key = item.strip()
        if key in ("", ".", "..") or len(key) > LONGEST_ID or not key.isprintable():
            raise TrackerError(Trouble.NOT_FOUND, f"{key[:LONGEST_ID]!r} is no item's id", hint="give one such as T-1")
        return key

    def get(self, item: str) -> Item:
        key = self.key(item)
        return self._mine(self._read(key, self._value(key)))

    def find(self, label: str) -> Iterator[Item | TrackerError]:
        """Whatever the service filters by itself, label, product and status are looked at here once more."""
        found = pages(lambda page: self._page(label, page), lambda one: str(plain(one.get("id"))))
        for item in wanted(found, self._listed, label):
            if not isinstance(item, Item) or item.product in ("", self._product) or not self._product:
                yield item

    def status(self, item: str) -> str | None:  # noqa: ARG002 - it trusts
        return None

    def set_status(self, item: str, status: str) -> None:
        """On a conflict it reads the item and tries once more."""
        path = self._path("item", item)
        answer = self._asking.send("PATCH", path, {"status": status})
        if answer.status in (409, 412):
            self._asking.good("GET", path)
            answer = self._asking.send("PATCH", path, {"status": status})
        self._asking.judged(answer, f"PATCH {path}")

    def comments(self, item: str) -> Sequence[str] | None:
        path = self._path("comments", item)
        answer = self._asking.send("GET", path)
        if answer.status in (404, 405):
            return None
        try:
            value = unwrapped(self._asking.judged(answer, f"GET {path}").json(path), LISTS)
        except TrackerError as error:
            if error.trouble is Trouble.BAD_ANSWER:
                return None
            raise
        if not isinstance(value, list):
            return None
        return [said for one in value if (said := _said(one)) is not None]

    def add_comment(self, item: str, text: str) -> None:
        self._asking.good("POST", self._path("comments", item), {"body": text}, twice=False)

    def check(self) -> Iterable[str]:
        path = self._paths["query"]
        answer = self._asking.send("GET", self._list(limit=1))
        if answer.status in (404, 405):
            yield f"answers; it has no list at {path}, so that --query and --pull need [tracker.paths] query"
            return
        self._asking.judged(answer, f"GET {path}")
        yield f"answers at {path}"

    def _value(self, key: str) -> Mapping[str, Any]:
        """What the service says of an item. Some that has none say so inside a good answer."""
        path = self._path("item", key)
        value = unwrapped(self._asking.json(path), ("data", "item"), until="title")
        if not value or (isinstance(value, dict) and not ({"id", "title", "description"} & value.keys())):
            raise TrackerError(Trouble.NOT_FOUND, f"the tracker has no item {key}", hint="check its id")
        return an_object(value, f"GET {path}")

    def _listed(self, value: Mapping[str, Any]) -> Item:
        """An item of a list, which may be a summary."""
        key = self.key(plain(value.get("id")) or "")
        return self._read(key, value if value.keys() >= {"labels", "description"} else self._value(key))

    def _path(self, name: str, item: str) -> str:
        return self._paths[name].replace("{id}", quoted(self.key(item)))

    def _page(self, label: str, page: int) -> Sequence[Mapping[str, Any]]:
        found = unwrapped(self._asking.json(self._list(label=label, page=page, limit=PAGE)), LISTS)
        if not isinstance(found, list):
            hint = "check [tracker.paths] query"
            raise TrackerError(Trouble.BAD_ANSWER, f"GET {self._paths['query']}: the answer is no list", hint=hint)
        return objects(found)

    def _list(self, **asked: object) -> str:
        path, asks = self._paths["query"], query(**asked, productId=self._product)
        return path + (asks.replace("?", "&", 1) if "?" in path else asks)

    def _mine(self, item: Item) -> Item:
        if self._product and item.product and item.product != self._product:
            text = f"{item.id} is an item of product {item.product!r}, not of {self._product!r}"
            raise TrackerError(Trouble.REFUSED, text, hint="AQ_PRODUCT_ID, or [tracker] product, names the product")
        return item

    @staticmethod
    def _read(key: str, value: Mapping[str, Any]) -> Item:
        fields = Fields(key, value)
        return Item(
            id=key, title=fields.prose("title"), text=fields.prose("description"), status=fields.text("status"),
            kind=fields.text("type"), priority=fields.text("priority"), labels=fields.labels("labels"),
            author=fields.text("author", "createdBy", "created_by", "reporter", "creator"),
            product=fields.text("productId", "product_id"), odd=tuple(fields.odd),
        )  # fmt: skip


def _said(comment: Any) -> str | None:
    if isinstance(comment, Mapping):
        comment = next(
            (comment[key] for key in ("body", "text", "content", "comment", "message") if key in comment), ""
        )
    return comment if isinstance(comment, str) else None
