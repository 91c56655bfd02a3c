"""The line by which any wrapper, script or stub may tell what a run used.

`AQ_USAGE {json}` or `AQ_USAGE key=value ...` stands at the start of a line; the last one that says anything holds.
Keys are the journal's: tokens_in, tokens_cached, tokens_out, cost_usd, turns, tool_calls, model. It is an estimate
unless it says `exact`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from agent_queue.core.escapes import CONTROL_SEQUENCE
from agent_queue.core.usage import COUNTS, LARGEST, TOKENS, CostBasis, Provenance

MARK = b"AQ_USAGE"
LONGEST = 8 * 1024
"""A longer line is none of ours, so that a log without line ends takes no memory."""
_LINE = re.compile(rf"^(?:{CONTROL_SEQUENCE})*AQ_USAGE[ \t]+([^\n]{{1,{LONGEST}}})".encode(), re.MULTILINE)
_ESCAPES = re.compile(CONTROL_SEQUENCE)
_PAIR = re.compile(r'(\w+)=(?:"([^"]*)"|(\S+))')
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,15})?")
_MODEL = re.compile(r"[A-Za-z0-9][\w.:/@+-]{0,199}", re.ASCII)
_IN_THE_MIDDLE = b"."


class UsageLines:
    """Finds the lines in an output that comes in pieces, from its first byte on."""

    def __init__(self) -> None:
        self._open = b""
        self._found: dict[str, Any] = {}

    def feed(self, data: bytes) -> None:
        whole = self._open + data
        end = whole.rfind(b"\n") + 1
        if whole.find(MARK, 0, end) >= 0:
            for told in _told(whole[:end]):
                self._found = told
        rest = whole[end:]
        self._open = rest if len(rest) <= LONGEST else _IN_THE_MIDDLE

    def facts(self) -> dict[str, Any]:
        """What the last line said, as state keys; `usage` only when it told tokens. The last line need not end."""
        found = self._found
        for told in _told(self._open):
            found = told
        return dict(found)


def with_line(own: Mapping[str, Any], line: Mapping[str, Any]) -> dict[str, Any]:
    """An engine's own figures, and what a line adds to them. Tokens are taken from one of the two, never mixed."""
    counted = any(key in own for key in TOKENS)
    added = {key: value for key, value in line.items() if not counted or key not in (*TOKENS, "usage")}
    if "cost_usd" in own:
        added.pop("cost_basis", None)
    return {**added, **own}


def _told(data: bytes) -> Iterator[dict[str, Any]]:
    for match in _LINE.finditer(data):
        found = _checked(_pairs(_ESCAPES.sub("", match[1].decode("utf-8", "replace")).strip()))
        if found:
            yield found


def _pairs(text: str) -> Mapping[str, Any]:
    if text.startswith("{"):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}
    pairs: dict[str, Any] = {match[1]: match[2] or match[3] for match in _PAIR.finditer(text)}
    return {**pairs, **({"usage": "exact"} if "exact" in text.split() else {})}


def _checked(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """The pairs that are sound; a bad one is passed over alone."""
    counts = {key: value for key in COUNTS if (value := _number(pairs.get(key))) is not None and value == int(value)}
    found: dict[str, Any] = {key: int(value) for key, value in counts.items()}
    if found.get("tokens_cached", 0) > found.get("tokens_in", 0):
        del found["tokens_cached"]  # it is a part of the input
    cost, model = _number(pairs.get("cost_usd")), pairs.get("model")
    if cost is not None:
        found |= {"cost_usd": round(cost, 9), "cost_basis": CostBasis.REPORTED.value}
    if isinstance(model, str) and _MODEL.fullmatch(model):
        found["model"] = model
    if any(key in found for key in TOKENS):
        sure = Provenance.EXACT.value in (pairs.get("usage"), pairs.get("provenance")) or pairs.get("exact") is True
        found["usage"] = (Provenance.EXACT if sure else Provenance.ESTIMATED).value
    return found


def _number(value: object) -> float | None:
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    ok = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LARGEST
    return float(value) if ok else None  # type: ignore[arg-type]  # `ok` says that it is a number
