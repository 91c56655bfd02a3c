"""Codex CLI (`codex`), npm @openai/codex; the facts are of 0.169.0."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agent_queue.core.outcome import Broke, Failure, Outcome
from agent_queue.core.usage import Call, CostBasis, Provenance
from agent_queue.engines import refusals
from agent_queue.engines.stream import JsonReader, event_in
from agent_queue.engines.tally import Tally, tokens
from agent_queue.engines.untrusted import Json, count, get, identifier, items, plain, said, tool, words
from agent_queue.ports import Assignment, Command, Ending, Event, EventKind, Host, Place, Reader, StopWay

_NO_TOOLS = frozenset(("agent_message", "reasoning", "todo_list", "error"))
_WRITERS = frozenset(("file_change", "command_execution"))
_TELLING = (b'"token_usage_record"', b'"task_started"', b'"token_count"', b'"turn_context"', b'_output"')
_HEAD = 200
"""A line of a rollout names its kind within so many bytes."""
_SANDBOX = ("Read-only file system", "Operation not permitted", "bwrap: ")
"""What a command prints when the sandbox stopped it, on Linux and on macOS."""


class Codex:
    name = "codex"
    programs: tuple[str, ...] = ("codex",)
    bin_variable = "CODEX_BIN"
    environment: tuple[str, ...] = ("CODEX_*", "OPENAI_*", "AZURE_OPENAI_*")
    stop = StopWay()
    silent = False
    script = False
    live: tuple[str, ...] = ("usd", "tokens", "turns")
    caps: tuple[str, ...] = ()
    hint = "npm install -g @openai/codex, then log in once with `codex login`"

    def command(self, assignment: Assignment, place: Place, host: Host) -> Command:  # noqa: ARG002
        yolo, resumed = assignment.manifest.yolo, assignment.resume_id
        argv = [assignment.program, "exec", *(["resume"] if resumed else []), "--json"]
        if yolo:
            argv.append("--dangerously-bypass-approvals-and-sandbox")
        else:
            # `resume` has no -s, and without a mode it falls back to a sandbox that cannot write at all.
            argv += ["-c", 'sandbox_mode="workspace-write"'] if resumed else ["-s", "workspace-write"]
        argv += ["--skip-git-repo-check", *(["-m", assignment.model] if assignment.model else []), *assignment.args]
        argv += [*([resumed] if resumed else []), "-"]
        return Command(argv=tuple(argv), stdin=assignment.prompt_file)

    def sidecars(self, assignment: Assignment, place: Place, env: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ARG002
        """Its rollout, which it writes after each answer; the thread's name stands on its first line of output."""
        home = plain(env.get("CODEX_HOME") or f"{env.get('HOME', '')}/.codex")
        return (f"{home}/sessions/*/*/*/rollout-*-{{session}}.jsonl",)

    def interactive(self, program: str, conversation: str) -> tuple[str, ...]:
        return (program, "resume", conversation)

    def reader(self) -> Reader:
        return CodexReader()


class CodexReader(JsonReader):
    """The stream's totals are those of the whole thread, earlier runs included, and come with success alone.

    It does not name the model either. The rollout tells all of it: one run is one turn, the last that was begun.
    """

    gone = ("no rollout found for thread id",)

    def __init__(self) -> None:
        super().__init__(
            {
                "thread.started": self._thread,
                "turn.started": self._turn,
                "item.started": self._item,
                "item.completed": self._item,
                "error": self._error,
                "turn.failed": self._failed,
                "turn.completed": self._completed,
            }
        )
        self._message = ""
        self._turning = False
        self._thread_so_far: object = None
        self._rollout = Rollout()

    def own(self, event: Json) -> bool:
        kind = words(event, "type")
        if kind == "error":
            return self.begun and bool(words(event, "message"))
        return kind.startswith(("thread.", "turn.", "item."))

    def usage(self) -> dict[str, Any]:
        """By the rollout, else what the thread used so far: that is this run's when it began the thread."""
        rollout = self._rollout
        basis = {"cost_basis": CostBasis.SUBSCRIPTION.value} if rollout.subscribed else {}
        if rollout.calls or (rollout.begun and self.ended):
            return {**tokens(rollout.calls), **basis, "usage": self.sure(whole=rollout.by_answer)}
        if not isinstance(self._thread_so_far, dict) or rollout.begun:
            return {}
        return {**tokens(self.calls()), **basis, "usage": Provenance.ESTIMATED.value}

    @property
    def asking(self) -> bool:
        return super().asking and (self._rollout.asking or not self._rollout.calls)

    def calls(self) -> Sequence[Call]:
        told = [_call("", self._thread_so_far, max(len(self.tools), 1))] if self._thread_so_far else []
        return self._rollout.calls or told

    def sidecar(self, name: str, data: bytes) -> None:  # noqa: ARG002 - there is but one
        self._rollout.read(data)
        self.model = self._rollout.model or self.model
        self.turns = sum(call.times for call in self._rollout.calls) or self.turns

    def problem(self, ending: Ending) -> Outcome | None:
        """At an interrupt it ends with 1 in the middle of its turn; an error of its own it would tell."""
        text = self._message
        if self.refused is None and ending.exit.code == 1 and self._turning and not self._plain:
            return Broke(kind=Failure.CRASH, reason="exit code 1 in its turn, without a word why", interrupted=True)
        reset = refusals.reset_in(text, ending.now) if self.refused and "usage limit" in text else None
        return refusals.held(text, Codex.name, reset) if reset else self.refused

    def _thread(self, event: Json) -> Iterable[Event]:
        self.session = identifier(event, "thread_id")
        return []

    def _turn(self, event: Json) -> Iterable[Event]:  # noqa: ARG002 - that it began is all it tells
        self._turning = True
        return []

    def _item(self, event: Json) -> Iterable[Event]:
        item = get(event, "item")
        kind, key = words(item, "type"), words(item, "id")
        completed = words(event, "type") == "item.completed"
        if kind == "error":
            return said(EventKind.NOTE, words(item, "message"))  # a warning: the turn goes on
        self.refused = None
        if kind == "agent_message":
            return said(EventKind.TEXT, words(item, "text")) if completed else []
        if kind in _NO_TOOLS:
            return []
        fresh = key not in self.tools
        self.tools.add(key)
        (self.running.discard if completed else self.running.add)(key)
        return [*([_tool(kind, item)] if fresh else []), *(self._done(kind, item) if completed else [])]

    def _done(self, kind: str, item: object) -> Iterable[Event]:
        output, status, code = words(item, "aggregated_output"), words(item, "status"), count(item, "exit_code")
        hindered = status == "declined" or any(sign in output for sign in _SANDBOX)
        self.denied |= hindered
        self.worked |= kind in _WRITERS and status == "completed" and not hindered and not code
        return said(EventKind.ERROR, f"exit code {code}: {refusals.reason(output[-300:])}") if code else []

    def _error(self, event: Json) -> Iterable[Event]:
        """A try that failed; `turn.failed` follows when it was the last one."""
        self._message = words(event, "message")
        self.refused = refusals.broke(self._message)
        return said(EventKind.NOTE, self._message)

    def _failed(self, event: Json) -> Iterable[Event]:
        self.ended, self._turning = True, False
        self._message = words(event, "error", "message") or "the turn failed"
        self.refused = refusals.broke(self._message)
        return said(EventKind.ERROR, self._message)

    def _completed(self, event: Json) -> Iterable[Event]:
        self.ended, self._turning, self.refused = True, False, None
        self._thread_so_far = get(event, "usage")
        shown = f"{count(event, 'usage', 'input_tokens'):,} in, {count(event, 'usage', 'output_tokens'):,} out"
        return said(EventKind.RESULT, f"done; the whole thread so far: {shown}")


class Rollout:
    """The file in which codex keeps a thread. Records of usage come after each answer, so that they outlive a kill.

    Programs before these records wrote running totals only, when a tool was done.
    """

    def __init__(self) -> None:
        self.model: str | None = None
        self.begun = self.subscribed = self.by_answer = False
        self.calls: Sequence[Call] = ()
        """Those of the last turn."""
        self.asking = True
        """The model had not answered yet when the file ends; no tool runs then."""

    def read(self, data: bytes) -> None:
        answers, turn, before, now = Tally(), "", {}, {}  # type: tuple[Tally, str, Json, Json]
        for line in data.splitlines():
            event = event_in(line) if any(sign in line[:_HEAD] for sign in _TELLING) else None
            payload = get(event, "payload")
            kind = words(payload, "type") if words(event, "type") == "event_msg" else words(event, "type")
            if kind == "task_started":
                self.begun, self.asking, turn, before = True, True, words(payload, "turn_id"), now
                answers.clear()
            elif kind == "token_usage_record" and words(payload, "turn_id") in (turn, ""):
                self.asking = False
                answers.add(_call(self.model or "", get(payload, "usage")), words(payload, "response_id"))
            elif words(payload, "type").endswith("_output"):
                self.asking = True
            elif kind == "token_count":
                now = get(payload, "info", "total_token_usage") or now
                self.subscribed |= bool(words(payload, "rate_limits", "plan_type"))
            elif kind == "turn_context":
                self.model = identifier(payload, "model") or self.model
        self.by_answer = bool(answers.calls()) or count(now, "input_tokens") == count(before, "input_tokens")
        since = {key: count(now, key) - count(before, key) for key in now}
        self.calls = answers.calls() or ([_call(self.model or "", since)] if count(since, "input_tokens") else ())


def _call(model: str, used: object, times: int = 1) -> Call:
    return Call(
        model=model, tokens_in=count(used, "input_tokens"), tokens_cached=count(used, "cached_input_tokens"),
        tokens_written=count(used, "cache_write_input_tokens"), tokens_out=count(used, "output_tokens"), times=times,
    )  # fmt: skip


def _tool(kind: str, item: object) -> Event:
    if kind == "command_execution":
        return tool("$", words(item, "command"))
    if kind == "file_change":
        return tool("edit", ", ".join(words(change, "path") for change in items(item, "changes")))
    if kind == "mcp_tool_call":
        return tool(f"{words(item, 'server')}.{words(item, 'tool')}", get(item, "arguments"))
    return tool(kind, words(item, "query"))
