"""The model service itself, as far as the agent programs here do not show it."""

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread
from typing import Any

import pytest

from .lab import until
from .model_server import COPY, FINAL, HELLO, ModelServer

pytestmark = pytest.mark.engines

Json = dict[str, Any]
SCHEMA = {"type": "object", "properties": {"command": {"type": "string"}}}


@dataclass(frozen=True)
class Client:
    """What a client of one dialect sends, and where it reads the tokens: all input, of that cached, all output."""

    path: str
    key: str
    tools: list[Json]
    person: Json
    result: Json
    tokens: Callable[[Json], tuple[int, int, int]]
    stream_path: str = ""

    def ask(self, server: ModelServer, mode: str, steps: int = 0, *, stream: bool = False, tools: bool = True) -> bytes:
        body = {"model": "m", self.key: [self.person, *[self.result] * steps], "tools": self.tools if tools else []}
        path = (self.stream_path or self.path) if stream else self.path
        return send(server, mode, path, {**body, "stream": stream and not self.stream_path})[1]


CLIENTS = {
    "anthropic": Client(
        "/v1/messages", "messages", [{"name": "Bash", "input_schema": SCHEMA}],
        {"role": "user", "content": "<system-reminder>do not</system-reminder> do it"},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": ""}]},
        lambda answer: (
            answer["usage"]["input_tokens"] + answer["usage"]["cache_read_input_tokens"]
            + answer["usage"]["cache_creation_input_tokens"],
            answer["usage"]["cache_read_input_tokens"], answer["usage"]["output_tokens"],
        ),
    ),
    "responses": Client(
        "/v1/responses", "input", [{"type": "function", "name": "shell", "parameters": SCHEMA}],
        {"role": "user", "content": [{"type": "input_text", "text": "do it"}]},
        {"type": "function_call_output", "call_id": "1", "output": ""},
        lambda answer: (answer["usage"]["input_tokens"], answer["usage"]["input_tokens_details"]["cached_tokens"],
                        answer["usage"]["output_tokens"]),
    ),
    "chat": Client(
        "/v1/chat/completions", "messages", [{"type": "function", "function": {"name": "bash", "parameters": SCHEMA}}],
        {"role": "user", "content": "do it"}, {"role": "tool", "tool_call_id": "1", "content": ""},
        lambda answer: (answer["usage"]["prompt_tokens"], answer["usage"]["prompt_tokens_details"]["cached_tokens"],
                        answer["usage"]["completion_tokens"]),
    ),
    "gemini": Client(
        "/v1beta/models/m:generateContent", "contents",
        [{"functionDeclarations": [{"name": "shell", "parameters": SCHEMA}]}],
        {"role": "user", "parts": [{"text": "do it"}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "shell", "response": {}}}]},
        lambda answer: (
            answer["usageMetadata"]["promptTokenCount"], answer["usageMetadata"]["cachedContentTokenCount"],
            answer["usageMetadata"]["candidatesTokenCount"] + answer["usageMetadata"]["thoughtsTokenCount"],
        ),
        stream_path="/v1beta/models/m:streamGenerateContent",
    ),
}  # fmt: skip


def send(server: ModelServer, mode: str, path: str, body: Json | None, **headers: str) -> tuple[int, bytes]:
    """POST a body, or GET without one; mode names the run, too."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    try:
        address = f"/s/{mode}/{mode}{path}"
        connection.request("POST" if body else "GET", address, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.fixture
def server() -> Any:
    with ModelServer() as server:
        yield server


@pytest.fixture(params=CLIENTS, ids=str)
def client(request: pytest.FixtureRequest) -> Client:
    return CLIENTS[request.param]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_script_goes_step_by_step(server: ModelServer, client: Client, stream: bool) -> None:
    written, copied, ended = (client.ask(server, "ok", steps, stream=stream).decode() for steps in (0, 1, 2))
    assert f"printf %s '{HELLO}' > hello.txt" in written
    assert COPY in copied
    assert [word in ended for word in FINAL.split()] == [True] * len(FINAL.split())
    assert ("data: " in ended) is stream


def test_what_an_answer_says_it_cost_is_the_truth(server: ModelServer, client: Client) -> None:
    told = [client.tokens(json.loads(client.ask(server, "ok", steps))) for steps in (0, 1, 2)]
    client.ask(server, "ok", tools=False)
    truth = json.loads(send(server, "ok", "/__truth", None)[1])["totals"]
    main, side = truth["main"], truth["side"]
    assert (main["tokens_in"], main["tokens_cached"], main["tokens_out"]) == tuple(map(sum, zip(*told, strict=True)))
    assert (main["calls"], side["calls"], side["tokens_in"]) == (3, 1, 500)
    assert len(set(told)) == 3


def test_a_mode_holds_from_one_call_to_another(server: ModelServer) -> None:
    client = CLIENTS["chat"]
    answers = [b"overloaded" in client.ask(server, "overloaded@2-3") for _ in range(4)]
    assert answers == [False, True, True, False]


def test_an_unknown_path_is_refused_in_the_callers_dialect(server: ModelServer) -> None:
    code, body = send(server, "ok", "/v1/messages/other", {"a": 1}, **{"anthropic-version": "2023-06-01"})
    assert (code, json.loads(body)["error"]["type"]) == (404, "not_found_error")
    code, body = send(server, "ok", "/v1beta/models/m", None)
    assert (code, json.loads(body)["error"]["status"]) == (404, "NOT_FOUND")
    code, body = send(server, "ok", "/v1/embeddings", {"a": 1})
    assert (code, json.loads(body)["error"]["code"]) == (404, "unknown_url")
    assert [call["kind"] for call in server.run_of("ok").calls] == ["other"] * 3


def test_a_cut_stream_ends_without_its_end(server: ModelServer, client: Client) -> None:
    with pytest.raises(http.client.IncompleteRead):
        client.ask(server, "cut", stream=True)
    assert client.ask(server, "cut")
    assert [call["outcome"] for call in server.run_of("cut").calls] == ["cut", "answered"]
    assert server.run_of("cut").truth()["totals"]["main"]["calls"] == 1


@pytest.mark.parametrize("mode", ["hang", "slow"])
def test_an_answer_can_be_let_go(server: ModelServer, mode: str) -> None:
    thread = Thread(target=lambda: CLIENTS["anthropic"].ask(server, mode, stream=True))
    thread.start()
    until(lambda: server.run_of(mode).calls)
    assert server.run_of(mode).calls[0]["outcome"] == "open"
    server.let_go(mode)
    thread.join(timeout=20)
    assert server.run_of(mode).calls[0]["outcome"] == "answered"
