"""GitHub Copilot CLI (`copilot`), npm @github/copilot; the facts are of 1.0.102."""

import re
from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

from agent_queue.core.outcome import Outcome
from agent_queue.engines import refusals
from agent_queue.engines.stream import JsonReader, event_in
from agent_queue.engines.untrusted import Json, count, get, identifier, items, said, tool, words
from agent_queue.ports import Assignment, Command, Ending, Event, EventKind, Host, Place, Reader, StopWay

_USAGE = "copilot-usage.json"
_TRANSCRIPT = "events.jsonl"
_WILD = re.compile(r"[*?\[]")
"""What a glob would not take as it stands."""
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
        return tuple(_WILD.sub(r"[\g<0>]", path) for path in paths)

    def reader(self) -> Reader:
        return CopilotReader()


class CopilotReader(JsonReader):
    quiet = (
        b'{"type":"assistant.message_delta"',
        b'{"type":"assistant.tool_call_delta"',
        b'{"type":"session.background_tasks_changed"',
        b'{"type":"session.skills_loaded"',
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
        self._metrics: list[Json] = []
        self._code: int | None = None

    def own(self, event: Json) -> bool:
        kind = words(event, "type")
        return "sessionId" in event if kind == "result" else "." in kind and isinstance(event.get("data"), dict)

    def usage(self) -> dict[str, Any]:
        """The side file counts the whole session; its calls are this run's when it has as many as this run.

        Cached input is included. Costs come in AI credits and are not told here.
        """
        if not self._metrics or sum(count(model, "requests", "count") for model in self._metrics) != self._answered:
            return {}
        tokens = {"tokens_in": "inputTokens", "tokens_cached": "cacheReadTokens", "tokens_out": "outputTokens"}
        sums = {key: sum(count(model, "usage", name) for model in self._metrics) for key, name in tokens.items()}
        return {**sums, "usage": "exact"}

    def sidecar(self, name: str, data: bytes) -> None:
        if name.endswith(_TRANSCRIPT):
            first = event_in(data.partition(b"\n")[0])
            self.session = self.session or identifier(first, "data", "sessionId")
        elif name.endswith("usage.json"):
            models = get(event_in(data), "modelMetrics")
            found = models.values() if isinstance(models, dict) else ()
            self._metrics = [model for model in found if isinstance(model, dict)]

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
        self.calls.add(words(event, "data", "toolCallId"))
        return [tool(words(event, "data", "toolName"), get(event, "data", "arguments"))]

    def _tool_done(self, event: Json) -> Iterable[Event]:
        data = get(event, "data")
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
