"""What doors show: the queue as plain values, the same for every door. Nothing here changes anything."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from agent_queue.core.history import Entry, History
from agent_queue.core.job import JobId, Stage
from agent_queue.core.schedule import Room, Waiting, why
from agent_queue.ports import Board, Row

SCHEMA_VERSION = 1
INSIGHTS = (
    "duration_s", "tokens_in", "tokens_cached", "tokens_out", "cost_usd", "usage", "files_changed", "lines_added",
    "lines_deleted",
)  # fmt: skip
RANKS = {"critical": 0, "high": 1, "medium": 2, "low": 3}
NEEDS_A_PERSON = (Stage.REVIEW, Stage.TESTING, Stage.FAILED)


def status(
    board: Board, *, root: str, supervisor: Mapping[str, Any] | None, lanes: Mapping[str, str], now: datetime,
    live: Mapping[JobId, Mapping[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    """The whole queue. `live` adds to running jobs what their run folders tell: `silent_s`, `ended`, `verifying`."""
    running = [row for row in board.rows if row.stage is Stage.BUILDING or "verifying" in live.get(row.id, {})]
    room = Room(
        slots=1, closed=lanes, held={lock for row in running for lock in row.glimpse.locks},
        unmet=lambda key: None if _shipped(board.rows, key) else "not shipped yet",
    )  # fmt: skip
    return {
        "schema_version": SCHEMA_VERSION,
        "root": root,
        "counts": {stage.value: board.counts.get(stage, 0) for stage in Stage},
        "supervisor": None if supervisor is None else {
            "pid": supervisor["shim"], "slots": supervisor["slots"], "running": len(running),
        },
        "lanes": [{"engine": engine, "parked_until": None, "reason": reason} for engine, reason in lanes.items()],
        "jobs": [_job(row, room, now, live.get(row.id, {})) for row in board.rows],
    }  # fmt: skip


def _job(row: Row, room: Room, now: datetime, live: Mapping[str, Any]) -> dict[str, Any]:
    state, seen = row.past.state, row.glimpse
    started = state.get("started_at")
    age = now.timestamp() - (started if started and row.stage is Stage.BUILDING else row.age / 1e9)
    return {
        "id": row.id, "stage": row.stage.value, "title": seen.title, "engine": seen.engine or None,
        "profile": seen.profile or None, "priority": seen.priority or None, "run": row.past.run,
        "attempts": row.past.attempts, "result": state.get("result"), "age_s": round(max(age, 0.0), 1),
        "invalid": seen.invalid or None, "waiting_for": _reasons(row, room, now),
        "next_eligible": row.past.next_eligible or None,
        "tracker_item": seen.tracker_item or None, "tracker_echoed": state.get("tracker_echoed"),
        "insights": {key: state.get(key) for key in INSIGHTS},
        **live,
    }  # fmt: skip


def _reasons(row: Row, room: Room, now: datetime) -> list[str]:
    if row.stage is not Stage.INBOX or row.glimpse.invalid:
        return []
    waiting = Waiting(
        rank=RANKS.get(row.glimpse.priority, 2), age=row.age, id=row.id, engine=row.glimpse.engine,
        locks=row.glimpse.locks, deps=row.glimpse.deps, next_eligible=row.past.next_eligible,
    )  # fmt: skip
    reason = why(waiting, room, now.timestamp())
    return [reason] if reason else ["a free slot"]


def _shipped(rows: Sequence[Row], key: str) -> bool:
    return any(row.id == key and row.stage is Stage.SHIPPED for row in rows)


def show(
    job: JobId, stage: Stage, *, manifest: Mapping[str, Any], past: History, history: Sequence[Entry],
    outcome: Mapping[str, Any] | None, files: Mapping[str, Any], warnings: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """One job, whole: its effective manifest with origins, its state, its history, why its last run ended."""
    return {
        "schema_version": SCHEMA_VERSION,
        "job": job,
        "stage": stage.value,
        "manifest": dict(manifest),
        "warnings": list(warnings),
        "state": {**past.state, "run": past.run, "attempts": past.attempts, "recoveries": past.recoveries},
        "journal_lines_skipped": past.skipped,
        "outcome": outcome,
        "files": dict(files),
        "history": [dict(entry) for entry in history],
    }
