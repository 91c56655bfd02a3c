"""Reads what one run printed and wrote, and tells what it used: as often as asked, also while it still runs."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent_queue.core.outcome import Outcome
from agent_queue.core.usage import TOKENS, Call, CostBasis, Provenance
from agent_queue.core.usage_line import UsageLines, with_line
from agent_queue.ports import Ending, Engine, Event, Prices, Reader

SESSION = "{session}"
"""Stands in a glob of side files for the conversation's name, which some programs tell only on their output."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
"""What may stand there: nothing that would lead to another folder."""
_LARGE_CONTEXT = re.compile(r"\[\w+\]$")

SideFiles = Callable[[str], list[tuple[str, bytes]]]


class Reading:
    """One run's output, fed from its first byte, and its side files.

    `model` is the one that was asked for: it stands for the one that a program does not name.
    """

    def __init__(self, engine: Engine, prices: Prices, model: str | None = None) -> None:
        self.reader: Reader = engine.reader()
        self._lines = UsageLines()
        self._prices = prices
        self._asked = model

    def feed(self, data: bytes) -> Iterable[Event]:
        self._lines.feed(data)
        return self.reader.feed(data)

    def side_files(self, patterns: Iterable[str], look: SideFiles) -> None:
        """Read what matches. To be called when all output so far was fed, and again when there may be more of it."""
        sessions = [name for name in self.reader.sessions() if _NAME.fullmatch(name)]
        for pattern in patterns:
            places = [pattern.replace(SESSION, name) for name in sessions] if SESSION in pattern else [pattern]
            for name, data in (found for place in places for found in look(place)):
                self.reader.sidecar(name, data)

    def ending(self, ending: Ending) -> Outcome:
        return self.reader.ending(ending)

    def facts(self) -> dict[str, Any]:
        """State keys. `usage` always says how sure the tokens are; what nobody told is left out."""
        own = dict(self.reader.facts())
        found = with_line(own, self._lines.facts())
        model = found.get("model", self._asked)
        if model is not None:
            found["model"] = _LARGE_CONTEXT.sub("", model)
        counted = any(key in found for key in TOKENS)
        found["usage"] = found.get("usage", Provenance.ESTIMATED.value) if counted else Provenance.UNKNOWN.value
        basis = found.pop("cost_basis", None)
        if "cost_usd" in found:
            found["cost_basis"] = basis or CostBasis.REPORTED.value
        elif found["usage"] != Provenance.UNKNOWN:
            calls = self.reader.calls() if any(key in own for key in TOKENS) else [_as_one_call(found)]
            usd = self._price(calls, found)
            known = (
                {"cost_usd": round(usd, 9), "cost_basis": basis or CostBasis.COMPUTED.value} if usd is not None else {}
            )
            found |= known
        return found

    def _price(self, calls: Sequence[Call], found: Mapping[str, Any]) -> float | None:
        """By list prices, each call by itself; None when not every token belongs to a call whose price is known."""
        model = found.get("model", "")
        if sum(call.tokens_in for call in calls) != found.get("tokens_in", 0):
            return None
        return self._prices([replace(call, model=_LARGE_CONTEXT.sub("", call.model or model)) for call in calls])


def _as_one_call(found: Mapping[str, Any]) -> Call:
    """What a usage line told: a sum over its turns, if it names them."""
    names = {name: found[name] for name in TOKENS if name in found}
    return Call(model="", times=max(found.get("turns", 1), 1), **{"tokens_in": 0, **names})
