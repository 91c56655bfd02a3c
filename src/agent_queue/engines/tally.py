"""Counts a model's answers, each once: programs tell the same answer in several events, files and copies."""

from collections.abc import Sequence

from agent_queue.core.usage import Call


class Tally:
    """Calls by their ids. One that is told again replaces what was told before; without an id it counts by itself."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}

    def add(self, call: Call, key: str = "") -> None:
        self._calls[key or f"#{len(self._calls)}"] = call

    def get(self, key: str) -> Call | None:
        return self._calls.get(key)

    def clear(self) -> None:
        self._calls.clear()

    def calls(self) -> Sequence[Call]:
        return tuple(self._calls.values())

    def __len__(self) -> int:
        return sum(call.times for call in self._calls.values())


def tokens(calls: Sequence[Call]) -> dict[str, int]:
    """The sums, under the journal's names."""
    return {
        "tokens_in": sum(call.tokens_in for call in calls),
        "tokens_cached": sum(call.tokens_cached for call in calls),
        "tokens_out": sum(call.tokens_out for call in calls),
    }
