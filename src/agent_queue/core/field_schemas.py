"""The kinds of value a manifest key can have, as JSON Schema: whatever `core.fields` reads is allowed there too."""

from collections.abc import Sequence
from typing import Any

Schema = dict[str, Any]

_TIME = r"[0-9]+(\.[0-9]+)?\s*[smhd]"
_NUL: Schema = {"type": "string", "pattern": r"\u0000"}
_NEED = r"!?[A-Za-z][A-Za-z0-9_.-]*(:[^\s,]+|(!=|<=|>=|=|<|>)v?[0-9][^\s,]*)?"

_TEXT = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"

TEXT: Schema = {"type": ["string", "number", "boolean"], "pattern": _TEXT}
"""What looks like a number is a text all the same: `tracker-item: 42`, `verify: true`."""
_FLAG = "|".join("".join(f"[{c}{c.upper()}]" for c in word) for word in ("true", "false", "yes", "no", "on", "off"))
FLAG: Schema = {"type": ["boolean", "string"], "pattern": f"^({_FLAG})$"}
PATH: Schema = {**TEXT}
TEXTS: Schema = {"oneOf": [TEXT, {"type": "array", "items": TEXT}]}
WORDS: Schema = {"oneOf": [{**TEXT, "pattern": r"[^\s,]", "not": _NUL}, {"type": "array", "items": TEXT}]}
_GLOB: Schema = {**TEXT, "not": {"type": "string", "pattern": r"^[/:~]|(^|/)\.\.(/|$)"}}
GLOBS: Schema = {"oneOf": [_GLOB, {"type": "array", "items": _GLOB}]}
_COUNT: Schema = {
    "oneOf": [
        {"type": "number", "minimum": 1, "exclusiveMaximum": 10**15},
        {"type": "string", "pattern": r"^(?=.*[1-9])[0-9]{1,15}(\.[0-9]{1,15})?\s*[kKmM]?$"},
    ]
}
"""What the reader takes, but for the size of what a unit makes of it."""
DURATION: Schema = {"type": "string", "pattern": rf"^\s*{_TIME}\s*$"}
LIMIT: Schema = {"type": "string", "pattern": rf"^\s*(?![0.]+\s*[smhd]\s*$){_TIME}\s*$"}
CAPABILITIES: Schema = {
    "oneOf": [
        {"type": "string", "pattern": rf"^[,\s]*{_NEED}([,\s]+{_NEED})*[,\s]*$"},
        {"type": "array", "items": {"type": "string", "pattern": rf"^\s*{_NEED}\s*$"}},
    ]
}
BUDGET: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "usd": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 10**9},
        "tokens": _COUNT,
        "turns": _COUNT,
        "wall": LIMIT,
        "strict": FLAG,
    },
}
REVIEW_POLICY: Schema = {
    "oneOf": [
        {"enum": ["manual", "auto"]},
        {"type": "object", "additionalProperties": False, "properties": {"reviewers": WORDS}},
    ]
}


def or_nothing(schema: Schema) -> Schema:
    """The same, or null: `key:` with nothing after it says nothing. A choice stays the list of its words."""
    if "oneOf" in schema:
        return {**schema, "oneOf": [*schema["oneOf"], {"type": "null"}]}
    if "enum" in schema:
        return schema
    return {**schema, "type": [*([said] if isinstance(said := schema["type"], str) else said), "null"]}


def choice(words: Sequence[str]) -> Schema:
    return {"enum": list(words)}


def retry(failures: Sequence[str]) -> Schema:
    """`failures` is what `on` may name."""
    names = choice(failures)
    keys = {
        "max": {"type": "integer", "minimum": 0, "maximum": 1000},
        "backoff": {"oneOf": [DURATION, {"const": "exp"}]},
        "on": {"oneOf": [names, {"type": "array", "items": names}]},
        "stop_on_repeat": FLAG,
    }
    mapping = {"type": "object", "additionalProperties": False, "required": ["max"], "properties": keys}
    return {"oneOf": [{"const": "none"}, mapping]}
