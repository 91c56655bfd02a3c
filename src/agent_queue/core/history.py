"""A job's past: a fold of its journal. State is never stored anywhere else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from agent_queue.core.job import Stage

Entry = dict[str, Any]

STATE_KEYS = (
    "run", "attempts", "recoveries", "started_at", "ended_at", "pid", "pidstart", "boot_id", "next_eligible", "result",
    "exit", "duration_s", "engine", "profile", "resume_id", "wip_branch", "wip_base", "wip_commit", "files_changed",
    "lines_added", "lines_deleted", "model", "tokens_in", "tokens_cached", "tokens_out", "cost_usd", "turns",
    "tool_calls", "usage", "cost_basis", "first_output_s", "verify_exit", "scope_warning", "tracker_item",
    "tracker_echoed", "fingerprint",
)  # fmt: skip
TEXTS = frozenset((
    "pidstart", "boot_id", "result", "engine", "profile", "resume_id", "wip_branch", "wip_base", "wip_commit", "model",
    "usage", "cost_basis", "tracker_item", "tracker_echoed", "fingerprint",
))  # fmt: skip
"""The state keys whose values are words; those of all others are numbers, and only an exit code may be below 0."""
_TIMES = ("started_at", "ended_at", "next_eligible")
_MAY_GO = frozenset(STATE_KEYS) - {"run", "attempts", "recoveries", *_TIMES}
"""None in an entry takes their value back; the others stay what they were."""
_SIGNED = ("exit", "verify_exit")
_WORDS = ("at", "move", "failure", "stop", "lane", "why", "branch", "commit")

ENTRY_KEYS = frozenset(
    (
        "at", "event", "seq", "from", "to", "move", "failure", "why", "fresh", "lane", "until", "stage", "verify",
        "stop", "stragglers", "wip", "branch", "commit", "workspace", "body_sha256", "skipped", "held_since",
        "source_sha256", "left_out", "not_saved", "nested", "filters_off", "verify_changed", "refs_put_back",
        "wip_lost", "ignored", "rescued", "altered", "named", "settings_put_back",
        *STATE_KEYS,
    )
)  # fmt: skip
"""The journal's schema is closed: an entry with another key is a defect, so that no text of a prompt can slip in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the journal says. `stage` is where the last move led, None for a job never moved."""

    seq: int = 0
    kind: str = ""
    """What the last move was: `lifecycle.Kind` as text."""
    stage: Stage | None = None
    origin: Stage | None = None
    unfinished: bool = False
    """The last move has no `moved` after it: it is finished only while the file still lies at `origin`."""
    run: int = 0
    attempts: int = 0
    recoveries: int = 0
    next_eligible: float = 0.0
    lane: str = ""
    """The lane that it is held by; '' when its last move was no hold, or none of a lane."""
    held_since: float = 0.0
    """Epoch seconds of the first of its latest holds in a row without a known reset; 0 for none."""
    life: int = 1
    """One more for every time that a person put it back after it had shipped."""
    fresh: bool = False
    """The next run begins again at base, not on what the branch holds."""
    skipped: int = 0
    """Lines that are torn or foreign, in whole or in part: what is no value of ours is passed over, and counted."""
    state: Mapping[str, Any] = field(default_factory=dict)

    @property
    def eligible(self) -> float:
        """Epoch seconds before which it does not start; 0 when that is its lane's to say."""
        return 0.0 if self.lane else self.next_eligible

    @property
    def why_no_branch(self) -> str:
        """What a job without a branch of its own did not do, or did elsewhere."""
        if self.run:
            return "worked outside of git" if "started_at" in self.state else "was refused before its agent started"
        return "has not run yet" if self.stage in (None, Stage.INBOX) else "never ran"


NEW = History()


YEAR_10000 = 253402300800.0
"""In epoch seconds: no date can be told from here on."""
_MOST = 10**15
"""No count or amount of ours comes near."""


def is_time(value: object) -> TypeGuard[float]:
    """True for epoch seconds of which a date can be told. A foreign line may say anything."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < YEAR_10000


def fold(entries: Iterable[Entry], *, skipped: int = 0) -> History:
    """Add up a journal, last value wins. Entries of unknown kinds contribute their state keys all the same."""
    state: Entry = {}
    seq, kind, unfinished, fresh, life = 0, "", False, False, 1
    lane, held_since = "", 0.0
    stage: Stage | None = None
    origin: Stage | None = None
    for entry in entries:
        event = entry.get("event")
        skipped += not _taken(entry, state)
        fresh = bool(entry.get("fresh", fresh))
        if event in ("move", "moved_by_hand"):
            target, start = _stage(entry.get("to")), _stage(entry.get("from"))
            if target is None or start is None:
                skipped += 1
                continue
            seq, stage, origin, unfinished = _count(entry, "seq"), target, start, event == "move"
            kind = str(entry.get("move", ""))
            life += kind == "reborn"
            lane = str(entry.get("lane") or "")
            held_since = held_since if kind in _UNSETTLED else _epoch(entry.get("held_since"))
        elif event == "moved" and entry.get("seq") == seq:
            unfinished = False
        elif event == "imported":
            stage = _stage(entry.get("stage"))
    return History(
        seq=seq, kind=kind, stage=stage, origin=origin, unfinished=unfinished, life=life, fresh=fresh,
        skipped=skipped, state=state, lane=lane, held_since=held_since,
        run=_count(state, "run"), attempts=_count(state, "attempts"), recoveries=_count(state, "recoveries"),
        next_eligible=_epoch(state.get("next_eligible")),
    )  # fmt: skip


def _taken(entry: Entry, state: Entry) -> bool:
    """Take an entry's values over; False when something in it is no value of ours, and passed over."""
    told = sound(entry)
    found = {key: told[key] for key in STATE_KEYS if key in told and (told[key] is not None or key in _MAY_GO)}
    if "run" in found:
        found["run"] = max(found["run"], state.get("run", 0))  # it names folders: never down, whatever a line says
    state.update(found)
    return told is entry


def sound(entry: Entry) -> Entry:
    """The entry without values that are not of their key's kind: a foreign line may say anything."""
    wrong = {key for key, value in entry.items() if (key in _STATE and not _is_sound(key, value))
             or (key in _WORDS and not isinstance(value, str | None))}  # fmt: skip
    return {key: value for key, value in entry.items() if key not in wrong} if wrong else entry


def _is_sound(key: str, value: object) -> bool:
    """Whether a key may have this value; None takes one back."""
    if value is None:
        return True
    if key in TEXTS:
        return isinstance(value, str) and value.isprintable()
    if isinstance(value, bool) or not isinstance(value, int if key not in _FRACTIONS else int | float):
        return False
    least, most = -_MOST if key in _SIGNED else 0, YEAR_10000 if key in _TIMES else _MOST
    return least <= value < most


def _stage(name: object) -> Stage | None:
    return Stage(name) if isinstance(name, str) and name in _STAGES else None


def _count(values: Mapping[str, Any], key: str) -> int:
    value = values.get(key, 0)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _epoch(value: object) -> float:
    return float(value) if is_time(value) else 0.0


_STAGES = frozenset(Stage)
_STATE = frozenset(STATE_KEYS)
_FRACTIONS = (*_TIMES, "duration_s", "first_output_s", "cost_usd")
_UNSETTLED = ("begin", "recover")
"""Moves that do not tell whether what a job was held for is over."""
