"""The kinds of value a manifest key can have, as JSON Schema: whatever `core.fields` reads is allowed there too."""

from collections.abc import Sequence
from typing import Any

Schema = dict[str, Any]

_TIME = r"[0-9]+(\.[0-9]+)?\s*[smhd]"
_NEED = r"!?[A-Za-z][A-Za-z0-9_.-]*(:[^\s,]+|(!=|<=|>=|=|<|>)v?[0-9][^\s,]*)?"

TEXT: Schema = {"type": ["string", "number", "boolean"], "minLength": 1}
"""What looks like a number is a text all the same: `tracker-item: 42`, `verify: true`."""
FLAG: Schema = {"type": ["boolean", "string"], "enum": [True, False, "yes", "no", "on", "off"]}
PATH: Schema = {"type": ["string", "number", "boolean", "null"]}
"""`cwd: ~` is a home for us, and null for YAML."""
TEXTS: Schema = {"oneOf": [TEXT, {"type": "array", "items": TEXT}]}
DURATION: Schema = {"type": "string", "pattern": rf"^{_TIME}$"}
LIMIT: Schema = {"type": "string", "pattern": rf"^(?![0.]+\s*[smhd]$){_TIME}$"}
CAPABILITIES: Schema = {
    "oneOf": [
        {"type": "string", "pattern": rf"^{_NEED}([,\s]+{_NEED})*[,\s]*$"},
        {"type": "array", "items": {"type": "string", "pattern": rf"^{_NEED}$"}},
    ]
}
BUDGET: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "usd": {"type": "number", "exclusiveMinimum": 0},
        "tokens": {"type": ["number", "string"]},
        "turns": {"type": ["number", "string"]},
        "wall": LIMIT,
        "strict": FLAG,
    },
}
REVIEW_POLICY: Schema = {
    "oneOf": [
        {"enum": ["manual", "auto"]},
        {"type": "object", "additionalProperties": False, "properties": {"reviewers": TEXTS}},
    ]
}


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
