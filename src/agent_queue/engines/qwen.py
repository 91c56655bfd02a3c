"""Qwen Code (`qwen`), npm @qwen-code/qwen-code; the facts are of 0.15.10."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agent_queue.core.outcome import Broke, Failure, Outcome
from agent_queue.core.usage import Call
from agent_queue.engines import refusals
from agent_queue.engines.stream import JsonReader, event_in
from agent_queue.engines.tally import Tally, tokens
from agent_queue.engines.untrusted import Json, count, get, identifier, items, plain, said, tool, words
from agent_queue.ports import Assignment, Command, Ending, Event, EventKind, Host, Place, Reader, StopWay

_TYPES = frozenset(("system", "assistant", "user", "result", "stream_event"))
_EDITS = frozenset(("write_file", "edit"))
_API_ERROR = re.compile(r"\[API Error: (?:(\d{3}) )?(.*)\]\s*\Z", re.DOTALL)
_TURNS_USED_UP = 53
_FIGURES = ("input_tokens", "cache_read_input_tokens", "output_tokens")
_ANSWERED = "qwen-code.api_response"
_TELLING = (b'"type":"user"', _ANSWERED.encode())


class Qwen:
    name = "qwen"
    programs: tuple[str, ...] = ("qwen",)
    bin_variable = "QWEN_BIN"
    environment: tuple[str, ...] = (
        "QWEN_*", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "DASHSCOPE_*", "BAILIAN_*", "ANTHROPIC_API_KEY",
        "ANTHROPIC_BASE_URL", "ANTHROPIC_MODEL", "GEMINI_API_KEY", "GEMINI_MODEL", "GOOGLE_API_KEY",
        "OPENROUTER_API_KEY", "MODELSCOPE_API_KEY", "TAVILY_API_KEY",
    )  # fmt: skip
    stop = StopWay()
    silent = False
    script = False
    live: tuple[str, ...] = ("usd", "tokens", "turns")
    caps: tuple[str, ...] = ("turns",)
    hint = "npm install -g @qwen-code/qwen-code, then log in once with `qwen`"

    def command(self, assignment: Assignment, place: Place, host: Host) -> Command:  # noqa: ARG002
        manifest = assignment.manifest
        argv = [assignment.program, "-o", "stream-json"]
        argv += ["-y"] if manifest.yolo else ["--approval-mode", "auto-edit"]
        argv += ["-m", assignment.model] if assignment.model else []
        resumed = assignment.resume_id
        argv += ["--resume", resumed] if resumed else ["--session-id", assignment.session]
        argv += ["--max-session-turns", str(manifest.budget.turns)] if manifest.budget.turns else []
        env = {"QWEN_TELEMETRY_ENABLED": "false"}
        return Command(argv=(*argv, *assignment.args), stdin=assignment.prompt_file, env=env)

    def sidecars(self, assignment: Assignment, place: Place, env: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ARG002
        """Its transcript, which tells also the calls that the stream hides."""
        return (f"{plain(env.get('HOME', ''))}/.qwen/projects/*/chats/{{session}}.jsonl",)

    def interactive(self, program: str, conversation: str) -> tuple[str, ...]:
        return (program, "--resume", conversation)

    def reader(self) -> Reader:
        return QwenReader()


class QwenReader(JsonReader):
    """Errors of the model service come as an answer's text, with exit code 0 and a result that says success."""

    gone = ("No saved session found with ID",)

    def __init__(self) -> None:
        super().__init__(
            {"system": self._system, "assistant": self._assistant, "user": self._user, "result": self._result}
        )
        self._writing: set[str] = set()
        self._answers = Tally()
        self._whole: dict[str, int] | None = None
        self._written: list[Sequence[Call]] = []
        """What the transcript tells, by prompt: earlier runs' are in it too."""
        self._last_text = ""

    def own(self, event: Json) -> bool:
        """Claude Code prints events of the same form, and means other things by them."""
        self.foreign |= "claude_code_version" in event or "modelUsage" in event
        return not self.foreign and words(event, "type") in _TYPES and bool(words(event, "session_id"))

    def usage(self) -> dict[str, Any]:
        """The result counts the whole session, also what came before a resume; the answers miss hidden calls.

        When both agree they are this run's, exactly. Else the transcript tells all, or the answers are an estimate.
        """
        calls = self.calls()
        if not calls and (self._whole is None or any(self._whole.values())):
            return {}
        agreed = bool(self._written) or tokens(calls) == self._whole
        return {**tokens(calls), "usage": self.sure(whole=agreed)}

    def calls(self) -> Sequence[Call]:
        """Those since the last prompt; a program's own prompt in between is told by there being too few of them."""
        told: list[Call] = []
        for calls in reversed(self._written):
            told = [*calls, *told]
            if len(told) >= len(self._answers):
                return told
        return self._answers.calls()

    def sidecar(self, name: str, data: bytes) -> None:  # noqa: ARG002 - there is but one
        prompts: list[Tally] = []
        for line in data.splitlines():
            event = event_in(line) if any(sign in line for sign in _TELLING) else None
            if words(event, "type") == "user":
                prompts.append(Tally())
            told = get(event, "systemPayload", "uiEvent")
            if words(told, "event.name") == _ANSWERED and prompts:
                names = ("input_token_count", "cached_content_token_count", "output_token_count")
                prompts[-1].add(_call(words(told, "model"), told, names), words(told, "response_id"))
        self._written = [tally.calls() for tally in prompts]

    def problem(self, ending: Ending) -> Outcome | None:
        if ending.exit.code == _TURNS_USED_UP and not self.ended:
            return Broke(kind=Failure.MAX_TURNS, reason=f"the limit of turns was reached ({ending.exit})")
        return self.refused

    def _system(self, event: Json) -> Iterable[Event]:
        self.session = identifier(event, "session_id") or self.session
        self.model = identifier(event, "model") or self.model
        return []

    def _assistant(self, event: Json) -> Iterable[Event]:
        self.session = identifier(event, "session_id") or self.session
        usage = get(event, "message", "usage")
        call = _call(words(event, "message", "model"), usage)
        paid = bool(call.tokens_in or call.tokens_out)
        if paid:  # the first of two events of one message has zeros
            self._answers.add(call)
            self.turns = len(self._answers)
        self.refused = None
        return [shown for block in items(event, "message", "content") for shown in self._block(block, paid=paid)]

    def _block(self, block: Json, *, paid: bool) -> Iterable[Event]:
        if words(block, "type") == "tool_use":
            self.tools.add(words(block, "id"))
            self.running.add(words(block, "id"))
            self._writing |= {words(block, "id")} if words(block, "name") in _EDITS else set()
            return [tool(words(block, "name"), get(block, "input"))]
        if words(block, "type") != "text":
            return []
        self._last_text = words(block, "text")
        if not paid:
            self.refused = _refusal(self._last_text)
        return said(EventKind.ERROR if self.refused else EventKind.TEXT, self._last_text)

    def _user(self, event: Json) -> Iterable[Event]:
        events: list[Event] = []
        for block in items(event, "message", "content"):
            self.running.discard(words(block, "tool_use_id"))
            if words(block, "type") == "tool_result" and get(block, "is_error") is True:
                events += said(EventKind.ERROR, words(block, "content"))
            else:
                self.worked |= words(block, "tool_use_id") in self._writing
        return events

    def _result(self, event: Json) -> Iterable[Event]:
        self.ended, self._whole = True, tokens([_call("", get(event, "usage"))])
        self.denied = bool(items(event, "permission_denials"))
        text = words(event, "result")
        if get(event, "is_error") is True:
            text = words(event, "error", "message") or text or words(event, "subtype")
            self.refused = refusals.broke(text)
        elif text.startswith("[API Error:"):
            self.refused = _refusal(text) or refusals.broke(text)
        shown = "done" if text == self._last_text else text
        return said(EventKind.ERROR if self.refused else EventKind.RESULT, shown)


def _call(model: str, used: object, names: Sequence[str] = _FIGURES) -> Call:
    """Cached input is included in what the program calls input."""
    whole, read, out = (count(used, name) for name in names)
    return Call(model=model, tokens_in=whole, tokens_cached=read, tokens_out=out)


def _refusal(text: str) -> Broke | None:
    """An answer that ends in an error of the service, whole or cut off in its middle."""
    found = _API_ERROR.search(text)
    return refusals.broke(found[2], int(found[1]) if found[1] else None) if found else None
