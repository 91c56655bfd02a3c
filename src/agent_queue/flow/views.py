"""What doors show: the queue as plain values, the same for every door. Nothing here changes anything."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agent_queue.core.job import Stage
from agent_queue.core.schedule import Room, Waiting, why

if TYPE_CHECKING:
    from agent_queue.core.board import Board, Row, Work
    from agent_queue.core.owed import Owed

SCHEMA_VERSION = 1
INSIGHTS = (
    "duration_s", "tokens_in", "tokens_cached", "tokens_out", "cost_usd", "usage", "cost_usage", "files_changed",
    "lines_added", "lines_deleted",
)  # fmt: skip
UNSUPERVISED = "no supervisor runs"


def status(
    board: "Board", *, root: str, supervisor: Mapping[str, Any] | None, lanes: Mapping[str, str], now: datetime,
    unmet: Callable[[str, bool], str | None], until: Mapping[str, float],
    profiles: Mapping[str, str], outbox: "Sequence[Owed]" = (),
) -> dict[str, Any]:  # fmt: skip
    """The whole queue. `lanes` maps an engine that takes no jobs to the reason, `until` to when that ends, in epoch
    seconds, where aq itself parked it; `profiles` are those whose jobs do not start, with the reason. `unmet` says why
    a dependency waits. `outbox` are the jobs whose tracker items wait for news.

    Jobs in work have further keys: `doing` in words, `silent_s` since the last output, and `stalled`; those with a
    budget also `budget`, how much of each limit is used; failed ones have `reason`, in words.
    """
    working = [row for row in board["rows"] if _in_work(row, supervised=supervisor is not None)]
    known: dict[tuple[str, bool], str | None] = {}
    room = Room(
        slots=1, closed=lanes, until=until, profiles=profiles, held={lock for row in working for lock in row["locks"]},
        unmet=lambda *asked: known[asked] if asked in known else known.setdefault(asked, unmet(*asked)),
    )  # fmt: skip
    free = supervisor is not None and supervisor["slots"] > len(working)
    otherwise = UNSUPERVISED if supervisor is None else "its turn" if free else "a free slot"
    return {
        "schema_version": SCHEMA_VERSION,
        "root": root,
        "counts": {stage.value: board["counts"].get(stage, 0) for stage in Stage},
        "supervisor": None if supervisor is None else {
            "pid": supervisor["shim"], "slots": supervisor["slots"], "running": len(working),
        },
        "lanes": [{"engine": engine, "parked_until": until.get(engine), "reason": reason}
                  for engine, reason in lanes.items()],
        "jobs": [_job(row, _reasons(row, room, otherwise, now), supervisor is not None, now.timestamp())
                 for row in _in_order(board)],
        "outbox": [{"job": owed.job, "item": owed.item, "tries": owed.tries, "next_try": owed.next_try or None,
                    "problem": owed.problem or None, "age_s": round(max(now.timestamp() - owed.since, 0.0), 1)}
                   for owed in outbox],
    }  # fmt: skip


def _in_work(row: "Row", *, supervised: bool) -> bool:
    """Whether it takes up a slot and its locks: with nobody to go on with it, only while its process lives."""
    mine = row["stage"] is Stage.BUILDING or row["pending"]
    return mine and (supervised or (row["work"] is not None and row["work"]["alive"]))


def _in_order(board: "Board") -> "list[Row]":
    """By stage; the waiting in their order of service, finished ones latest first."""
    order = {stage: number for number, stage in enumerate(Stage)}
    return sorted(board["rows"], key=lambda row: (order[row["stage"]], *_turn(row)))


def _turn(row: "Row") -> tuple[int, int, str]:
    if row["stage"] is Stage.INBOX:
        return row["rank"], row["written_ns"], row["id"]
    return 0, -row["came_ns"], row["id"]


def _job(row: "Row", waiting_for: list[str], supervised: bool, now: float) -> dict[str, Any]:
    state, work = row["state"], row["work"]
    began = work["started_at"] if work and row["stage"] is Stage.BUILDING else None
    job = {
        "id": row["id"], "stage": row["stage"].value, "title": row["title"],
        "engine": _engine(row), "profile": row["profile"] or None, "priority": row["priority"] or None,
        "run": row["run"], "attempts": row["attempts"], "result": state.get("result"),
        "age_s": round(max(now - (began or row["came_ns"] / 1e9), 0.0), 1), "invalid": row["invalid"] or None,
        "waiting_for": waiting_for, "next_eligible": row["next_eligible"] or None,
        "tracker_item": row["tracker_item"] or None, "tracker_echoed": state.get("tracker_echoed"),
        "insights": _insights(row),
    }  # fmt: skip
    if row["stage"] is Stage.FAILED:
        job["reason"] = row["reason"] or None
    if row["stage"] is Stage.BUILDING or row["pending"]:
        job |= doing(row["stage"], work, supervised=supervised, now=now)
    return job


def _insights(row: "Row") -> dict[str, Any]:
    """What all runs took; of a run under way, what it took so far."""
    told = {key: row["figures"].get(key) for key in INSIGHTS}
    live = row["work"]["live"] if row["work"] and row["stage"] is Stage.BUILDING else {}
    if live:
        from agent_queue.core.insights import with_live

        told |= with_live(told, live)
    return told


def _engine(row: "Row") -> str | None:
    """The engine of the job's last run, else the one that it asks for."""
    return (row["state"].get("engine") if row["run"] else None) or row["engine"] or row["engine_class"] or None


def doing(stage: Stage, work: "Work | None", *, supervised: bool, now: float) -> dict[str, Any]:
    """What happens to a job in work, in words, and for how long it has been silent. `now` is in epoch seconds."""
    silent_s: float | None = None
    if work is not None and work["alive"] and not work["recorded"]:
        last = work["written_at"] or work["started_at"]
        silent_s = round(max(now - last, 0.0), 1) if last else None
        words = "stopping" if work["stopping"] else "verifying" if stage is Stage.REVIEW else "running"
    elif work is not None and work["recorded"]:
        words = "ending" if supervised else "ended, waiting for aq run"
    elif supervised:
        words = "verifying" if stage is Stage.REVIEW else "starting"
    else:
        words = "to be verified, waiting for aq run" if stage is Stage.REVIEW else "crashed, waiting for aq run"
    limit = work["quiet_s"] if work else None
    life_at = work["life_at"] if work else None
    still_s = silent_s if silent_s is None or life_at is None else min(silent_s, max(now - life_at, 0.0))
    told = {"doing": words, "silent_s": silent_s, "stalled": bool(limit and still_s and still_s > limit)}
    budget = work["live"].get("budget") if work else None
    return {**told, "budget": budget} if budget else told


def _reasons(row: "Row", room: Room, otherwise: str, now: datetime) -> list[str]:
    if row["stage"] is not Stage.INBOX or row["invalid"]:
        return []
    waiting = Waiting(
        rank=row["rank"], age=row["written_ns"], id=row["id"], engines=tuple(row["engines"]),
        locks=tuple(row["locks"]), deps=tuple(row["deps"]), soft=row["soft"],
        next_eligible=0.0 if row["lane"] else row["next_eligible"], fallback=tuple(row["fallback"]),
        profile=row["profile"],
    )  # fmt: skip
    reason = why(waiting, room, now.timestamp()) or otherwise
    return [f"{reason}: {row['reason'].splitlines()[0]}" if row["reason"] else reason]
