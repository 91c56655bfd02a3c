"""Aider (`aider`), PyPI aider-chat; the facts are of 0.86.2."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agent_queue.core.outcome import Broke, Failure, Outcome
from agent_queue.core.usage import Call, Provenance
from agent_queue.engines import refusals
from agent_queue.engines.providers import BASES, KEYS
from agent_queue.engines.stream import PlainReader, event_in
from agent_queue.engines.tally import Tally
from agent_queue.engines.untrusted import amount, count, get, identifier, plain, readable, text_of
from agent_queue.ports import Assignment, Command, Ending, Event, Host, Place, Reader, StopWay

_LOG = "aider-analytics.jsonl"
_NOWHERE = "http://127.0.0.1:9"
_LAUNCH = """\
cache=$1/.aider.tags.cache.v4
test -e "$cache" && cache=
shift
trap : TERM INT
"$0" "$@"
code=$?
test -z "$cache" || rm -rf "$cache"
exit "$code"
"""
"""It leaves a cache in the root of the repository, and has no option against that; one that was there is kept."""
_TOKENS = re.compile(r"Tokens: ([\d.]+)(k|M)? sent,.*?([\d.]+)(k|M)? received\.")
_COST = re.compile(r"Cost: \$[\d.]+ message, \$([\d.]+) session\.")
_MODEL = re.compile(r"(?:Main model|Model): (\S+) with ")
_UNITS = {None: 1, "k": 1_000, "M": 1_000_000}
_ERROR = re.compile(r"litellm\.\w*(?:Error|Exception)\b|.* has hit a token limit!")
_LINES_OF_AN_ERROR = 4


class Aider:
    name = "aider"
    programs: tuple[str, ...] = ("aider",)
    bin_variable = "AIDER_BIN"
    environment: tuple[str, ...] = ("AIDER_*", *KEYS, *BASES)
    stop = StopWay()
    silent = True
    """It prints an answer when it is whole."""
    script = False
    live: tuple[str, ...] = ("usd", "tokens", "turns")
    caps: tuple[str, ...] = ()
    hint = "uv tool install --python 3.12 aider-chat, then set the API key of a provider"

    def command(self, assignment: Assignment, place: Place, host: Host) -> Command:  # noqa: ARG002
        """It edits without asking, and runs no command by itself; the narrow mode lets it not even propose one.

        Its log of figures comes only with its telemetry, which is sent to a port where nobody listens.
        """
        folder = assignment.folder
        argv = ["/bin/sh", "-c", _LAUNCH, assignment.program, place.root or place.cwd]
        argv += ["--message-file", assignment.prompt_file, "--yes-always", "--no-auto-commits", "--no-dirty-commits"]
        argv += [] if assignment.manifest.yolo else ["--no-suggest-shell-commands"]
        argv += ["--model", assignment.model] if assignment.model else []
        argv += ["--no-check-update", "--no-show-release-notes", "--no-show-model-warnings", "--no-gitignore"]
        argv += ["--no-pretty", "--no-stream", "--no-fancy-input", "--chat-history-file", f"{folder}/aider-chat.md"]
        argv += ["--input-history-file", f"{folder}/aider-input", "--analytics", "--analytics-log", f"{folder}/{_LOG}"]
        return Command(argv=(*argv, "--analytics-posthog-host", _NOWHERE, *assignment.args))

    def interactive(self, program: str, conversation: str) -> tuple[str, ...]:  # noqa: ARG002
        """It cannot go on with a conversation by name."""
        return ()

    def sidecars(self, assignment: Assignment, place: Place, env: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ARG002
        return (plain(f"{assignment.folder}/{_LOG}"),)

    def reader(self) -> Reader:
        return AiderReader()


class AiderReader(PlainReader):
    """Errors of the model service are printed, and the program ends with 0 all the same."""

    def __init__(self) -> None:
        super().__init__(judged_by_words=True)
        self._model: str | None = None
        self._printed = Tally()
        self._logged: Tally | None = None
        self._cost: float | None = None
        self._error: list[str] | None = None

    def facts(self) -> dict[str, Any]:
        """By its log: all input, without a word on how much of it came from a cache. What it prints is rounded."""
        calls = self.calls()
        known = {"model": self._model, "cost_usd": self._cost or None, "turns": len(calls) or None}
        found = {key: value for key, value in known.items() if value is not None}
        if calls:
            usage = Provenance.ESTIMATED if self._logged is None else Provenance.EXACT
            found |= {
                "tokens_in": sum(call.tokens_in for call in calls),
                "tokens_out": sum(call.tokens_out for call in calls),
                "usage": usage.value,
            }
        return found

    def calls(self) -> Sequence[Call]:
        return (self._printed if self._logged is None else self._logged).calls()

    def sidecar(self, name: str, data: bytes) -> None:  # noqa: ARG002 - there is but one
        logged = Tally()
        for line in data.splitlines():
            event = event_in(line) if b'"message_send"' in line else None
            told = get(event, "properties")
            if event is not None and isinstance(told, dict):
                sent, received = count(told, "prompt_tokens"), count(told, "completion_tokens")
                logged.add(Call(model="", tokens_in=sent, tokens_out=received))
                self._cost = amount(told, "total_cost") or self._cost
        self._logged = logged if logged.calls() else None

    def ending(self, ending: Ending) -> Outcome:
        judged = super().ending(ending)
        return self._refused() or judged if ending.exit.clean else judged

    def _refused(self) -> Broke | None:
        if self._error is None:
            return None
        text = " ".join(self._error)
        if "token limit" in text:
            return Broke(kind=Failure.CONTEXT, reason=refusals.reason(text))
        return refusals.broke(text)

    def _text(self, line: bytes) -> list[Event]:
        events = super()._text(line)
        text = readable(text_of(line))
        used, cost, model = _TOKENS.match(text), _COST.search(text), _MODEL.match(text)
        if used:
            sent, received = (int(float(used[at]) * _UNITS[used[at + 1]]) for at in (1, 3))
            self._printed.add(Call(model="", tokens_in=sent, tokens_out=received))
            self._error = None
        if cost and self._logged is None:
            self._cost = float(cost[1])
        if model:
            self._model = identifier({"model": model[1]}, "model")
        if _ERROR.match(text):
            self._error = [text]
        elif self._error is not None and text and len(self._error) < _LINES_OF_AN_ERROR:
            self._error.append(text)
        return events
