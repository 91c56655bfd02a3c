"""OpenHands CLI (`openhands`), PyPI openhands; the facts are of 1.16.0."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agent_queue.core.usage import Call
from agent_queue.engines import refusals
from agent_queue.engines.stream import JsonReader, event_in
from agent_queue.engines.tally import tokens
from agent_queue.engines.untrusted import Json, amount, count, get, identifier, items, plain, said, text_of, tool, words
from agent_queue.ports import Assignment, Command, Event, EventKind, Host, Place, Reader, StopWay

_EDITS = frozenset(("FileEditorAction", "ApplyPatchAction"))
_ENDED = ("Agent finished", "CONVERSATION SUMMARY")
_NAME = re.compile(r"Conversation ID: ([0-9a-f]{32})\b|/conversations/([0-9a-f]{32})/")
"""It tells a conversation's name last, and where it keeps the output of a command."""


class OpenHands:
    name = "openhands"
    programs: tuple[str, ...] = ("openhands",)
    bin_variable = "OPENHANDS_BIN"
    environment: tuple[str, ...] = ("LLM_*", "OPENHANDS_*", "LITELLM_*")
    stop = StopWay()
    silent = False
    script = False
    live: tuple[str, ...] = ("turns",)
    caps: tuple[str, ...] = ()
    hint = "uv tool install --python 3.12 openhands, then set LLM_API_KEY and LLM_MODEL, or run `openhands` once"

    def command(self, assignment: Assignment, place: Place, host: Host) -> Command:  # noqa: ARG002
        """Without a terminal it never asks, so there is no narrow mode. It takes its model from the environment."""
        argv = [assignment.program, "--headless", "--json", "--override-with-envs", "-f", assignment.prompt_file]
        argv += ["--resume", assignment.resume_id] if assignment.resume_id else []
        env = {"PYTHONUNBUFFERED": "1", "OPENHANDS_SUPPRESS_BANNER": "1", "DO_NOT_TRACK": "1"}
        env |= {"LLM_MODEL": assignment.model} if assignment.model else {}
        return Command(argv=(*argv, *assignment.args), env=env)

    def interactive(self, program: str, conversation: str) -> tuple[str, ...]:
        return (program, "--resume", conversation)

    def sidecars(self, assignment: Assignment, place: Place, env: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ARG002
        home = env.get("OPENHANDS_PERSISTENCE_DIR") or f"{env.get('HOME', '')}/.openhands"
        return (
            f"{plain(env.get('OPENHANDS_CONVERSATIONS_DIR') or f'{home}/conversations')}/{{session}}/base_state.json",
        )

    def reader(self) -> Reader:
        return OpenHandsReader()


class OpenHandsReader(JsonReader):
    """Events come as JSON between banners and boxes; a failed run ends with exit code 0."""

    kind = "kind"
    opening = b'{"id": "'

    def __init__(self) -> None:
        super().__init__(
            {
                "MessageEvent": self._message,
                "ActionEvent": self._action,
                "ObservationEvent": self._observation,
                "AgentErrorEvent": self._observation,
                "ConversationErrorEvent": self._error,
            }
        )
        self._editing: set[str] = set()
        self._answers: dict[str, None] = {}
        self._agent: Json | None = None
        self._others: list[Json] = []
        """The figures of the agent's own calls, and of its helpers'."""

    def own(self, event: Json) -> bool:
        return words(event, "kind").endswith("Event") and bool(words(event, "source"))

    def usage(self) -> dict[str, Any]:
        """The state counts the whole conversation, call by call; this run begins with the first that the output names.

        Calls that shorten a conversation are not named: they count where the conversation is this run's alone.
        """
        used, whole = self._used()
        if self._agent is None or not (used or self.ended):
            return {}
        cost = sum(usd for _, usd in used)
        told = {"cost_usd": round(cost, 9)} if cost else {}
        return {**tokens(self.calls()), **told, "usage": self.sure(whole=whole)}

    def calls(self) -> Sequence[Call]:
        return [call for call, _ in self._used()[0]]

    def sidecar(self, name: str, data: bytes) -> None:  # noqa: ARG002 - there is but one
        metrics = get(event_in(data), "stats", "usage_to_metrics")
        if not isinstance(metrics, dict):
            return
        self._agent = get(metrics, "agent")
        self._others = [one for name, one in metrics.items() if name != "agent"]
        self.model = identifier(self._agent, "model_name") or self.model

    def _used(self) -> tuple[list[tuple[Call, float]], bool]:
        """This run's calls with what they cost, and whether all of them are known."""
        every = items(self._agent, "token_usages")
        named = [words(one, "response_id") in self._answers for one in every]
        begin = named.index(True) if True in named else len(every)
        found = _priced(self._agent)[begin:]
        others = [pair for one in self._others for pair in _priced(one)]
        whole = named.count(True) == len(self._answers)
        return ([*found, *others], whole) if begin == 0 else (found, whole and not others)

    def _answer(self, event: Json) -> None:
        if words(event, "llm_response_id"):
            self._answers[words(event, "llm_response_id")] = None
            self.turns, self.refused = len(self._answers), None

    def _message(self, event: Json) -> Iterable[Event]:
        if words(event, "source") != "agent":
            return []
        self._answer(event)
        return [
            shown
            for block in items(event, "llm_message", "content")
            for shown in said(EventKind.TEXT, words(block, "text"))
        ]

    def _action(self, event: Json) -> Iterable[Event]:
        self._answer(event)
        key, action = words(event, "tool_call_id"), get(event, "action")
        self.tools.add(key)
        self.running.add(key)
        self._editing |= {key} if words(action, "kind") in _EDITS else set()
        thought = [shown for block in items(event, "thought") for shown in said(EventKind.TEXT, words(block, "text"))]
        return [*thought, tool(words(event, "tool_name"), action)]

    def _observation(self, event: Json) -> Iterable[Event]:
        key, seen = words(event, "tool_call_id"), get(event, "observation")
        self.running.discard(key)
        self._named(words(seen, "full_output_save_dir"))
        failed = get(seen, "is_error") is True or bool(words(event, "error"))
        self.worked |= key in self._editing and not failed
        text = words(event, "error") or "\n".join(words(block, "text") for block in items(seen, "content"))
        return said(EventKind.ERROR, text) if failed else []

    def _error(self, event: Json) -> Iterable[Event]:
        text = words(event, "detail") or words(event, "code")
        self.refused = refusals.broke(f"{words(event, 'code')}: {text}")
        return said(EventKind.ERROR, text)

    def _text(self, line: bytes) -> list[Event]:
        text = text_of(line)
        self.ended |= self.begun and any(sign in text for sign in _ENDED)
        self._named(text)
        return super()._text(line)

    def _named(self, text: str) -> None:
        found = _NAME.search(text)
        self.session = (found[1] or found[2]) if found else self.session


def _priced(metrics: object) -> list[tuple[Call, float]]:
    """The calls and their costs, which stand in two lists side by side."""
    used, costs = items(metrics, "token_usages"), items(metrics, "costs")
    told = [amount(one, "cost") or 0.0 for one in costs] if len(costs) == len(used) else [0.0] * len(used)
    return list(zip(map(_call, used), told, strict=True))


def _call(used: Json) -> Call:
    """All input, cache reads and writes in it; output with reasoning."""
    return Call(
        model=words(used, "model"), tokens_in=count(used, "prompt_tokens"),
        tokens_cached=count(used, "cache_read_tokens"), tokens_written=count(used, "cache_write_tokens"),
        tokens_out=count(used, "completion_tokens"),
    )  # fmt: skip
