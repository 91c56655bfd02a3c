"""OpenCode (`opencode`), npm opencode-ai; the facts are of 1.18.33."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agent_queue.core.outcome import Broke
from agent_queue.core.usage import Call
from agent_queue.engines import refusals
from agent_queue.engines.providers import KEYS
from agent_queue.engines.stream import JsonReader
from agent_queue.engines.tally import Tally, tokens
from agent_queue.engines.untrusted import Json, amount, count, get, identifier, said, tool, words
from agent_queue.ports import Assignment, Command, Event, EventKind, Host, Place, Reader, StopWay

_EDITS = frozenset(("write", "edit", "patch", "multiedit"))
_DENIALS = ("rejected permission", "specified a rule which prevents")
_NARROW = json.dumps({"bash": "deny", "external_directory": "deny", "webfetch": "deny"})
"""Without `--auto` a shell is still allowed. Asking instead of denying would end the run at the first question."""


class OpenCode:
    name = "opencode"
    programs: tuple[str, ...] = ("opencode",)
    bin_variable = "OPENCODE_BIN"
    environment: tuple[str, ...] = ("OPENCODE_*", *KEYS)
    stop = StopWay()
    silent = False
    script = False
    live: tuple[str, ...] = ("usd", "tokens", "turns")
    caps: tuple[str, ...] = ()
    hint = "npm install -g opencode-ai, then log in once with `opencode auth login`"

    def command(self, assignment: Assignment, place: Place, host: Host) -> Command:  # noqa: ARG002
        manifest, resumed = assignment.manifest, assignment.resume_id
        argv = [assignment.program, "run", "--format", "json", *(["--auto"] if manifest.yolo else [])]
        argv += ["-m", assignment.model] if assignment.model else []
        # With a title given, no second model is asked for one: a call that the stream's usage would not show.
        argv += ["--session", resumed] if resumed else ["--title", assignment.job]
        env = {"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"}
        if not manifest.yolo:
            env["OPENCODE_PERMISSION"] = _NARROW
        return Command(argv=(*argv, *assignment.args), stdin=assignment.prompt_file, env=env)

    def sidecars(self, assignment: Assignment, place: Place, env: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def interactive(self, program: str, conversation: str) -> tuple[str, ...]:
        return (program, "--session", conversation)

    def reader(self) -> Reader:
        return OpenCodeReader()


class OpenCodeReader(JsonReader):
    """One step is one call of the model. The stream does not name the model."""

    gone = ("Session not found",)

    def __init__(self) -> None:
        super().__init__(
            {
                "step_start": self._start,
                "step_finish": self._finish,
                "text": self._text_part,
                "tool_use": self._tool,
                "error": self._error,
            }
        )
        self._answers = Tally()
        self._cost = 0.0
        self._helped = False

    def own(self, event: Json) -> bool:
        return words(event, "sessionID").startswith("ses_")

    def usage(self) -> dict[str, Any]:
        """The sum of the calls; a call is told when its tools are done, so the last one of a killed run is missing.
        Those of a helper are not told.

        A cost of 0 is what the program says of a model that its price list does not know.
        """
        if not self.turns:
            return {}
        cost = {"cost_usd": round(self._cost, 9)} if self._cost else {}
        return {**tokens(self.calls()), **cost, "usage": self.sure(whole=not self._helped)}

    def calls(self) -> Sequence[Call]:
        return self._answers.calls()

    def _start(self, event: Json) -> Iterable[Event]:
        self.session = identifier(event, "sessionID")
        self.ended, self.refused = False, None
        return []

    def _finish(self, event: Json) -> Iterable[Event]:
        part = get(event, "part")
        before = len(self._answers)
        self._answers.add(_call(get(part, "tokens")), words(part, "id"))
        self.turns = len(self._answers)
        self._cost += (amount(part, "cost") or 0.0) if self.turns > before else 0.0
        self.ended = words(part, "reason") != "tool-calls"
        return said(EventKind.RESULT, "done") if self.ended else []

    def _text_part(self, event: Json) -> Iterable[Event]:
        if get(event, "part", "metadata", "compaction_continue") is True:
            self.ended = False  # the summary was an answer, and it goes on after it
            return said(EventKind.NOTE, "it shortened the conversation, and goes on")
        return said(EventKind.TEXT, words(event, "part", "text"))

    def _tool(self, event: Json) -> Iterable[Event]:
        part = get(event, "part")
        self.tools.add(words(part, "callID"))
        state, error = get(part, "state"), words(part, "state", "error")
        self._helped |= bool(words(state, "metadata", "sessionId"))
        self.denied |= any(sign in error for sign in _DENIALS)
        self.worked |= words(part, "tool") in _EDITS and words(state, "status") == "completed"
        return [tool(words(part, "tool"), get(state, "input")), *said(EventKind.ERROR, refusals.reason(error))]

    def _error(self, event: Json) -> Iterable[Event]:
        self.session = identifier(event, "sessionID") or self.session
        self.ended = True
        name, data = words(event, "error", "name"), get(event, "error", "data")
        text = words(data, "message") or name or "it reports an error and no reason"
        hints = f"{name} {text} {words(data, 'responseBody')}"
        kind = refusals.broke(hints, count(data, "statusCode") or None).kind
        self.refused = Broke(kind=kind, reason=refusals.reason(text), interrupted=name == "MessageAbortedError")
        return said(EventKind.ERROR, text)


def _call(told: object) -> Call:
    """Cached input is counted apart by the program, and the model is not named."""
    read, written = count(told, "cache", "read"), count(told, "cache", "write")
    whole_input = count(told, "input") + read + written
    # The total is what the service counted; what is in it besides input is output, reasoning included.
    out = count(told, "output") + count(told, "reasoning")
    if count(told, "total") > whole_input:
        out = count(told, "total") - whole_input
    return Call(model="", tokens_in=whole_input, tokens_cached=read, tokens_written=written, tokens_out=out)
