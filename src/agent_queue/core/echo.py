"""What a job still owes its item, read from its journal: so it is told once, whoever tells it and however often."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent_queue.core.history import Entry
from agent_queue.core.job import JobId, Stage
from agent_queue.core.label_map import STANDINGS, Standing

FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 300.0
LONGEST_ROLL = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One thing to tell an item. `entries` of the journal lead to it; `latest` is False for what was overtaken."""

    standing: Standing
    run: int
    seq: int
    entries: int
    latest: bool = True

    @property
    def outcome(self) -> bool:
        """True for an end, which gets a comment of its own; work in progress is a status."""
        return self.standing is not Standing.IN_PROGRESS


def news(entries: Sequence[Entry], stage: Stage) -> list[News]:
    """What the item was not told yet, oldest first: ends that came since, and how the job stands now.

    `stage` is the folder in which the job lies: a last move that does not lead there never took place.
    """
    told = -1
    moves: list[tuple[int, Entry]] = []
    for place, entry in enumerate(entries):
        match entry.get("event"):
            case "move" | "moved_by_hand":
                moves.append((place, entry))
            case "echoed":
                told = max(told, _number(entry.get("seq")))
    if moves and moves[-1][1].get("to") != stage.value:
        moves.pop()
    known = {stage.value: standing for stage, standing in STANDINGS.items()}
    last: Standing | None = None
    found: list[News] = []
    for place, entry in moves:
        standing, seq = known.get(str(entry.get("to"))), _number(entry.get("seq"))
        if standing is None:
            continue
        if seq > told and not (standing is last and standing is Standing.IN_PROGRESS):
            found.append(News(standing=standing, run=_number(entry.get("run")), seq=seq, entries=place + 1))
        last = standing
    if not found or STANDINGS[stage] is None:
        return []
    overtaken = [replace(one, latest=False) for one in found[:-1] if one.outcome]
    return [*overtaken, found[-1]]


def present(entries: Sequence[Entry], stage: Stage) -> News | None:
    """How the job stands now, told already or not; None for one in the inbox."""
    standing = STANDINGS[stage]
    if standing is None:
        return None
    last: Mapping[str, Any] = next((entry for entry in reversed(entries) if entry.get("to") == stage.value), {})
    seq, run = _number(last.get("seq")), _number(last.get("run"))
    return News(standing=standing, run=run, seq=seq, entries=len(entries))


def next_wait(tries: int, roll: float, wanted: float | None = None) -> float:
    """Seconds until a tracker is tried again: doubled each time, or what it asked for. `roll` in [0, 1)."""
    wait = min(FIRST_WAIT_S * 2.0 ** min(tries - 1, 20), LONGEST_WAIT_S)
    return max(wait * (1 + LONGEST_ROLL * roll), wanted or 0.0)


def mark(job: JobId, status: str, run: int, *, visible: bool) -> str:
    """The sign in a comment by which it is known again: hidden, or a footer where comments are not Markdown."""
    words = f"aq:{job}:{'_'.join(status.split())}:{run}"
    return f"[{words}]" if visible else f"<!-- {words} -->"


def told_already(comments: Iterable[str], sign: str) -> bool:
    return any(sign in comment for comment in comments)


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
