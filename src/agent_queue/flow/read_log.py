"""What a log that a person has tells: how the run ended and what it used, by the parsing that jobs go through."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, assert_never

from agent_queue.core.outcome import Broke, Done, Exit, Failure, Held, Outcome, Refused
from agent_queue.core.usage import Usage, usage_of
from agent_queue.flow.reading import Reading
from agent_queue.ports import Ending, Engine

HEAD = 1 << 18
"""So many bytes are enough to see whose log it is."""
UNKNOWN = "unknown"
_CLASSES = {
    Failure.RATE_LIMITED: "rate_limited", Failure.OVERLOADED: "overloaded", Failure.QUOTA: "quota",
    Failure.AUTH: "auth", Failure.CONTEXT: "context", Failure.NO_PERMISSION: "no_permission",
    Failure.MAX_TURNS: "max_turns", Failure.BUDGET: "budget",
}  # fmt: skip
_SIGNALS = frozenset((1, 2, 9, 15))
"""By these a run is ended from outside; by others a program dies of itself."""
_SHELL = 128
"""A shell, and some agent programs, report a signal as this and its number."""


def read_log(
    reading: Reading, log: Iterable[bytes], side_files: Iterable[tuple[str, bytes]], exit_: Exit, now: datetime
) -> dict[str, Any]:
    """Read a log to its end. `now` is local, and when the log was written: a reset is told as a time of that day."""
    for data in log:
        for _ in reading.feed(data):
            pass
    for name, data in side_files:
        reading.reader.sidecar(name, data)
    outcome = reading.ending(Ending(exit=exit_, changed=None, now=now))
    facts = reading.facts()
    return {"outcome": told(outcome, exit_), "usage": figures(facts), "resume_id": facts.get("resume_id")}


def told(outcome: Outcome, exit_: Exit) -> dict[str, Any]:
    """An outcome in plain words; the class is one of a closed list."""
    reset: str | None = None
    match outcome:
        case Done():
            kind, name, reason = "done", "ok", ""
        case Broke(kind=failure, reason=reason):
            kind, name = "broke", _CLASSES.get(failure, "crash")
            if name == "crash" and (outcome.interrupted or _signalled(exit_)):
                name = "interrupted"
        case Held(reason=reason, until=until):
            kind, name, reset = "held", "usage_limit", until.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Refused(reason=reason):
            kind, name = "refused", UNKNOWN
        case _:
            assert_never(outcome)
    return {"kind": kind, "class": name, "reason": reason, "resets_at": reset}


def figures(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The figures by name, None where nobody told them."""
    found: Usage = usage_of(facts)
    names = ("model", "tokens_in", "tokens_cached", "tokens_out", "cost_usd", "turns", "tool_calls")
    basis = found.cost_basis.value if found.cost_basis else None
    return {**{name: getattr(found, name) for name in names}, "cost_basis": basis, "provenance": found.usage.value}


def not_its_own(name: str, owners: list[str]) -> dict[str, Any]:
    """The answer for a log of another program."""
    whose = " or ".join(owners)
    reason = f"this is no output of {name} but of {whose}: name that engine"
    outcome = {"kind": "broke", "class": UNKNOWN, "reason": reason, "resets_at": None}
    return {"outcome": outcome, "usage": figures({}), "resume_id": None}


def owners(head: bytes, engines: Mapping[str, Callable[[], Engine | None]]) -> list[str]:
    """The engines that know the beginning of a log as their own program's output."""
    found: list[str] = []
    for name, load in engines.items():
        engine = load()
        reader = engine.reader() if engine is not None else None
        if reader is not None:
            for _ in reader.feed(head):
                pass
            found += [name] if reader.facts() else []
    return found


def _signalled(exit_: Exit) -> bool:
    return exit_.signal in _SIGNALS or (exit_.code is not None and exit_.code - _SHELL in _SIGNALS)
