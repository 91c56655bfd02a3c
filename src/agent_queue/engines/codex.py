"""Codex CLI (`codex`), npm @openai/codex; the facts are of 0.169.0."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agent_queue.core.outcome import Broke, Failure, Outcome
from agent_queue.core.usage import Call, CostBasis, Provenance
from agent_queue.engines import refusals
from agent_queue.engines.codex_rollout import Rollout, call_of
from agent_queue.engines.stream import JsonReader
from agent_queue.engines.tally import tokens
from agent_queue.engines.untrusted import Json, count, get, identifier, items, names, plain, said, tool, words
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
        """Its rollouts, which it writes after each answer: the thread's, named on its first line, and its helpers'."""
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
        self._rollouts: dict[str, Rollout] = {}
        """By file."""
        self._helpers: set[str] = set()

    def own(self, event: Json) -> bool:
        kind = words(event, "type")
        if kind == "error":
            return self.begun and bool(words(event, "message"))
        return kind.startswith(("thread.", "turn.", "item."))

    def usage(self) -> dict[str, Any]:
        """By the rollout, else what the thread used so far: that is this run's when it began the thread."""
        rollout, calls = self._own, self.calls()
        basis = {"cost_basis": CostBasis.SUBSCRIPTION.value} if rollout.subscribed else {}
        if rollout.calls or (rollout.begun and self.ended):
            helped = self._helping()
            known = {one.thread for one in helped} >= self._helpers and not any(one.asking for one in helped)
            return {**tokens(calls), **basis, "usage": self.sure(whole=rollout.by_answer and known)}
        if not isinstance(self._thread_so_far, dict) or rollout.begun:
            return {}
        return {**tokens(calls), **basis, "usage": Provenance.ESTIMATED.value}

    @property
    def asking(self) -> bool:
        return super().asking and (self._own.asking or not self._own.calls)

    def calls(self) -> Sequence[Call]:
        """Its own answers, and those of the helpers that worked for it."""
        told = [call_of("", self._thread_so_far, max(len(self.tools), 1))] if self._thread_so_far else []
        helped = [call for one in self._helping() if one.root == self._own.root for call in one.calls]
        return [*self._own.calls, *helped] if self._own.calls else told

    def sessions(self) -> Sequence[str]:
        return [*super().sessions(), *sorted(self._helpers)]

    def sidecar(self, name: str, data: bytes) -> None:
        self._rollouts[name] = Rollout(data)
        self.model = self._own.model or self.model
        self.turns = sum(call.times for call in self._own.calls) or self.turns

    @property
    def _own(self) -> Rollout:
        return next((one for one in self._rollouts.values() if not one.helps), Rollout())

    def _helping(self) -> list[Rollout]:
        return [one for one in self._rollouts.values() if one.helps]

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
        if kind == "collab_tool_call":
            self._helpers |= set(names(item, "receiver_thread_ids"))
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


def _tool(kind: str, item: object) -> Event:
    if kind == "command_execution":
        return tool("$", words(item, "command"))
    if kind == "file_change":
        return tool("edit", ", ".join(words(change, "path") for change in items(item, "changes")))
    if kind == "mcp_tool_call":
        return tool(f"{words(item, 'server')}.{words(item, 'tool')}", get(item, "arguments"))
    return tool(words(item, "tool") or kind, words(item, "prompt") or words(item, "query"))
