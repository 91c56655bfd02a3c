"""Journals on disk: one JSON object a line. What does not parse is skipped and counted, never repaired in place."""

import json
from datetime import UTC, datetime

from agent_queue.core.history import ENTRY_KEYS, NEW, Entry, History, fold, sound


def line(entry: Entry, now: datetime) -> bytes:
    """One journal line. The schema is closed: another key is a defect here, not data.

    Raises:
        ValueError: a key that the journal does not know.
    """
    unknown = entry.keys() - ENTRY_KEYS
    if unknown:
        raise ValueError(f"the journal has no key {', '.join(sorted(unknown))}")
    at = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"at": at, **entry}, separators=(",", ":")).encode() + b"\n"


def entries(data: bytes) -> tuple[list[Entry], int]:
    """The entries of a journal in order, and how many lines were torn or foreign."""
    found: list[Entry] = []
    skipped = 0
    for text in data.split(b"\n"):
        if not text.strip():
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and isinstance(value.get("event"), str):
            found.append(kept := sound(value))
            skipped += kept is not value
        else:
            skipped += 1
    return found, skipped


def read(path: str) -> History:
    """Fold a journal file; a job without one is new."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return NEW
    found, skipped = entries(data)
    return fold(found, skipped=skipped)
