"""A hash of how a run failed and on what work, to know the same failure again when nothing changed in between."""

import hashlib
import re

from agent_queue.core.escapes import ESCAPES
from agent_queue.core.outcome import Failure

_ESCAPES = re.compile(ESCAPES)
_VARYING = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{7,}(?:-[0-9a-f]+)*\b|\d+(?:\.\d+)?", re.IGNORECASE)
"""Addresses, hashes, ids, numbers, times: they differ from run to run of the same failure."""


def fingerprint(kind: Failure, words: str, work: str) -> str:
    """`words` are what the failure printed last; `work` names the tree that it left, e.g. a commit."""
    told = _VARYING.sub("#", _ESCAPES.sub("", words))
    told = " ".join(told.split())
    return hashlib.sha256("\0".join((kind.value, told, work)).encode(errors="surrogateescape")).hexdigest()[:32]
