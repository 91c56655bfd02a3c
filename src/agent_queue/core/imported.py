"""What the original tool kept of a job beside its file, lines of `key=value`, as one entry of a journal.

Nothing enters the entry but numbers, names of one word, hashes and known results: a line may hold anything.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, assert_never

from agent_queue.core.history import Entry, is_time
from agent_queue.core.job import Result, Stage
from agent_queue.core.usage import COUNTS, CostBasis, Provenance

_NAME = re.compile(r"[A-Za-z0-9][\w.:/@+#~,-]{0,199}")
_HASH = re.compile(r"[0-9a-f]{7,64}")
_FLAGS = {"true": 1, "yes": 1, "false": 0, "no": 0}
PASSED = (Result.REVIEW, Result.TESTING, Result.SHIPPED)
PASSING = (Result.RETRY, Result.RECOVERED, Result.HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the lines say: state keys of the journal, and how often a key is unknown or its value no sound one."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    result: str = ""
    pid: int | None = None
    """The agent's process, and when it began in the kernel's words, '' when nobody noted it."""
    began: str = ""
    boot: str = ""
    unknown: Mapping[str, int] = field(default_factory=dict)
    unsound: Mapping[str, int] = field(default_factory=dict)


NOTHING = Kept()


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[-+]?[0-9]{1,15}", text) else None


def _count(text: str) -> int | None:
    value = _whole(text)
    return value if value is not None and value >= 0 else None


def _amount(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _when(text: str) -> float | None:
    """Epoch seconds, of a number or of a date; a date without a zone is UTC."""
    value = _amount(text)
    if value is None:
        try:
            date = datetime.fromisoformat(text)
        except ValueError:
            return None
        value = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    return value if is_time(value) else None


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    return lambda text: text if pattern.fullmatch(text) else None


def _one_of(words: Mapping[str, Any]) -> Callable[[str], Any]:
    return lambda text: words.get(text.lower())


READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("attempts", "files_changed", "lines_added", "lines_deleted", *COUNTS), _count),
    **dict.fromkeys(("exit", "verify_exit"), _whole),
    **dict.fromkeys(("duration_s", "first_output_s", "cost_usd"), _amount),
    **dict.fromkeys(("started_at", "ended_at", "next_eligible"), _when),
    **dict.fromkeys(("engine", "profile", "model", "wip_branch", "tracker_item", "tracker_echoed"), _matching(_NAME)),
    **dict.fromkeys(("wip_base", "wip_commit"), _matching(_HASH)),
    "usage": _one_of({word.value: word.value for word in Provenance}),
    "cost_basis": _one_of({word.value: word.value for word in CostBasis}),
    "scope_warning": lambda text: _FLAGS.get(text.lower(), _count(text)),
}
"""The state keys that are kept, each with its reader. A `-` in a key is a `_`."""

NOT_FACTS = ("pid", "pidstart", "boot_id", "run", "result", "resume_id")
"""Known as well: the process is dead at an import, the run is 1, the result depends on where the job lay, and a
conversation is bound to the folder that it was held in.
"""


def kept(text: str) -> Kept:
    """Fold the lines: the last value of a key counts, and one that is empty takes it back."""
    last: dict[str, str] = {}
    unknown, unsound = Counter[str](), Counter[str]()
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        key = name.strip().replace("-", "_")
        if key in READERS or key in NOT_FACTS:
            last[key] = value.strip()
        elif line.strip():
            unknown[key if equals and _NAME.fullmatch(key) else "(no key)"] += 1
    facts = {key: READERS[key](value) for key, value in last.items() if value and key in READERS}
    unsound.update(key for key, value in facts.items() if value is None)
    return Kept(
        facts={key: value for key, value in facts.items() if value is not None}, result=last.get("result", ""),
        pid=_count(last.get("pid", "")), began=last.get("pidstart", ""), boot=last.get("boot_id", ""),
        unknown=dict(unknown), unsound=dict(unsound),
    )  # fmt: skip


def goes_to(lay: Stage) -> Stage:
    """Where a job is put that lay there: nobody works on it any more, so what was in work waits again."""
    return Stage.INBOX if lay is Stage.BUILDING else lay


def entry(said: Kept, lay: Stage, *, engine: str | None, logs: bool, source: str) -> Entry:
    """The journal's line for a job that lay in this stage. `engine` is the one that its file names, for a run of which
    nobody noted it; `source` the hash of what it was called.
    """
    facts = dict(said.facts)
    if lay is Stage.BUILDING:
        facts["attempts"] = facts.get("attempts", 0) + 1
    ran = lay is not Stage.INBOX or logs or bool(facts.get("attempts")) or "started_at" in facts
    if ran and engine:
        facts.setdefault("engine", engine)
    result = _result(said.result, lay)
    told = {} if result is None else {"result": result.value}
    skipped = sum(said.unknown.values()) + sum(said.unsound.values())
    return {
        "event": "imported", "stage": goes_to(lay).value, "run": int(ran), **facts, **told, "skipped": skipped,
        "source_sha256": source,
    }  # fmt: skip


def _result(said: str, lay: Stage) -> Result | None:
    found = Result.CRASH if said == "failed" else Result(said) if said in _RESULTS else None
    match lay:
        case Stage.BUILDING:
            return Result.RECOVERED
        case Stage.REVIEW:
            return Result.REVIEW
        case Stage.TESTING:
            return Result.TESTING
        case Stage.SHIPPED:
            return Result.SHIPPED
        case Stage.FAILED if found in PASSED:
            return Result.REJECTED
        case Stage.FAILED:
            return Result.CRASH if found is None or found in PASSING else found
        case Stage.INBOX:
            return found
        case _:
            assert_never(lay)


_RESULTS = frozenset(Result)
