"""Why a job was refused before it could start: no run came of it, and so there is no run's folder to say it in."""

from collections.abc import Mapping
from typing import Any

BEFORE = 0
"""Stands where a run has its number: runs count from 1."""


def is_latest(record: Mapping[str, Any], *, kind: str, run: int, result: object) -> bool:
    """True when this record tells of the last thing that happened to a job: its last move's kind, run and result."""
    return kind == "fail" and (record.get("run"), record.get("result")) == (run, result)
