"""What carries requests: it always comes back, keeps to itself what is nobody's business, and says how it went."""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import pytest

from agent_queue.core.trouble import TrackerError, Trouble
from agent_queue.ports_tracker import Request
from agent_queue.system.command_transport import CommandTransport
from agent_queue.system.http import HttpTransport

GET = Request(method="GET", path="/x?token=in-the-query", headers={"Authorization": "Bearer canary-1"})
LONGEST_S = 0.4
PATIENCE_S = 20.0

Serve = Callable[[socket.socket, Event], None]


@contextmanager
def serving(serve: Serve) -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads a request, keeps it, and does the rest by `serve`; its address, and what came."""
    over, seen = Event(), list[bytes]()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def each(client: socket.socket) -> None:
            with client:
                seen.append(client.recv(65536))
                with suppress(OSError):  # it went away
                    serve(client, over)

        def accept() -> None:
            while not over.is_set():
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                Thread(target=each, args=(client,), daemon=True).start()

        Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", seen
        finally:
            over.set()


def hang(client: socket.socket, over: Event) -> None:
    over.wait(PATIENCE_S)


def drip(begin: bytes, piece: bytes) -> Serve:
    def serve(client: socket.socket, over: Event) -> None:
        client.sendall(begin)
        while not over.wait(LONGEST_S / 8):
            client.sendall(piece)

    return serve


def answer(data: bytes) -> Serve:
    return lambda client, over: client.sendall(data)


DRIPS = {
    "nothing comes": hang,
    "the head drips": drip(b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n"),
    "the first line drips": drip(b"HTTP/1.1 200", b"O"),
    "the body drips": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b" "),
}


@pytest.mark.parametrize("serve", DRIPS.values(), ids=DRIPS)
def test_however_slow_an_answer_is_the_call_comes_back(serve: Serve) -> None:
    with serving(serve) as (url, _):
        transport = HttpTransport(url, longest_s=LONGEST_S)
        began = time.monotonic()
        for _ in range(2):
            with pytest.raises(TrackerError, match=r"GET http://127\.0\.0\.1:[0-9]+/x: no ") as found:
                transport.send(GET)
            assert (found.value.trouble, found.value.arrived, found.value.slow) == (Trouble.UNREACHABLE, True, True)
        assert time.monotonic() - began < PATIENCE_S


BROKEN = {
    "cut at once": (answer(b""), Trouble.UNREACHABLE),
    "cut in the head": (answer(b"HTTP/1.1 200 OK\r\nContent-"), Trouble.UNREACHABLE),
    "cut in the body": (answer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"), Trouble.UNREACHABLE),
    "no HTTP at all": (answer(b"SSH-2.0-OpenSSH_9.2\r\n"), Trouble.UNREACHABLE),
    "a wrong encoding": (answer(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
                         Trouble.BAD_ANSWER),
    "no end": (lambda client, over: client.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (17 << 20)),
               Trouble.BAD_ANSWER),
}  # fmt: skip


@pytest.mark.parametrize(("serve", "trouble"), BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_said_in_words(serve: Serve, trouble: Trouble) -> None:
    with serving(serve) as (url, _), pytest.raises(TrackerError) as found:
        HttpTransport(url, longest_s=PATIENCE_S).send(GET)
    assert (found.value.trouble, found.value.arrived) == (trouble, True)
    assert found.value.hint
    for canary in ("canary", "in-the-query"):
        assert canary not in f"{found.value} {found.value.hint}"


def test_nobody_there_is_no_request_that_may_have_arrived() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(TrackerError) as found:
        HttpTransport(f"http://127.0.0.1:{port}").send(GET)
    assert (found.value.trouble, found.value.arrived) == (Trouble.UNREACHABLE, False)


def test_a_redirect_is_not_followed_so_the_token_goes_nowhere_else() -> None:
    with serving(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) as (other, theirs):
        away = f"HTTP/1.1 307 Away\r\nLocation: {other}/x\r\nContent-Length: 0\r\n\r\n".encode()
        with serving(answer(away)) as (url, ours):
            assert HttpTransport(url).send(GET).status == 307
            assert len(ours) == 1
        assert theirs == []


def test_a_request_carries_what_it_was_given_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "canary-2")
    with serving(answer(b"HTTP/1.1 204 Done\r\n\r\n")) as (url, seen):
        HttpTransport(url).send(Request(method="PATCH", path="/y", body={"a": "\u00e9"}))
        HttpTransport(url).send(GET)
    heads = [{line.partition(b":")[0].lower() for line in one.split(b"\r\n\r\n")[0].split(b"\r\n")[1:]} for one in seen]
    usual = {b"host", b"accept", b"accept-encoding", b"connection", b"user-agent"}
    assert heads == [usual | {b"content-type", b"content-length"}, usual | {b"authorization"}]
    assert b"canary" not in seen[0]
    assert b"canary-2" not in seen[1]


@pytest.mark.parametrize(
    ("script", "status", "body"),
    [
        ("print('{}'); print(201)", 201, b"{}"), ("print('{}')", 200, b"{}"), ("print(204)", 204, b""), ("", 200, b""),
        ("print('{}\\r\\n200\\r')", 200, b"{}\r"), ("print('{\"a\":\\n 200}')", 200, b'{"a":\n 200}\n'),
        ("print('no'); print(404); exit(3)", 404, b"no"), ("print('{}'); print('  503  ')", 503, b"{}"),
    ],
)  # fmt: skip
def test_what_a_program_prints_is_body_and_status(tmp_path: Path, script: str, status: int, body: bytes) -> None:
    program = tmp_path / "stub.py"
    program.write_text(script)
    found = CommandTransport(f"{sys.executable} {program}").send(GET)
    assert (found.status, found.body.rstrip()) == (status, body.rstrip())


def test_a_program_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    alive, program = tmp_path / "alive", tmp_path / "stub.sh"
    os.mkfifo(alive)
    reader = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    program.write_text(f"#!/bin/sh\n(trap '' TERM; exec 9>{alive}; echo here >&9; sleep 600) &\nwait\n")
    program.chmod(0o755)
    try:
        with pytest.raises(TrackerError, match="did not end") as found:
            CommandTransport(str(program), longest_s=LONGEST_S).send(GET)
        assert (found.value.trouble, found.value.arrived, found.value.slow) == (Trouble.UNREACHABLE, True, True)
        os.set_blocking(reader, True)
        assert os.read(reader, 99) == b"here\n"
        assert os.read(reader, 99) == b""  # comes when nobody holds the other end any more
    finally:
        os.close(reader)
