"""What an item means for a job: its labels and fields as frontmatter, a job's stage as an item's status. Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from agent_queue.core import capabilities
from agent_queue.core.frontmatter import Node, NodeError
from agent_queue.core.item import Item, shown
from agent_queue.core.job import Stage
from agent_queue.core.manifest import KEYS, Manifest

LABEL_KEYS: Mapping[str, tuple[str, str]] = {
    "engine-class": ("engine-class", "`engine-class:agentic-coder`"),
    "profile": ("profile", "`profile:qa`"),
    "priority": ("priority", "`priority:high`"),
    "cap": ("capabilities", "`cap:os:linux`, `cap:node>=20`; several add up"),
    "kind": ("kind", "`kind:bug`; recorded"),
}
"""The first part of a label -> the key that it sets, and an example."""
SEPARATORS = (":", "/", "::")

_LABEL = re.compile(r"\s*([A-Za-z][A-Za-z-]*)(?:::|:|/)\s*(\S.*?)\s*", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PLAIN = re.compile(r"(?!(?:null|true|false)$)[A-Za-z](?:[\w./#>=-]|:(?=[\w/]))*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """Values by manifest key, typed, and what was passed over, for people."""

    values: dict[str, Any] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()


def mapped(item: Item, legal: Mapping[str, Collection[str]]) -> Mapped:
    """The keys that an item's labels, its priority and its type set. A label that cannot be used is passed over.

    `legal` are the names that there are, for keys that name something.
    """
    values: dict[str, Any] = {}
    ignored: list[str] = list(item.odd)
    for label in item.labels:
        found = _LABEL.fullmatch(label)
        name = found[1].casefold() if found else ""
        if found is None or name not in LABEL_KEYS:
            if name in KEYS:
                ignored.append(f"label {shown(label)}: a label cannot set {name}; [tracker.defaults] can")
            continue
        key = LABEL_KEYS[name][0]
        value = _value(key, found[2])
        if value is None or value not in legal.get(key, (value,)):
            ignored.append(f"label {shown(label)}: no legal {name}")
        elif key == "capabilities":
            values[key] = tuple(dict.fromkeys((*values.get(key, ()), *value)))
        elif key in values and values[key] != value:
            ignored.append(f"label {shown(label)}: another label sets {name}")
        else:
            values[key] = value
    for key, said in (("priority", item.priority), ("kind", item.kind)):
        if said and key not in values:
            value = _value(key, said.casefold() if key == "priority" else said)
            if value is None:
                ignored.append(f"its {key} is {shown(said)}, which is none")
            else:
                values[key] = value
    return Mapped(values=values, ignored=tuple(ignored))


def _value(key: str, text: str) -> Any:
    """A value of the key's kind; None when it is not legal. A name stays a name: no path, no line end."""
    if key == "capabilities":
        return (text,) if text.isprintable() and capabilities.parse(text) is not None else None
    if key != "priority":
        return text if _NAME.fullmatch(text) and ".." not in text else None
    try:
        return KEYS[key].kind.parse(Node(text, 1, 1, text.casefold()))
    except NodeError:
        return None


def frontmatter(item: Item, found: Mapped, defaults: Manifest, of_type: Manifest) -> dict[str, Any]:
    """Every key of the job's file, in the order of its lines: labels before the item's type before `defaults`.

    `yolo` is false unless configuration of the tracker says otherwise: who wrote the text is not who runs the queue.
    """
    configured = of_type.under(defaults)
    values = {key: getattr(configured, KEYS[key].attribute) for key in configured.origins}
    return {
        "tracker-item": item.id, "idempotency-key": key_of(item.id), **values, **found.values,
        "yolo": values.get("yolo", False),
    }  # fmt: skip


def job_text(values: Mapping[str, Any], body: str) -> str:
    """A job file with these keys, written the way a person would: quotes only where YAML wants them."""
    lines = "".join(f"{key}: {_written(key, value)}\n" for key, value in values.items())
    return f"---\n{lines}---\n{body}"


def _written(key: str, value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return str(value)
    if isinstance(value, tuple) and value and all(isinstance(one, str) and _PLAIN.fullmatch(one) for one in value):
        return f"[{', '.join(value)}]"
    return KEYS[key].kind.show(value)


def key_of(item: str) -> str:
    """The idempotency key of an item's job."""
    return f"tracker-{item}"


def body(item: Item) -> str:
    """The job's body: title and text."""
    title = " ".join(item.title.split()) or item.id
    text = item.text if not item.text or item.text.endswith("\n") else f"{item.text}\n"
    return f"# {title}\n" + (f"\n{text}" if text.strip() else "")


class Standing(StrEnum):
    """How a job stands, as far as its item is told."""

    IN_PROGRESS = "in_progress"
    DONE = "done"
    FAILED = "failed"


STANDINGS: Mapping[Stage, Standing | None] = {
    Stage.INBOX: None,
    Stage.BUILDING: Standing.IN_PROGRESS,
    Stage.REVIEW: Standing.IN_PROGRESS,
    Stage.TESTING: Standing.IN_PROGRESS,
    Stage.SHIPPED: Standing.DONE,
    Stage.FAILED: Standing.FAILED,
}
"""The job's stage -> what its item is told; None for nothing."""
