"""A small honest items service: it keeps state, checks bearer and product, and fails when it is told to."""

import json
import select
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN, PRODUCT = "tok-canary-5f2c", "shop"
STATUSES = ("open", "in_progress", "done", "closed", "wont_fix")


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str]

    @property
    def call(self) -> str:
        return f"{self.method} {self.path.partition('?')[0]}"

    @property
    def text(self) -> str:
        """All of it, but for the header that is meant to carry the token."""
        kept = {name: value for name, value in self.headers.items() if name.casefold() != "authorization"}
        return f"{self.method} {self.path} {kept} {self.body.decode(errors='replace')}"


@dataclass
class Hang:
    """A request without an answer."""

    call: str
    before: Any
    after: Any = None
    over: Event = field(default_factory=Event)


Fault = int | str
"""A status to answer, or `hang`, `cut`: what comes instead of the deed. After it: `late cut`, `garbage`."""


@dataclass
class ItemsService:
    """Items by id, with their comments. `faults` are used up one by one, by call such as `GET /api/items/T-1`."""

    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    comments: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    faults: dict[str, deque[Fault]] = field(default_factory=dict)
    always: Callable[[str], Fault | None] = lambda call: None
    wrap: Callable[[Any], Any] = lambda value: value
    page_size: int = 2
    listed: tuple[str, ...] = ()
    """The fields of items in a list; all where none is named."""
    retry_after: str = "1"
    before_answering: Callable[[], object] = lambda: None
    glance: Callable[[], Any] = lambda: None
    hangs: list["Hang"] = field(default_factory=list)
    """Requests that were left without an answer, with what `glance` saw when they came and when they were given up."""
    url: str = ""
    released: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)

    def put(self, name: str = "T-1", **said: Any) -> None:
        """A new item."""
        self.items[name] = {
            "id": name, "productId": PRODUCT, "type": "bug", "title": "Fix the login", "status": "open",
            "description": "It fails.", "priority": "medium", "labels": [], "assignee": None, "x": {"y": 1}, **said,
        }  # fmt: skip

    def fail(self, call: str, *faults: Fault) -> None:
        self.faults.setdefault(call, deque()).extend(faults)

    def calls(self, *beginnings: str) -> list[str]:
        return [seen.call for seen in self.seen if seen.call.startswith(beginnings or ("",))]

    def writes(self) -> list[str]:
        return self.calls("PATCH", "POST")

    def said(self, name: str = "T-1") -> list[str]:
        return [str(comment["body"]) for comment in self.comments.get(name, [])]

    def status(self, name: str = "T-1") -> str:
        return str(self.items[name]["status"])

    def hang(self, seen: Seen, given_up: Callable[[], bool]) -> None:
        """Leave a request without an answer, until the client gives it up or all are released."""
        hang = Hang(seen.call, self.glance())
        self.hangs.append(hang)
        while not self.released.wait(0.01) and not given_up():
            pass
        hang.after = self.glance()
        hang.over.set()

    def hanging(self) -> bool:
        return any(not hang.over.is_set() for hang in self.hangs)

    def answer(self, seen: Seen) -> tuple[int, Any, Fault | None]:
        with self.lock:
            self.seen.append(seen)
            waiting = self.faults.get(seen.call)
            fault = waiting.popleft() if waiting else self.always(seen.call)
            if fault not in (None, "late cut", "garbage"):
                return fault if isinstance(fault, int) else 0, {"error": "as told"}, fault
            status, value = self._served(seen)
            return status, value, fault

    def _served(self, seen: Seen) -> tuple[int, Any]:
        headers = {name.casefold(): value for name, value in seen.headers.items()}
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"error": "token"}
        if headers.get("x-product-id") != PRODUCT:
            return 400, {"error": "product"}
        parts = [part for part in urlsplit(seen.path).path.split("/") if part]
        match seen.method, parts:
            case "GET", ["api", "items"]:
                return 200, self._listed(parse_qs(urlsplit(seen.path).query))
            case method, ["api", "items", name, *rest]:
                if name not in self.items:
                    return 404, {"error": f"no item {name}"}
                return self._item(method, name, rest, seen.body)
            case _:
                return 404, {"error": "no such path"}

    def _listed(self, query: dict[str, list[str]]) -> Any:
        page = int(query.get("page", ["1"])[0])
        wanted = query.get("label", [""])[0]
        found = [item for item in self.items.values() if not wanted or wanted in item["labels"]]
        found = found[(page - 1) * self.page_size : page * self.page_size]
        return self.wrap([{key: item[key] for key in self.listed or item if key in item} for item in found])

    def _item(self, method: str, name: str, rest: list[str], body: bytes) -> tuple[int, Any]:
        match method, rest:
            case "GET", []:
                return 200, self.wrap(self.items[name])
            case "PATCH", []:
                status = json.loads(body).get("status")
                if status not in STATUSES:
                    return 422, {"error": f"status {status}"}
                self.items[name]["status"] = status
                return 200, self.wrap(self.items[name])
            case "GET", ["comments"]:
                return 200, self.wrap(self.comments.get(name, []))
            case "POST", ["comments"]:
                said = json.loads(body).get("body")
                if not isinstance(said, str) or not said.strip():
                    return 422, {"error": "body"}
                self.comments.setdefault(name, []).append({"id": len(self.comments.get(name, [])), "body": said})
                return 201, self.wrap(self.comments[name][-1])
            case _:
                return 405, {"error": "method"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: ItemsService

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        seen = Seen(self.command, self.path, self.rfile.read(length), dict(self.headers))
        self.service.before_answering()
        status, value, fault = self.service.answer(seen)
        if fault == "hang":
            self.service.hang(seen, self._given_up)
        if fault in ("hang", "cut", "late cut"):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        data = b"<html>\x00 proxy" if fault == "garbage" else json.dumps(value).encode()
        self.send_response(200 if fault == "garbage" else status)
        self.send_header("Content-Length", str(len(data)))
        if status in (429, 503) and fault:
            self.send_header("Retry-After", self.service.retry_after)
        self.end_headers()
        self.wfile.write(data)

    def _given_up(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

    do_GET = do_PATCH = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - as the library calls them

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is none of our business."""


@contextmanager
def serving(service: ItemsService, port: int = 0) -> Iterator[ItemsService]:
    """Serve it on loopback for as long as this lasts."""
    handler = type("Handler", (_Handler,), {"service": service})
    server = _Server(("127.0.0.1", port), handler)
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
