"""Codex CLI (`codex`), npm @openai/codex; the facts are of 0.169.0."""

from collections.abc import Iterable, Mapping

from agent_queue.core.outcome import Outcome
from agent_queue.engines import refusals
from agent_queue.engines.stream import JsonReader
from agent_queue.engines.untrusted import Json, count, get, identifier, items, said, tool, words
from agent_queue.ports import Assignment, Command, Ending, Event, EventKind, Host, Place, Reader, StopWay

_NO_TOOLS = frozenset(("agent_message", "reasoning", "todo_list", "error"))
_WRITERS = frozenset(("file_change", "command_execution"))
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
        return ()

    def reader(self) -> Reader:
        return CodexReader()


class CodexReader(JsonReader):
    """Tokens are not told: the stream's totals are those of the whole thread, and it does not say where this run began.

    Neither does it name the model.
    """

    gone = ("no rollout found for thread id",)

    def __init__(self) -> None:
        super().__init__(
            {
                "thread.started": self._thread,
                "item.started": self._item,
                "item.completed": self._item,
                "error": self._error,
                "turn.failed": self._failed,
                "turn.completed": self._completed,
            }
        )
        self._message = ""

    def own(self, event: Json) -> bool:
        kind = words(event, "type")
        if kind == "error":
            return self.begun and bool(words(event, "message"))
        return kind.startswith(("thread.", "turn.", "item."))

    def problem(self, ending: Ending) -> Outcome | None:
        text = self._message
        reset = refusals.reset_in(text, ending.now) if self.refused and "usage limit" in text else None
        return refusals.held(text, Codex.name, reset, ending.now) if reset else self.refused

    def _thread(self, event: Json) -> Iterable[Event]:
        self.session = identifier(event, "thread_id")
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
        fresh = key not in self.calls
        self.calls.add(key)
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
        self.ended = True
        self._message = words(event, "error", "message") or "the turn failed"
        self.refused = refusals.broke(self._message)
        return said(EventKind.ERROR, self._message)

    def _completed(self, event: Json) -> Iterable[Event]:
        self.ended, self.refused = True, None
        tokens = f"{count(event, 'usage', 'input_tokens'):,} in, {count(event, 'usage', 'output_tokens'):,} out"
        return said(EventKind.RESULT, f"done; the whole thread so far: {tokens}")


def _tool(kind: str, item: object) -> Event:
    if kind == "command_execution":
        return tool("$", words(item, "command"))
    if kind == "file_change":
        return tool("edit", ", ".join(words(change, "path") for change in items(item, "changes")))
    if kind == "mcp_tool_call":
        return tool(f"{words(item, 'server')}.{words(item, 'tool')}", get(item, "arguments"))
    return tool(kind, words(item, "query"))
