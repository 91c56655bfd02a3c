"""Stands between `aq` and a real tracker, and lets single requests fail: before they arrive, or after."""

import http.client
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

SECRET = ("authorization", "x-redmine-api-key")
KEPT = ("etag", "content-type", "content-encoding", "location")
Fault = int | str
"""A status that answers instead, `hang` or `cut`, where the request does not arrive; `late cut` where it does."""


@dataclass
class Faulty:
    """What came by, and the request that is to fail: the first one that `fails` says a fault for, or every one."""

    target: str
    url: str = ""
    calls: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    """All of every request, but for the header that is meant to carry the token."""
    fails: Callable[[str, bytes], Fault | None] = lambda call, body: None
    released: Event = field(default_factory=Event)
    hung: Event = field(default_factory=Event)

    def heal(self) -> None:
        self.fails = lambda call, body: None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faulty: Faulty

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        call = f"{self.command} {self.path.partition('?')[0]}"
        self.faulty.calls.append(call)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in SECRET}
        self.faulty.sent.append(f"{self.path} {headers} {body.decode(errors='replace')}")
        fault = self.faulty.fails(call, body)
        status, answered, data = (fault, [], b"as told") if isinstance(fault, int) else (0, [], b"")
        if fault == "hang":
            self.faulty.hung.set()
            self.faulty.released.wait(120)
        if fault in (None, "late cut"):
            status, answered, data = self._asked(body)
        if isinstance(fault, str):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(status)
        for name, value in answered:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _asked(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        parts = urlsplit(self.faulty.target)
        there = f"{parts.scheme}://{parts.netloc}"
        headers = {name: value.replace(self.faulty.url, there) for name, value in self.headers.items()}
        headers = {name: value for name, value in headers.items() if name.lower() not in ("host", "connection")}
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        try:
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            kept = [pair for pair in answer.getheaders() if pair[0].lower() in KEPT]
            return answer.status, kept, answer.read()
        finally:
            connection.close()

    do_GET = do_PATCH = do_POST = do_PUT = do_DELETE = _pass_on  # noqa: N815 - as the library calls them

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is none of our business."""


@contextmanager
def faulty(target: str) -> Iterator[Faulty]:
    found = Faulty(target)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"faulty": found}))
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
