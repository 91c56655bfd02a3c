"""Gemini CLI (`gemini`), npm @google/gemini-cli; the facts are of 0.61.0."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from agent_queue.core.outcome import Broke, Failure, Outcome
from agent_queue.engines import refusals
from agent_queue.engines.stream import JsonReader
from agent_queue.engines.untrusted import Json, count, get, identifier, said, tool, words
from agent_queue.ports import Assignment, Command, Ending, Event, EventKind, Host, Place, Reader, StopWay

_TYPES = frozenset(("init", "message", "tool_use", "tool_result", "error", "result"))
_EDITS = frozenset(("write_file", "replace"))
_DENIALS = frozenset(("policy_violation", "tool_not_registered"))
"""A tool that the approval mode does not allow is not even offered; a model that calls it all the same is told so."""
_STATUS = re.compile(r'"code":\s*(\d{3})\b')
_EXITS = {41: (Failure.AUTH, "no log-in is configured"), 53: (Failure.MAX_TURNS, "the limit of turns was reached")}
_LONGEST_PARAGRAPH = 2000


class Gemini:
    name = "gemini"
    programs: tuple[str, ...] = ("gemini",)
    bin_variable = "GEMINI_BIN"
    environment: tuple[str, ...] = ("GEMINI_*", "GOOGLE_*", "CODE_ASSIST_*")
    stop = StopWay()
    silent = False
    script = False
    hint = "npm install -g @google/gemini-cli, then log in once with `gemini` or set GEMINI_API_KEY"

    def command(self, assignment: Assignment, place: Place, host: Host) -> Command:  # noqa: ARG002
        """Its own limit of turns is a setting and no option, so `budget.turns` is not passed on."""
        argv = [assignment.program, "-o", "stream-json"]
        argv += ["--yolo"] if assignment.manifest.yolo else ["--approval-mode", "auto_edit"]
        argv += ["--skip-trust", *(["-m", assignment.model] if assignment.model else [])]
        resumed = assignment.resume_id
        argv += ["--resume", resumed] if resumed else ["--session-id", assignment.session]
        env = {"GEMINI_TELEMETRY_ENABLED": "false"}
        return Command(argv=(*argv, *assignment.args), stdin=assignment.prompt_file, env=env)

    def sidecars(self, assignment: Assignment, place: Place, env: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def reader(self) -> Reader:
        return GeminiReader()


class GeminiReader(JsonReader):
    """A conversation is saved with the model's first answer: before that there is nothing to go on with."""

    gone = ("Error resuming session",)

    def __init__(self) -> None:
        super().__init__(
            {
                "init": self._init,
                "message": self._message,
                "tool_use": self._tool,
                "tool_result": self._tool_result,
                "error": self._error,
                "result": self._result,
            }
        )
        self._started: str | None = None
        self._writing: set[str] = set()
        self._spoken = ""
        self._stats: object = None

    def own(self, event: Json) -> bool:
        return words(event, "type") in _TYPES and bool(words(event, "timestamp"))

    def usage(self) -> dict[str, Any]:
        """Of this run alone. Cached input is included; `output_tokens` leaves out the thoughts, the total does not."""
        if not isinstance(self._stats, dict):
            return {}
        tokens_in = count(self._stats, "input_tokens")
        return {
            "tokens_in": tokens_in,
            "tokens_cached": count(self._stats, "cached"),
            "tokens_out": max(count(self._stats, "total_tokens") - tokens_in, count(self._stats, "output_tokens")),
            "usage": "exact",
        }

    def problem(self, ending: Ending) -> Outcome | None:
        if self.refused is None and ending.exit.code in _EXITS:
            kind, text = _EXITS[ending.exit.code]
            return Broke(kind=kind, reason=f"{text} ({ending.exit})")
        return self.refused

    def _init(self, event: Json) -> Iterable[Event]:
        self._started = identifier(event, "session_id")
        self.model = identifier(event, "model")
        return []

    def _message(self, event: Json) -> Iterable[Event]:
        """A few words each; they are shown by the paragraph."""
        if words(event, "role") != "assistant":
            return []
        self.session = self._started
        self._spoken += words(event, "content")
        return self._pause() if len(self._spoken) > _LONGEST_PARAGRAPH or "\n\n" in self._spoken else []

    def _pause(self) -> list[Event]:
        spoken, self._spoken = self._spoken, ""
        return said(EventKind.TEXT, spoken)

    def _tool(self, event: Json) -> Iterable[Event]:
        self.session = self._started
        self.calls.add(words(event, "tool_id"))
        self._writing |= {words(event, "tool_id")} if words(event, "tool_name") in _EDITS else set()
        return [*self._pause(), tool(words(event, "tool_name"), get(event, "parameters"))]

    def _tool_result(self, event: Json) -> Iterable[Event]:
        if words(event, "status") == "error":
            message = words(event, "error", "message") or words(event, "output")
            self.denied |= words(event, "error", "type") in _DENIALS
            return [*self._pause(), *said(EventKind.ERROR, message)]
        self.worked |= words(event, "tool_id") in self._writing
        return self._pause()

    def _error(self, event: Json) -> Iterable[Event]:
        return [*self._pause(), *said(EventKind.NOTE, words(event, "message"))]

    def _result(self, event: Json) -> Iterable[Event]:
        self.ended, self._stats = True, get(event, "stats")
        if words(event, "status") == "success":
            self.refused = None
            return [*self._pause(), *said(EventKind.RESULT, "done")]
        text = words(event, "error", "message") or "it reports an error and no reason"
        status = _STATUS.search(text)
        self.refused = refusals.broke(text, int(status[1]) if status else None)
        if words(event, "error", "type") == "FatalTurnLimitedError":
            self.refused = Broke(kind=Failure.MAX_TURNS, reason=refusals.reason(text))
        return [*self._pause(), *said(EventKind.ERROR, text)]
