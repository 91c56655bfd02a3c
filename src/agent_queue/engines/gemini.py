"""Gemini CLI (`gemini`), npm @google/gemini-cli; the facts are of 0.61.0."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agent_queue.core.outcome import Broke, Failure, Outcome
from agent_queue.core.usage import Call, Provenance
from agent_queue.engines import refusals
from agent_queue.engines.stream import JsonReader, event_in
from agent_queue.engines.tally import Tally, tokens
from agent_queue.engines.untrusted import Json, count, get, identifier, plain, said, tool, words
from agent_queue.ports import Assignment, Command, Ending, Event, EventKind, Host, Place, Reader, StopWay

_TYPES = frozenset(("init", "message", "tool_use", "tool_result", "error", "result"))
_EDITS = frozenset(("write_file", "replace"))
_DENIALS = frozenset(("policy_violation", "tool_not_registered"))
"""A tool that the approval mode does not allow is not even offered; a model that calls it all the same is told so."""
_STATUS = re.compile(r'"code":\s*(\d{3})\b')
_SHORT = 8
_BEGINNING, _ASKS = b'{"sessionId"', b'"type":"user"'
_HEAD = 120
"""A line of a transcript names its kind within so many bytes."""
_STATS = {"in": "input_tokens", "read": "cached", "out": "output_tokens", "all": "total_tokens"}
_ANSWER = {"in": "input", "read": "cached", "out": "output", "all": "total"}
"""The names of the same four figures in a result and in a transcript."""
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
    live: tuple[str, ...] = ("usd", "tokens", "turns")
    caps: tuple[str, ...] = ()
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
        """Its transcript, in whose name stands the beginning of the session's, and those of its helpers."""
        home = plain(env.get("GEMINI_CLI_HOME") or env.get("HOME", ""))
        session, chats = plain(assignment.resume_id or assignment.session), f"{home}/.gemini/tmp/*/chats"
        return (f"{chats}/session-*-{session[:_SHORT]}*.jsonl", f"{chats}/{session}/*.jsonl")

    def interactive(self, program: str, conversation: str) -> tuple[str, ...]:
        return (program, "--resume", conversation)

    def reader(self) -> Reader:
        return GeminiReader()


class _Transcript:
    """Each run begins with a line that names the session; an answer is written again when its tool is done."""

    def __init__(self, data: bytes) -> None:
        self.answers = Tally()
        self.began = ""
        """When a helper began, as the program writes it: such texts are in the order of time."""
        self.helps = self.asking = False
        for line in data.splitlines():
            event = event_in(line) if line.startswith(_BEGINNING) or b'"tokens":' in line else None
            if words(event, "sessionId"):
                self.answers.clear()
                self.helps, self.began = words(event, "kind") == "subagent", words(event, "startTime")
            elif words(event, "type") == "gemini":
                self.asking = False
                self.answers.add(_call(words(event, "model"), get(event, "tokens"), _ANSWER), words(event, "id"))
            else:
                self.asking |= _ASKS in line[:_HEAD]


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
        self._earlier: list[object] = []
        """The figures of runs that stand before this one in the same log."""
        self._lost = False
        """One of those has no end: what it used is not told."""
        self._began = ""
        self._transcripts: dict[str, _Transcript] = {}
        """By file."""

    def own(self, event: Json) -> bool:
        return words(event, "type") in _TYPES and bool(words(event, "timestamp"))

    def usage(self) -> dict[str, Any]:
        """Of this run alone: its result, else the answers that the transcript tells."""
        if self._ends():
            sure = Provenance.EXACT if self.ended and not self._lost else Provenance.ESTIMATED
            return {**tokens([_call("", stats, _STATS) for stats in self._ends()]), "usage": sure.value}
        calls = self._told()
        whole = not any(one.asking for one in self._helpers())
        return {**tokens(calls), "usage": self.sure(whole=whole)} if calls else {}

    def calls(self) -> Sequence[Call]:
        """Answers where the transcripts tell all of them, else the result's sums by model."""
        told = self._told()
        whole = tokens([_call("", stats, _STATS) for stats in self._ends()]) if self._ends() else tokens(told)
        if tokens(told) == whole or not all(isinstance(get(stats, "models"), dict) for stats in self._ends()):
            return told
        return [_call(name, model, _STATS, count(stats, "tool_calls") + 1)
                for stats in self._ends() for name, model in get(stats, "models").items()]  # fmt: skip

    def _ends(self) -> list[object]:
        return [*self._earlier, *([self._stats] if self.ended and isinstance(self._stats, dict) else [])]

    def sidecar(self, name: str, data: bytes) -> None:
        self._transcripts[name] = one = _Transcript(data)
        if not one.helps:
            self.turns = len(one.answers) or self.turns

    def _told(self) -> Sequence[Call]:
        own = [call for one in self._transcripts.values() if not one.helps for call in one.answers.calls()]
        return [*own, *(call for one in self._helpers() for call in one.answers.calls())]

    def _helpers(self) -> Iterable[_Transcript]:
        """Those that began in this run; the folder keeps those of earlier ones."""
        return [one for one in self._transcripts.values() if one.helps and one.began >= self._began]

    def problem(self, ending: Ending) -> Outcome | None:
        if self.refused is None and ending.exit.code in _EXITS:
            kind, text = _EXITS[ending.exit.code]
            return Broke(kind=kind, reason=f"{text} ({ending.exit})")
        return self.refused

    def _init(self, event: Json) -> Iterable[Event]:
        if self._started is not None:
            self._earlier += [self._stats] if isinstance(self._stats, dict) else []
            self._lost |= not self.ended
            self.ended = False
        self._started, self._began = identifier(event, "session_id"), words(event, "timestamp")
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
        self.tools.add(words(event, "tool_id"))
        self.running.add(words(event, "tool_id"))
        self._writing |= {words(event, "tool_id")} if words(event, "tool_name") in _EDITS else set()
        return [*self._pause(), tool(words(event, "tool_name"), get(event, "parameters"))]

    def _tool_result(self, event: Json) -> Iterable[Event]:
        self.running.discard(words(event, "tool_id"))
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


def _call(model: str, told: object, names: Mapping[str, str], times: int = 1) -> Call:
    """Cached input is included. The program's output leaves out the thoughts, its total does not."""
    whole_input = count(told, names["in"])
    out = max(count(told, names["all"]) - whole_input, count(told, names["out"]))
    return Call(
        model=model, tokens_in=whole_input, tokens_cached=count(told, names["read"]), tokens_out=out, times=times
    )
