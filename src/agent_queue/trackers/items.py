"""The platform's items interface: the tracker that is there when nobody says another. Paths can be configured."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from agent_queue.core.item import Fields, Item, plain, unwrapped
from agent_queue.core.label_map import Standing
from agent_queue.core.tracker_settings import TrackerSettings
from agent_queue.core.trouble import TrackerError, Trouble
from agent_queue.ports_tracker import Means
from agent_queue.trackers.asking import CLOSED, PAGE, Asking, an_object, objects, pages, query, quoted

URL = "http://localhost:4003"
PATHS = {"item": "/api/items/{id}", "comments": "/api/items/{id}/comments", "query": "/api/items"}
STATUSES = {Standing.IN_PROGRESS: "in_progress", Standing.DONE: "done", Standing.FAILED: "wont_fix"}
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
        return item.strip()

    def get(self, item: str) -> Item:
        path = self._path("item", item)
        value = an_object(unwrapped(self._asking.json(path), ("data", "item"), until="title"), f"GET {path}")
        if not value:
            raise TrackerError(Trouble.NOT_FOUND, f"the tracker has no item {item}", hint="check its id")
        return self._mine(self._read(self.key(item), value))

    def find(self, label: str) -> Iterator[Item]:
        """Whatever the service filters by itself, label, product and status are looked at here once more."""
        for value in pages(lambda page: self._page(label, page), lambda one: str(plain(one.get("id")))):
            key = plain(value.get("id"))
            if not key:
                continue
            item = self._read(key, value)
            foreign = self._product and item.product not in ("", self._product)
            if label in item.labels and not foreign and item.status.casefold() not in CLOSED:
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
        answer = self._asking.send("GET", path + query(limit=1, productId=self._product))
        if answer.status in (404, 405):
            yield f"answers; it has no list at {path}, so that --query and --pull need [tracker.paths] query"
            return
        self._asking.judged(answer, f"GET {path}")
        yield f"answers at {path}"

    def _path(self, name: str, item: str) -> str:
        if not (key := self.key(item)) or key in (".", ".."):
            raise TrackerError(Trouble.NOT_FOUND, f"{item!r} is no item's id", hint="give an id such as T-1")
        return self._paths[name].replace("{id}", quoted(key))

    def _page(self, label: str, page: int) -> Sequence[Mapping[str, Any]]:
        path = self._paths["query"]
        value = self._asking.json(path + query(label=label, productId=self._product, page=page, limit=PAGE))
        found = unwrapped(value, LISTS)
        if not isinstance(found, list):
            hint = "check [tracker.paths] query"
            raise TrackerError(Trouble.BAD_ANSWER, f"GET {path}: the answer is no list", hint=hint)
        return objects(found)

    def _mine(self, item: Item) -> Item:
        if self._product and item.product and item.product != self._product:
            text = f"{item.id} is an item of product {item.product}, not of {self._product}"
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
