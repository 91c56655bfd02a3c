"""pi (`pi`), npm @mariozechner/pi-coding-agent; the facts are of 0.73.1."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent_queue.core.outcome import Broke, Failure
from agent_queue.core.usage import Call
from agent_queue.engines import refusals
from agent_queue.engines.providers import KEYS
from agent_queue.engines.stream import JsonReader
from agent_queue.engines.tally import Tally, tokens
from agent_queue.engines.untrusted import Json, amount, count, get, identifier, items, said, tool, words
from agent_queue.ports import Assignment, Command, Event, EventKind, Host, Place, Reader, StopWay

_EDITS = frozenset(("write", "edit"))
_BROKEN_OFF = frozenset(("error", "aborted"))
_KINDS = ("message_", "tool_execution_", "turn_", "agent_", "auto_", "compaction_", "queue_", "session_", "extension_")
_WITHOUT_A_SHELL = "read,edit,write,grep,find,ls"


class Pi:
    name = "pi"
    programs: tuple[str, ...] = ("pi",)
    bin_variable = "PI_BIN"
    environment: tuple[str, ...] = ("PI_*", *KEYS)
    stop = StopWay()
    silent = False
    script = False
    live: tuple[str, ...] = ("usd", "tokens", "turns")
    caps: tuple[str, ...] = ()
    hint = "npm install -g @mariozechner/pi-coding-agent, then log in once with `pi` or set a provider's API key"

    def command(self, assignment: Assignment, place: Place, host: Host) -> Command:  # noqa: ARG002
        """It has no permissions to grant: the narrow mode takes its shell away. It is not confined to the folder."""
        resumed = assignment.resume_id
        argv = [assignment.program, "-p", "--mode", "json"]
        argv += ["--model", assignment.model] if assignment.model else []
        argv += [] if assignment.manifest.yolo else ["--tools", _WITHOUT_A_SHELL]
        argv += ["--session", resumed] if resumed else []
        env = {"PI_OFFLINE": "1", "PI_TELEMETRY": "0", "PI_SKIP_VERSION_CHECK": "1"}
        return Command(argv=(*argv, *assignment.args), stdin=assignment.prompt_file, env=env)

    def sidecars(self, assignment: Assignment, place: Place, env: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def interactive(self, program: str, conversation: str) -> tuple[str, ...]:
        return (program, "--session", conversation)

    def reader(self) -> Reader:
        return PiReader()


class PiReader(JsonReader):
    """Every message comes many times, whole; only `message_end` counts. A failed run ends with exit code 0.

    A conversation is saved with the model's first answer: before that there is nothing to go on with.
    """

    quiet = (b'{"type":"message_update"', b'{"type":"message_start"', b'{"type":"turn_', b'{"type":"agent_')
    gone = ("No session found matching", "Session found in different project")

    def __init__(self) -> None:
        super().__init__(
            {
                "session": self._session,
                "message_end": self._message,
                "tool_execution_start": self._tool,
                "tool_execution_end": self._tool_done,
                "auto_retry_start": self._retry,
                "compaction_start": self._compaction,
            }
        )
        self._started: str | None = None
        self._answers = Tally()
        self._cost = 0.0
        self._shortened = self._answered = False

    def own(self, event: Json) -> bool:
        kind = words(event, "type")
        if kind == "session":
            return "version" in event and "cwd" in event
        return self._started is not None and kind.startswith(_KINDS)

    def usage(self) -> dict[str, Any]:
        """The sum over the calls of this run that were answered whole.

        What it asks a model for when it shortens the conversation is not told. A cost of 0 is what it says of a model
        that its price list does not know.
        """
        calls = self.calls()
        if not calls and not self.ended:
            return {}
        cost = {"cost_usd": round(self._cost, 9)} if self._cost or not calls else {}
        return {**tokens(calls), **cost, "usage": self.sure(whole=not self._shortened)}

    def calls(self) -> Sequence[Call]:
        return self._answers.calls()

    def _session(self, event: Json) -> Iterable[Event]:
        self._started = identifier(event, "id") or ""
        return []

    def _message(self, event: Json) -> Iterable[Event]:
        message = get(event, "message")
        if words(message, "role") != "assistant":
            return []
        self.session = self._started or None
        self.model = identifier(message, "model") or self.model
        reason = words(message, "stopReason")
        self.ended, self._answered = reason != "toolUse", reason == "stop"
        if reason in _BROKEN_OFF:
            text = words(message, "errorMessage") or reason
            status = int(text[:3]) if text[:3].isascii() and text[:3].isdigit() else None
            self.refused = replace(refusals.broke(text, status), interrupted=reason == "aborted")
            return said(EventKind.ERROR, text)
        self.refused = None
        self._answers.add(_call(words(message, "model"), get(message, "usage")))
        self._cost += amount(message, "usage", "cost", "total") or 0.0
        self.turns = len(self._answers)
        texts = [words(block, "text") for block in items(message, "content") if words(block, "type") == "text"]
        shown = [event for text in texts for event in said(EventKind.TEXT, text)]
        return [*shown, *(said(EventKind.RESULT, "done") if self.ended else [])]

    def _tool(self, event: Json) -> Iterable[Event]:
        self.tools.add(words(event, "toolCallId"))
        self.running.add(words(event, "toolCallId"))
        return [tool(words(event, "toolName"), get(event, "args"))]

    def _tool_done(self, event: Json) -> Iterable[Event]:
        name = words(event, "toolName")
        self.running.discard(words(event, "toolCallId"))
        if get(event, "isError") is not True:
            self.worked |= name in _EDITS
            return []
        text = "\n".join(words(block, "text") for block in items(event, "result", "content"))
        self.denied |= text == f"Tool {name} not found"  # it is not among --tools
        return said(EventKind.ERROR, text)

    def _retry(self, event: Json) -> Iterable[Event]:
        wait = (amount(event, "delayMs") or 0) / 1000
        return said(EventKind.NOTE, f"try {count(event, 'attempt')} of {count(event, 'maxAttempts')} in {wait:.0f} s")

    def _compaction(self, event: Json) -> Iterable[Event]:
        """It does so after its last answer too; when none follows a broken one, that did not help."""
        self._shortened = True
        if words(event, "reason") == "overflow" and self.refused is None and not self._answered:
            self.refused = Broke(kind=Failure.CONTEXT, reason="the conversation outgrew the model's context")
        return said(EventKind.NOTE, "it shortens the conversation")


def _call(model: str, used: object) -> Call:
    """Cached input is counted apart by the program."""
    read, written = count(used, "cacheRead"), count(used, "cacheWrite")
    return Call(
        model=model, tokens_in=count(used, "input") + read + written, tokens_cached=read, tokens_written=written,
        tokens_out=count(used, "output"),
    )  # fmt: skip
