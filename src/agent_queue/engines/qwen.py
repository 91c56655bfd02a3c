"""Qwen Code (`qwen`), npm @qwen-code/qwen-code; the facts are of 0.15.10."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from agent_queue.core.outcome import Broke, Failure, Outcome
from agent_queue.engines import refusals
from agent_queue.engines.stream import JsonReader
from agent_queue.engines.untrusted import Json, count, get, identifier, items, said, tool, words
from agent_queue.ports import Assignment, Command, Ending, Event, EventKind, Host, Place, Reader, StopWay

_TYPES = frozenset(("system", "assistant", "user", "result", "stream_event"))
_EDITS = frozenset(("write_file", "edit"))
_API_ERROR = re.compile(r"\[API Error: (?:(\d{3}) )?(.*)\]\s*\Z", re.DOTALL)
_TURNS_USED_UP = 53


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
        return ()

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
        self._tokens = (0, 0, 0)
        self._whole: tuple[int, int, int] | None = None
        self._last_text = ""

    def own(self, event: Json) -> bool:
        return words(event, "type") in _TYPES and bool(words(event, "session_id"))

    def usage(self) -> dict[str, Any]:
        """The result counts the whole session, also what came before a resume; the answers miss hidden calls.

        When both agree they are this run's, else nothing is certain. Cached input is included.
        """
        if self._whole is None or self._whole != self._tokens:
            return {}
        tokens_in, cached, out = self._whole
        return {"tokens_in": tokens_in, "tokens_cached": cached, "tokens_out": out, "usage": "exact"}

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
        used = _tokens(usage)
        if any(used):  # the first of two events of one message has zeros
            self._tokens = tuple(map(sum, zip(self._tokens, used, strict=True)))  # type: ignore[assignment]
            self.turns = (self.turns or 0) + 1
        self.refused = None
        return [shown for block in items(event, "message", "content") for shown in self._block(block, paid=any(used))]

    def _block(self, block: Json, *, paid: bool) -> Iterable[Event]:
        if words(block, "type") == "tool_use":
            self.calls.add(words(block, "id"))
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
            if words(block, "type") == "tool_result" and get(block, "is_error") is True:
                events += said(EventKind.ERROR, words(block, "content"))
            else:
                self.worked |= words(block, "tool_use_id") in self._writing
        return events

    def _result(self, event: Json) -> Iterable[Event]:
        self.ended, self._whole = True, _tokens(get(event, "usage"))
        self.denied = bool(items(event, "permission_denials"))
        text = words(event, "result")
        if get(event, "is_error") is True:
            text = words(event, "error", "message") or text or words(event, "subtype")
            self.refused = refusals.broke(text)
        elif text.startswith("[API Error:"):
            self.refused = _refusal(text) or refusals.broke(text)
        shown = "done" if text == self._last_text else text
        return said(EventKind.ERROR if self.refused else EventKind.RESULT, shown)


def _tokens(usage: object) -> tuple[int, int, int]:
    """All input, cached input, output."""
    return count(usage, "input_tokens"), count(usage, "cache_read_input_tokens"), count(usage, "output_tokens")


def _refusal(text: str) -> Broke | None:
    """An answer that ends in an error of the service, whole or cut off in its middle."""
    found = _API_ERROR.search(text)
    return refusals.broke(found[2], int(found[1]) if found[1] else None) if found else None
