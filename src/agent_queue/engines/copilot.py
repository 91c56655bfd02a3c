"""GitHub Copilot CLI (`copilot`), npm @github/copilot; the facts are of 1.0.102."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import Any

from agent_queue.core.outcome import Outcome
from agent_queue.core.usage import Call, CostBasis
from agent_queue.engines import refusals
from agent_queue.engines.stream import JsonReader, event_in
from agent_queue.engines.tally import Tally, tokens
from agent_queue.engines.untrusted import Json, count, get, identifier, items, plain, said, tool, words
from agent_queue.ports import Assignment, Command, Ending, Event, EventKind, Host, Place, Reader, StopWay

_USAGE = "copilot-usage.json"
_TRANSCRIPT = "events.jsonl"
_BEGINNINGS = (b'"session.start"', b'"session.resume"')
_SHORTENING, _SHORTENED = b'"session.compaction_start"', b'"session.compaction_complete"'
_TELLING = (*_BEGINNINGS, _SHORTENING, _SHORTENED, b'"session.usage_record"')
_HEAD = 60
"""A line of a transcript begins with its kind."""
_CREDITS_PER_USD = 100
_LEAST_CREDITS = 30


class Copilot:
    name = "copilot"
    programs: tuple[str, ...] = ("copilot",)
    bin_variable = "COPILOT_BIN"
    environment: tuple[str, ...] = ("COPILOT_*", "GH_TOKEN", "GITHUB_TOKEN", "GH_HOST")
    stop = StopWay()
    silent = False
    script = False
    live: tuple[str, ...] = ("usd", "tokens", "turns")
    caps: tuple[str, ...] = ("usd",)
    hint = "npm install -g @github/copilot, then log in once with `copilot login`"

    def command(self, assignment: Assignment, place: Place, host: Host) -> Command:  # noqa: ARG002
        """Its cap counts AI credits, a cent each; it takes no less than 30, and checks after each answer."""
        manifest, resumed = assignment.manifest, assignment.resume_id
        argv = [assignment.program, "--output-format", "json"]
        argv += ["--allow-all"] if manifest.yolo else ["--allow-tool=write"]
        argv += ["--no-ask-user", "--no-auto-update", "--usage-output-file", f"{assignment.folder}/{_USAGE}"]
        argv += ["--model", assignment.model] if assignment.model else []
        argv += [f"--resume={resumed}"] if resumed else ["--session-id", assignment.session]
        usd = manifest.budget.usd
        argv += ["--max-ai-credits", str(max(_LEAST_CREDITS, ceil(usd * _CREDITS_PER_USD)))] if usd else []
        # A person's COPILOT_ALLOW_ALL would widen the narrow mode.
        env = {"COPILOT_AUTO_UPDATE": "false", **({} if manifest.yolo else {"COPILOT_ALLOW_ALL": "false"})}
        return Command(argv=(*argv, *assignment.args), stdin=assignment.prompt_file, env=env)

    def sidecars(self, assignment: Assignment, place: Place, env: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ARG002
        """Its usage, written at the end, and its transcript, which names the session also when it was killed."""
        home = env.get("COPILOT_HOME") or f"{env.get('HOME', '')}/.copilot"
        session = assignment.resume_id or assignment.session
        paths = (f"{assignment.folder}/{_USAGE}", f"{home}/session-state/{session}/{_TRANSCRIPT}")
        return tuple(map(plain, paths))

    def interactive(self, program: str, conversation: str) -> tuple[str, ...]:
        return (program, f"--resume={conversation}")

    def reader(self) -> Reader:
        return CopilotReader()


class CopilotReader(JsonReader):
    quiet = (
        b'{"type":"assistant.message_delta"',
        b'{"type":"assistant.tool_call_delta"',
        b'{"type":"session.background_tasks_changed"',
        b'{"type":"tool.execution_partial_result"',
    )
    gone = ("No session, task, or name matched",)

    def __init__(self) -> None:
        super().__init__(
            {
                "model.call_failure": self._call_failure,
                "model.call_finished": self._call_finished,
                "assistant.message": self._message,
                "tool.execution_start": self._tool,
                "tool.execution_complete": self._tool_done,
                "session.error": self._error,
                "result": self._result,
            }
        )
        self._answered = 0
        self._metrics: dict[str, Json] = {}
        self._answers: Tally | None = None
        self._untold: set[str] = set()
        """The times that it shortened the conversation and did not tell what that took, or not yet."""
        self._billed = False
        self._code: int | None = None

    def own(self, event: Json) -> bool:
        kind = words(event, "type")
        return "sessionId" in event if kind == "result" else "." in kind and isinstance(event.get("data"), dict)

    def usage(self) -> dict[str, Any]:
        """By the transcript, each answer of this run; else by the side file, which counts the whole session.

        That file's calls are this run's when it has as many as this run; it lacks what it took to shorten the
        conversation. Costs come in AI credits and are not told.
        """
        calls = self.calls()
        if not calls and (self._answered or not self.ended or self._answers is None):
            return {}
        basis = {"cost_basis": CostBasis.SUBSCRIPTION.value} if self._billed else {}
        whole = self._answers is not None and not self._untold and len(self._answers) >= self._answered
        return {**tokens(calls), **basis, "usage": self.sure(whole=whole)}

    def calls(self) -> Sequence[Call]:
        """Cached input is included in what the program calls input."""
        if self._answers is not None:
            return self._answers.calls()
        session = {name: count(model, "requests", "count") for name, model in self._metrics.items()}
        if sum(session.values()) != self._answered:
            return ()
        return [_call(name, get(self._metrics[name], "usage"), times) for name, times in session.items() if times]

    def sidecar(self, name: str, data: bytes) -> None:  # noqa: ARG002 - what it is, is seen by what it says
        first = event_in(data.partition(b"\n")[0])
        if words(first, "type").startswith("session."):
            self.session = self.session or identifier(first, "data", "sessionId")
            self._answers = self._transcript(data)
            return
        models = get(event_in(data), "modelMetrics")
        if isinstance(models, dict):
            self._metrics = {name: model for name, model in models.items() if isinstance(model, dict)}

    def _transcript(self, data: bytes) -> Tally:
        """It is written after each answer, and tells where a run begins that goes on with a session."""
        answers = Tally()
        self._untold.clear()
        for line in data.splitlines():
            kind = next((kind for kind in _TELLING if kind in line[:_HEAD]), None)
            told = get(event_in(line), "data") if kind is not None else None
            if kind in _BEGINNINGS:
                answers.clear()
                self._untold.clear()
            elif kind == _SHORTENING:
                self._untold.add(words(told, "compactionAttemptId"))
            elif kind == _SHORTENED:
                self._shortened(answers, words(told, "compactionAttemptId"), get(told, "compactionTokensUsed"))
            elif told is not None:
                used = get(told, "usage")
                self._billed |= get(used, "isByok") is False
                answers.add(_call(words(used, "model"), used), words(used, "accounting", "usageId"))
        return answers

    def _shortened(self, answers: Tally, attempt: str, used: object) -> None:
        """Its calls for that are told as one sum."""
        if count(used, "inputTokens"):
            answers.add(_call(words(used, "model"), used, max(count(used, "requestCount"), 1)), attempt)
            self._untold.discard(attempt)

    def problem(self, ending: Ending) -> Outcome | None:
        if self._code is None:
            return None if ending.exit.clean else self.refused
        if self._code == 0 and ending.exit.clean:
            return None  # it got over whatever it met
        return self.refused or (refusals.broke(f"it reports exit code {self._code}") if self._code else None)

    def _call_failure(self, event: Json) -> Iterable[Event]:
        data = get(event, "data")
        status = count(data, "statusCode")
        text = f"{words(data, 'errorMessage') or words(data, 'failureKind')} ({status})"
        self.refused = refusals.broke(text, status or None)
        return said(EventKind.NOTE, f"the model service refused: {refusals.reason(text)}")

    def _call_finished(self, event: Json) -> Iterable[Event]:
        if words(event, "data", "outcome") == "success":
            self._answered += 1
            self.turns, self.refused = self._answered, None
        return []

    def _message(self, event: Json) -> Iterable[Event]:
        self.model = identifier(event, "data", "model") or self.model
        return said(EventKind.TEXT, words(event, "data", "content"))

    def _tool(self, event: Json) -> Iterable[Event]:
        self.tools.add(words(event, "data", "toolCallId"))
        self.running.add(words(event, "data", "toolCallId"))
        return [tool(words(event, "data", "toolName"), get(event, "data", "arguments"))]

    def _tool_done(self, event: Json) -> Iterable[Event]:
        data = get(event, "data")
        self.running.discard(words(data, "toolCallId"))
        self.worked |= bool(items(data, "fileEdits"))
        self.denied |= words(data, "error", "code") == "denied"
        return said(EventKind.ERROR, words(data, "error", "message"))

    def _error(self, event: Json) -> Iterable[Event]:
        data = get(event, "data")
        text = words(data, "message") or words(data, "errorType")
        self.refused = refusals.broke(text, count(data, "statusCode") or None)
        return said(EventKind.ERROR, text)

    def _result(self, event: Json) -> Iterable[Event]:
        self.ended, self._code = True, count(event, "exitCode")
        self.session = identifier(event, "sessionId")
        return said(EventKind.RESULT, "done") if self._code == 0 else []


def _call(model: str, used: object, times: int = 1) -> Call:
    return Call(
        model=model, tokens_in=count(used, "inputTokens"), tokens_cached=count(used, "cacheReadTokens"),
        tokens_written=count(used, "cacheWriteTokens"), tokens_out=count(used, "outputTokens"), times=times,
    )  # fmt: skip
