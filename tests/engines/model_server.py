"""A model service on loopback: answers by a script, in four dialects, and knows every token that it charged.

Anthropic Messages, OpenAI Responses and Chat Completions, Gemini generateContent; streamed or whole.

    http://127.0.0.1:PORT/s/MODE[@FROM[-TO]]/RUN            base URL of a run, to which a client adds /v1/...
    http://127.0.0.1:PORT/s/MODE[@FROM[-TO]]/RUN/__truth    what it was asked and what it charged, as JSON

The script of a conversation: say a word and write hello.txt; copy that with the shell; say FINAL. A mode holds from the
run's main call FROM to TO (default: for all); the others follow the script. A request that offers no tools nor asks for
edits in another form is a side request (a title, a probe): it gets a short answer and is counted apart.

    ok            the script
    tool_sleep    the shell step leaves a process behind, and then sleeps for ever
    hang          says nothing until `let_go`, or until the client is gone; then the script
    slow          a long text, word by word, until `let_go`
    helper        has another agent of the program do it, in the run's first call, where there is a tool for that
    helper_sleep  both: it is the helper that sleeps
    full          says that the conversation nearly fills the model's window
    cut           breaks a stream off after a few events; whole answers are not touched
    bad_key usage_limit rate_limited overloaded err500 context credit    refusals, worded in dialects.py

By hand, in tests/: python -m engines.model_server [PORT]
"""

import json
import re
import select
import socket
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

from .dialects import REFUSALS, ROUTES, SIDE, Anthropic, Chat, Dialect, Gemini, Json, Turn, unique

INTRO, FINAL = "On my way with hello.txt now.", "FINAL: hello.txt is written and copied."
HELLO = "hello from the model server"
COPY = "cat hello.txt > copy.txt && echo copied"
SLEEPERS = ("sleep 86420", "sleep 86421")
"""Nobody else asks for these durations. The second leaves its session and its parent: no walk down a tree finds it."""
SLEEP = f"(setsid {SLEEPERS[1]} >/dev/null 2>&1 &); {SLEEPERS[0]}"

WRITERS = ("Write", "write", "create")
SHELLS = ("Bash", "bash", "exec_command", "shell_command", "run_shell_command", "shell", "terminal")
TASK = "Write hello.txt, then copy it."
FOR_A_HELPER = {
    "description": "write and copy hello.txt", "prompt": TASK, "message": TASK, "mode": "sync", "name": "writer",
    "subagent_type": "general-purpose", "agent_type": "general-purpose", "agent_name": "generalist",
    "security_risk": "LOW",
}  # fmt: skip
HELPERS = ("Agent", "task", "agent", "multi_agent_v1.spawn_agent", "invoke_agent")
WAIT = "multi_agent_v1.wait_agent"
SUBMIT = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
"""A program without a word for it is told by a command that the work is done."""
BLOCKS, BLOCK = "SEARCH/REPLACE", f"{INTRO}\n\nhello.txt\n```\n<<<<<<< SEARCH\n=======\n{HELLO}\n>>>>>>> REPLACE\n```\n"
"""A program without tools has files written by an answer of this form."""
HELPER_BEGUN = re.compile(r"agent_id\W+([0-9a-f-]{36})")
CODE_MODE = "exec"
FULL = 960_000
CUT_AFTER, SLOW_WORDS, PAUSE_S, RESET_S = 4, 2_000, 0.05, 7200

MODES = ("ok", "tool_sleep", "hang", "slow", "helper", "helper_sleep", "full", "cut", *REFUSALS)
ADDRESS = re.compile(rf"/s/({'|'.join(MODES)})(?:@(\d+)(?:-(\d+))?)?/([^/]+)(/.*)")


def step(messages: list[Json]) -> int:
    """How many tool results came since a person last spoke. What stands in <tags> no person said."""
    steps = 0
    for message in messages:
        if message.get("role") == "tool" or str(message.get("type")).endswith("_call_output"):
            steps += 1
        if message.get("role") != "user":
            continue
        content = message.get("content") or message.get("parts") or []
        for part in [{"text": content}] if isinstance(content, str) else content:
            if part.get("type") == "tool_result" or "functionResponse" in part:
                steps += 1
            elif re.sub(r"<([\w-]+)>.*?</\1>", "", part.get("text", ""), flags=re.DOTALL).strip():
                steps = 0
    return steps


def next_turn(mode: str, dialect: Dialect, body: Json, *, first: bool) -> Turn:
    """The script. Files are written with a tool for that where there is one that takes relative paths."""
    tools, messages, told = dialect.tools(body), body[dialect.messages], json.dumps(body)
    steps, shell = step(messages), next((name for name in SHELLS if name in tools), "")
    if mode == "slow":
        return Turn("word " * SLOW_WORDS)
    if not tools:
        return Turn(BLOCK if BLOCKS in told else FINAL)
    if steps > 1:
        return Turn(FINAL, shell, {"command": f"echo {SUBMIT}"}) if SUBMIT in told and shell else Turn(FINAL)
    helper = next((name for name in HELPERS if name in tools), "") if mode.startswith("helper") and first else ""
    if helper:
        kind = {"subagent_type": "general"} if helper == "task" else {}
        return Turn(INTRO, helper, fitting(tools[helper] or {}, {**FOR_A_HELPER, **kind}))
    begun = HELPER_BEGUN.search(json.dumps(messages[-1:]))
    if begun and WAIT in tools:
        return Turn("", WAIT, {"targets": [begun[1]], "timeout_ms": 60_000})
    writer = next((name for name in WRITERS if name in tools), "")
    if steps == 0 and writer:
        paths = dict.fromkeys(("file_path", "filePath", "path"), "hello.txt")
        return Turn(INTRO, writer, fitting(tools[writer] or {}, {**paths, "content": HELLO, "file_text": HELLO}))
    command = f"printf %s '{HELLO}' > hello.txt" if steps == 0 else SLEEP if mode.endswith("_sleep") else COPY
    if shell:
        given = {"command": command, "cmd": command, "yield_time_ms": 30_000, "description": "a step of the script",
                 "security_risk": "LOW"}  # fmt: skip
        return Turn(INTRO, shell, fitting(tools[shell] or {}, given))
    source = json.dumps({"cmd": command, "yield_time_ms": 30_000})
    return Turn(INTRO, CODE_MODE, f"text(await tools.exec_command({source}))")


def fitting(schema: Json, given: Json) -> Json:
    """Those of the given arguments that a tool knows. One whose command is a list gets it run by a shell."""
    known = schema.get("properties", {})
    chosen = {key: value for key, value in given.items() if key in known}
    return {key: ["sh", "-c", value] if known[key].get("type") == "array" else value for key, value in chosen.items()}


@dataclass
class Run:
    """All that one base URL was asked: a record and a body for each request. `let_go` opens the gate."""

    calls: list[Json] = field(default_factory=list)
    bodies: list[Json] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    reset: int | None = None
    """When its usage limit ends, epoch seconds; None for hours from now."""

    def truth(self) -> Json:
        """Sums over what was answered whole; all input with its cached part, all output with its reasoning."""
        totals = {}
        for kind in ("main", "side"):
            told = [call["usage"] for call in self.calls if call["kind"] == kind and call["outcome"] == "answered"]
            sums = {key: sum(usage[key] for usage in told) for key in ("tokens_in", "tokens_cached", "tokens_out")}
            totals[kind] = {"calls": len(told), **sums}
        return {"totals": totals, "calls": self.calls}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "ModelServer"

    def log_message(self, *args: object) -> None:
        """Nothing: the records tell more."""

    def do_GET(self) -> None:
        found = ADDRESS.fullmatch(urlsplit(self.path).path)
        if found and found[5] == "/__truth":
            self._send(200, self.server.run_of(found[4]).truth())
        else:
            self._refuse_path(found)

    do_HEAD = do_GET  # noqa: N815 - the name is the standard library's

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}")
        found = ADDRESS.fullmatch(urlsplit(self.path).path)
        routes = [(at, dialect) for route, dialect in ROUTES if found and (at := re.search(route, found[5]))]
        if not found or not routes:
            self._refuse_path(found)
            return
        (at, dialect), run = routes[0], self.server.run_of(found[4])
        tools = dialect.tools(body)
        main = bool(tools) or BLOCKS in json.dumps(body)
        call = self.server.record(run, "main" if main else "side", body, path=found[5])
        first, last = int(found[2] or 1), int(found[3] or sys.maxsize)
        call["mode"] = found[1] if main and first <= call["number"] <= last else "ok"
        model = body.get("model") or at[1]
        stream = bool(body.get("stream")) or ":stream" in found[5]
        call.update(model=model, stream=stream)
        try:
            turn = next_turn(call["mode"], dialect, body, first=call["number"] == 1)
            self._answer(dialect, run, call, turn)
        except ConnectionError:
            call["outcome"], self.close_connection = "client gone", True

    def _answer(self, dialect: Dialect, run: Run, call: Json, turn: Turn) -> None:
        mode = call["mode"]
        if mode in REFUSALS:
            # A full hour, unless a test wants it soon: some clients show no seconds.
            call["reset"] = run.reset or int(time.time()) // 3600 * 3600 + RESET_S
            call["outcome"] = "refused"
            self._send(*dialect.refusal(mode, call["reset"]))
            return
        if mode == "hang":
            self._hold(run)
        usage = SIDE if call["kind"] == "side" else dialect.usage(call["number"])
        if mode == "full":
            usage = replace(usage, cached=usage.cached + FULL)
        call["usage"] = {"tokens_in": usage.input, "tokens_cached": usage.cached, "tokens_out": usage.output}
        whole = dialect.whole(call["model"], turn, usage)
        if call["stream"]:
            self._stream(list(dialect.events(whole, re.findall(r"\S+\s*", turn.text))), run, call)
        else:
            call["outcome"] = "answered"
            self._send(200, whole)

    def _hold(self, run: Run) -> None:
        """Wait for `let_go`, or until the client goes."""
        while not run.gate.wait(PAUSE_S):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                raise ConnectionAbortedError

    def _stream(self, events: list[Json | str], run: Run, call: Json) -> None:
        """Send server-sent events. The record is written before the last one: then the client knows that it has all."""
        self._head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        for number, event in enumerate(events):
            if call["mode"] == "cut" and number == CUT_AFTER:
                call["outcome"], self.close_connection = "cut", True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if number == len(events) - 1:
                call["outcome"] = "answered"
            name = f"event: {event['type']}\n" if isinstance(event, dict) and "type" in event else ""
            data = f"{name}data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            if call["mode"] == "slow":
                run.gate.wait(PAUSE_S)
        self.wfile.write(b"0\r\n\r\n")

    def _refuse_path(self, found: re.Match[str] | None) -> None:
        """404, in the dialect that the headers or the path speak."""
        if found:
            self.server.record(self.server.run_of(found[4]), "other", {}, path=found[5])["outcome"] = "not found"
        anthropic, gemini = "anthropic-version" in self.headers, "v1beta" in self.path
        dialect: Dialect = Anthropic() if anthropic else Gemini() if gemini else Chat()
        self._send(*dialect.refusal("not_found", 0))

    def _send(self, code: int, value: Json, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self._head(code, {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(data)

    def _head(self, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {"request-id": unique("req"), **headers}.items():
            self.send_header(name, value)
        self.end_headers()


class ModelServer(ThreadingHTTPServer):
    """The service, on a port that is free."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self._runs: dict[str, Run] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(PAUSE_S,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()

    def url(self, mode: str, run: str) -> str:
        """The base URL of a run, in a mode such as `hang@2-2`."""
        return f"http://127.0.0.1:{self.server_port}/s/{mode}/{run}"

    def run_of(self, name: str) -> Run:
        with self._lock:
            return self._runs.setdefault(name, Run())

    def record(self, run: Run, kind: str, body: Json, *, path: str) -> Json:
        """Note a request; it is numbered among those of its kind."""
        with self._lock:
            number = 1 + sum(call["kind"] == kind for call in run.calls)
            call: Json = {"kind": kind, "number": number, "path": path, "outcome": "open"}
            run.calls.append(call)
            run.bodies.append(body)
        return call

    def let_go(self, name: str) -> None:
        """Let a run in the modes `hang` and `slow` go on without further waiting."""
        self.run_of(name).gate.set()


if __name__ == "__main__":
    with ModelServer(int(sys.argv[1]) if sys.argv[1:] else 0) as server:
        print(server.url("ok", "by-hand"), flush=True)
        threading.Event().wait()
