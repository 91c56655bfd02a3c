"""Claude Code's model answers, as its stream and its transcripts tell them; each once, whatever tells it again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import dropwhile

from agent_queue.core.usage import Call
from agent_queue.engines.stream import event_in
from agent_queue.engines.tally import Tally
from agent_queue.engines.untrusted import Json, count, get, items, words

MESSAGE = {"fresh": "input_tokens", "read": "cache_read_input_tokens", "written": "cache_creation_input_tokens",
           "out": "output_tokens"}  # fmt: skip
RESULT = {"fresh": "inputTokens", "read": "cacheReadInputTokens", "written": "cacheCreationInputTokens",
          "out": "outputTokens"}  # fmt: skip
"""The names of the same four figures in a message and in a result. Cached input is not in the first one."""
NOT_A_MODEL = "<synthetic>"
"""The program's own words, in an answer's clothes."""
_LETTERS = 4
"""So many letters are about one token."""


class Answers:
    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._streamed: dict[str, tuple[str, Json]] = {}
        """Model and figures as they came: they are looked into when somebody asks, not at each of a thousand events."""
        self._letters: dict[str, int] = {}
        self._written: dict[str, list[tuple[str, Call, bool]]] = {}
        """By transcript: id, figures, and whether it was written to its end."""

    def streamed(self, message: object) -> None:
        """Each block comes with the figures of the answer's beginning: its output is guessed from what it says."""
        key = words(message, "id")
        self._seen.add(key)
        self._letters[key] = self._letters.get(key, 0) + sum(map(_letters, items(message, "content")))
        usage = get(message, "usage")
        if isinstance(usage, dict):
            self._streamed[key] = (words(message, "model"), usage)

    def transcript(self, name: str, data: bytes) -> None:
        """It may hold earlier runs too, and an answer several times."""
        self._written[name] = list(_written(data))

    @property
    def whole(self) -> bool:
        """Every answer of the stream is in a transcript, to its end."""
        ended = {key for found in self._written.values() for key, _, stopped in found if stopped}
        return bool(self._seen) and ended >= self._seen

    def calls(self) -> Sequence[Call]:
        """Those of this run: in a transcript it begins with the first answer that the stream told too."""
        tally = Tally()
        for found in self._written.values():
            for key, call, _ in dropwhile(lambda answer: answer[0] not in self._seen, found):
                known = tally.get(key)
                tally.add(call if known is None or call.tokens_out >= known.tokens_out else known, key)
        for key, call in self._streamed_by_id():
            if tally.get(key) is None:
                tally.add(replace(call, tokens_out=max(call.tokens_out, self._letters[key] // _LETTERS)), key)
        return tally.calls()

    def streamed_calls(self) -> Sequence[Call]:
        """By the stream alone; most of the output is missing."""
        return [call for _, call in self._streamed_by_id()]

    def _streamed_by_id(self) -> Iterator[tuple[str, Call]]:
        for key, (model, usage) in self._streamed.items():
            call = call_of(model, usage, MESSAGE)
            if call.tokens_in:
                yield key, call


def call_of(model: str, told: object, names: Mapping[str, str], times: int = 1) -> Call:
    """One answer's figures, or a model's sum over a run, under the journal's meaning."""
    fresh, read, written, out = (count(told, names[part]) for part in ("fresh", "read", "written", "out"))
    return Call(
        model=model, tokens_in=fresh + read + written, tokens_cached=read, tokens_written=written, tokens_out=out,
        tokens_written_1h=count(told, "cache_creation", "ephemeral_1h_input_tokens"), times=times,
    )  # fmt: skip


def tells(end: Json) -> bool:
    """Whether a result tells what was used: by model, or, of old versions, in one sum."""
    return isinstance(get(end, "modelUsage"), dict) or isinstance(get(end, "usage"), dict)


def by_model(end: Json, times: int, model: str = "") -> list[Call]:
    """What a result tells, each sum as of `times` answers. `model` is whose it is where the result names none."""
    models = get(end, "modelUsage")
    if isinstance(models, dict):
        return [call_of(name, told, RESULT, times) for name, told in models.items() if isinstance(told, dict)]
    return [call_of(model, get(end, "usage"), MESSAGE, times)] if isinstance(get(end, "usage"), dict) else []


def _written(data: bytes) -> Iterator[tuple[str, Call, bool]]:
    for line in data.splitlines():
        event = event_in(line) if b'"assistant"' in line and b'"usage"' in line else None
        message = get(event, "message")
        model = words(message, "model")
        if words(event, "type") == "assistant" and model not in ("", NOT_A_MODEL):
            call = call_of(model, get(message, "usage"), MESSAGE)
            yield words(message, "id"), call, bool(words(message, "stop_reason"))


def _letters(block: Json) -> int:
    asked = get(block, "input")
    return len(words(block, "text")) + len(words(block, "thinking")) + (len(str(asked)) if asked else 0)
