"""Claude Code (`claude`), npm @anthropic-ai/claude-code; the facts are of 2.1.197."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from agent_queue.core.outcome import Broke, Failure, Outcome
from agent_queue.core.usage import Call, CostBasis, Provenance
from agent_queue.engines import refusals
from agent_queue.engines.claude_answers import NOT_A_MODEL, Answers, by_model, tells
from agent_queue.engines.stream import JsonReader
from agent_queue.engines.tally import tokens
from agent_queue.engines.untrusted import Json, amount, count, get, identifier, items, plain, said, tool, words
from agent_queue.ports import Assignment, Command, Ending, Event, EventKind, Host, Place, Reader, StopWay, Target

_TYPES = frozenset(("system", "assistant", "user", "result", "rate_limit_event", "stream_event"))
_EDITS = frozenset(("Write", "Edit", "MultiEdit", "NotebookEdit"))
_INTERRUPTED = "[Request interrupted by user"
"""What it tells the model when somebody breaks it off; no user speaks while it works for `aq`."""
_STOPS = {"error_max_turns": Failure.MAX_TURNS, "error_max_budget_usd": Failure.BUDGET}


class Claude:
    name = "claude"
    programs: tuple[str, ...] = ("claude",)
    bin_variable = "CLAUDE_BIN"
    environment: tuple[str, ...] = (
        "ANTHROPIC_*", "CLAUDE_*", "AWS_REGION", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "CLOUD_ML_REGION",
        "VERTEX_REGION_*", "API_TIMEOUT_MS", "MAX_THINKING_TOKENS", "BASH_DEFAULT_TIMEOUT_MS", "BASH_MAX_TIMEOUT_MS",
        "BASH_MAX_OUTPUT_LENGTH", "MCP_TIMEOUT", "MCP_TOOL_TIMEOUT", "MAX_MCP_OUTPUT_TOKENS", "IS_SANDBOX",
    )  # fmt: skip
    stop = StopWay(signal="SIGINT", target=Target.LEADER)
    """It kills its tool and still prints its usage; at SIGTERM it does neither."""
    silent = False
    script = False
    live: tuple[str, ...] = ("usd", "tokens", "turns")
    caps: tuple[str, ...] = ("usd", "turns")
    hint = "npm install -g @anthropic-ai/claude-code, then log in once with `claude`"

    def command(self, assignment: Assignment, place: Place, host: Host) -> Command:  # noqa: ARG002
        manifest = assignment.manifest
        argv = [assignment.program, "-p", "--output-format", "stream-json", "--verbose"]
        argv += ["--dangerously-skip-permissions"] if manifest.yolo else ["--permission-mode", "acceptEdits"]
        argv += ["--model", assignment.model] if assignment.model else []
        # A conversation cannot be gone on with and be given a new name at once.
        resumed = assignment.resume_id
        argv += ["--resume", resumed] if resumed else ["--session-id", assignment.session]
        argv += ["--max-turns", str(manifest.budget.turns)] if manifest.budget.turns else []
        argv += ["--max-budget-usd", str(manifest.budget.usd)] if manifest.budget.usd else []
        env = {"DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_TELEMETRY": "1"}
        if manifest.yolo and host.is_root:
            env["IS_SANDBOX"] = "1"  # without it root is refused the flag: exit 1 and not one line of output
        return Command(argv=(*argv, *assignment.args), stdin=assignment.prompt_file, env=env)

    def sidecars(self, assignment: Assignment, place: Place, env: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ARG002
        """Its transcripts, its own and those of its helpers: a run that was killed leaves its figures only there."""
        home = plain(env.get("CLAUDE_CONFIG_DIR") or f"{env.get('HOME', '')}/.claude")
        return (f"{home}/projects/*/{{session}}.jsonl", f"{home}/projects/*/{{session}}/subagents/*.jsonl")

    def interactive(self, program: str, conversation: str) -> tuple[str, ...]:
        return (program, "--resume", conversation)

    def reader(self) -> Reader:
        return ClaudeReader()


class ClaudeReader(JsonReader):
    gone = ("No conversation found with session ID",)

    def __init__(self) -> None:
        super().__init__(
            {
                "system": self._system,
                "assistant": self._assistant,
                "user": self._user,
                "rate_limit_event": self._limit,
                "result": self._result,
            }
        )
        self._messages: set[str] = set()
        self._answers = Answers()
        self._subscribed = False
        """The limits of a subscription were told, and that its use is not paid for beyond them."""
        self._edits: set[str] = set()
        self._reset: int | None = None
        self._last_text = ""
        self._interrupted = False
        self._end: Json = {}
        self._earlier: list[Json] = []
        """The ends of runs that stand before this one in the same log."""
        self._told_before = 0
        self._lost = False
        """One of those has no end: what it used is not told."""

    def own(self, event: Json) -> bool:
        """Qwen Code prints events of the same form, and means other things by them."""
        self.foreign |= "qwen_code_version" in event
        return not self.foreign and words(event, "type") in _TYPES and bool(words(event, "session_id"))

    def usage(self) -> dict[str, Any]:
        """Of this run alone, also after a resume. `modelUsage`; old versions have only `usage`, which lacks some calls.

        Without a result the transcript tells what was answered; the stream's own figures miss most of the output.
        """
        basis = {"cost_basis": CostBasis.SUBSCRIPTION.value} if self._subscribed else {}
        if tells(self._end):
            ends = (*self._earlier, self._end)
            costs = [amount(end, "total_cost_usd") for end in ends]
            told = {"cost_usd": round(sum(filter(None, costs)), 9)} if None not in costs else {}
            whole = self.ended and not self._lost and all(isinstance(get(end, "modelUsage"), dict) for end in ends)
            sure = Provenance.EXACT if whole else Provenance.ESTIMATED
            return {**tokens(self.calls()), **told, **basis, "usage": sure.value}
        calls = self._answers.calls()
        return {**tokens(calls), **basis, "usage": self.sure(whole=self._answers.whole)} if calls else {}

    def calls(self) -> Sequence[Call]:
        """By model where there is a result, else by answer. The program counts cached input apart."""
        if not tells(self._end):
            return self._answers.calls()
        times = max((self.turns or 1) // (1 + len(self._earlier)), 1)
        return [call for end in (*self._earlier, self._end) for call in by_model(end, times, self.model or "")]

    def sidecar(self, name: str, data: bytes) -> None:
        self._answers.transcript(name, data)

    def problem(self, ending: Ending) -> Outcome | None:
        return self._failed(ending) if self._end else self.refused

    def _failed(self, ending: Ending) -> Outcome | None:
        end = self._end
        subtype = words(end, "subtype")
        text = words(end, "result") or _errors(end)
        if subtype in _STOPS:
            return Broke(kind=_STOPS[subtype], reason=refusals.reason(text))
        if end.get("is_error") is True or subtype.startswith("error"):
            status = count(end, "api_error_status") or None
            reset = self._limited(text, ending.now) if status == 429 or "limit" in text else None
            if reset:
                return refusals.held(text, Claude.name, reset)
            aborted = self._interrupted or words(end, "terminal_reason").startswith("aborted")
            return replace(refusals.broke(text, status), interrupted=aborted)
        self.denied = bool(items(end, "permission_denials"))
        return None

    def _limited(self, text: str, now: datetime) -> datetime | None:
        """When the subscription's limit ends. The event tells the second; the text only an hour, in words."""
        told = refusals.reset_at(self._reset, now) if self._reset is not None else None
        return told or refusals.reset_in(text, now)

    def _system(self, event: Json) -> Iterable[Event]:
        session = identifier(event, "session_id") or self.session
        if words(event, "subtype") == "init":
            self.model = identifier(event, "model")
            another = self.session not in (None, session)
            self._lost |= another and not self.ended
            self.ended &= not another
        self.session = session
        if words(event, "subtype") != "api_retry":
            return []
        error, status = words(event, "error"), count(event, "error_status")
        self.refused = refusals.broke(f"{error.replace('_', ' ')} ({status})", status)
        tries = f"{count(event, 'attempt')} of {count(event, 'max_retries')}"
        wait = (amount(event, "retry_delay_ms") or 0) / 1000
        return said(EventKind.NOTE, f"try {tries} in {wait:.0f} s: {error} ({status})")

    def _assistant(self, event: Json) -> Iterable[Event]:
        """One event for each block of a message: the message's id repeats, the blocks do not."""
        self.session = identifier(event, "session_id") or self.session
        message = get(event, "message")
        model = words(message, "model")
        if model != NOT_A_MODEL:
            self.refused = None
            self._answers.streamed(message)
            self.model = self.model or identifier(message, "model")
            if get(event, "parent_tool_use_id") is None:
                self._messages.add(words(message, "id"))
                self.turns = len(self._messages)
        events: list[Event] = []
        for block in items(message, "content"):
            if words(block, "type") == "text":
                self._last_text = words(block, "text")
                events += said(EventKind.TEXT if model != NOT_A_MODEL else EventKind.ERROR, self._last_text)
            elif words(block, "type") == "tool_use":
                self.tools.add(words(block, "id"))
                self.running.add(words(block, "id"))
                self._edits |= {words(block, "id")} if words(block, "name") in _EDITS else set()
                events.append(tool(words(block, "name"), get(block, "input")))
        return events

    def _user(self, event: Json) -> Iterable[Event]:
        events: list[Event] = []
        for block in items(event, "message", "content"):
            self._interrupted |= words(block, "text").startswith(_INTERRUPTED)
            if words(block, "type") != "tool_result":
                continue
            self.running.discard(words(block, "tool_use_id"))
            if get(block, "is_error") is True:
                events += said(EventKind.ERROR, words(block, "content"))
            else:
                self.worked |= words(block, "tool_use_id") in self._edits
        return events

    def _limit(self, event: Json) -> Iterable[Event]:
        info = get(event, "rate_limit_info")
        self._subscribed = bool(words(info, "rateLimitType")) and get(info, "isUsingOverage") is not True
        if words(info, "status") != "rejected" or get(info, "isUsingOverage") is True:
            self._reset = None
            return []
        self._reset = count(info, "resetsAt") or None
        return said(EventKind.NOTE, f"usage limit reached: {words(info, 'rateLimitType').replace('_', ' ')}")

    def _keep_the_last_end(self, event: Json) -> None:
        """A log may hold several runs. A process that ends its turn again, after work in its background, counts on."""
        told = tokens(self._answers.streamed_calls())["tokens_in"]
        since, self._told_before = told - self._told_before, told
        before, now = (tokens(by_model(end, 1))["tokens_in"] for end in (self._end, event))
        counts_on = abs(now - before - since) <= abs(now - since)
        if self._end and (words(self._end, "session_id") != words(event, "session_id") or not counts_on):
            self._earlier.append(self._end)

    def _result(self, event: Json) -> Iterable[Event]:
        self.session = identifier(event, "session_id") or self.session
        self._keep_the_last_end(event)
        self.ended, self._end = True, event
        models = get(event, "modelUsage")
        if self.model is None and isinstance(models, dict) and models:
            self.model = identifier({"model": next(iter(models))}, "model")
        text = words(event, "result")
        failed = get(event, "is_error") is True
        subtype = words(event, "subtype")
        shown = (
            ("failed" if failed and subtype == "success" else subtype) if not text or text == self._last_text else text
        )
        return said(EventKind.ERROR if failed else EventKind.RESULT, shown)


def _errors(end: Json) -> str:
    """Its own list of errors; a diagnosis in brackets tells a person less than why it ended."""
    errors = get(end, "errors")
    listed = errors if isinstance(errors, list) else []
    told = [error for error in listed if isinstance(error, str) and error[:1] != "["]
    return "; ".join(told) or f"{words(end, 'subtype')}: {words(end, 'terminal_reason')}".replace("_", " ").strip(": ")
