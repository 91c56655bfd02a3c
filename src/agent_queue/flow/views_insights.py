"""What jobs took, as plain values: one job run by run, or many of them rolled up."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from agent_queue.core.errors import UsageError
from agent_queue.core.history import Entry
from agent_queue.core.insights import Attempt, attempts, summed
from agent_queue.core.lifecycle import Job
from agent_queue.core.rollup import By, Ended, Past, all_of, ended, rolled_up

SCHEMA_VERSION = 1
MANY = {By.ENGINE: "engines", By.MODEL: "models", By.PROFILE: "profiles", By.DAY: "days"}
"""What the groups are called in JSON."""


def of_job(job: Job, history: Sequence[Entry]) -> dict[str, Any]:
    """A job's figures: each attempt, and all of them together."""
    runs = attempts(history)
    return {
        "schema_version": SCHEMA_VERSION, "job": job.id, "stage": job.stage.value,
        "result": job.past.state.get("result"), "attempts": job.past.attempts,
        "runs": [run._asdict() for run in runs], "total": summed([run for run in runs if run.over]),
    }  # fmt: skip


def of_all(
    pasts: Iterable[Past], stages: Mapping[str, str], waiting: Iterable[str], *, by: By, since: float = 0.0,
    most: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Jobs and what they took together. `stages` says where each lies; `waiting` are those in review without a verify.

    `since`, epoch seconds, leaves out jobs whose last run ended before; of the jobs that have come to an end, the
    latest first, only the `most` latest are listed.
    """
    waits = frozenset(waiting)
    told: list[tuple[Past, Ended, str]] = []
    for past in pasts:
        if past.ended_at >= since:
            stage = stages.get(past.job, past.lies)
            told.append((past, ended(stage, past.result, waits_for_a_person=past.job in waits), stage))
    finished = sorted((each for each in told if each[1] is not Ended.NOT_YET), key=lambda each: -each[0].ended_at)
    groups = {kind: rolled_up(told, kind, _day) for kind in dict.fromkeys((By.ENGINE, by))}
    return {
        "schema_version": SCHEMA_VERSION,
        "jobs": [_job(past, stage) for past, _, stage in finished[:most]],
        "finished": len(finished),
        **{MANY[kind]: [{kind.value: group.name, **group.to_json()} for group in found]
           for kind, found in groups.items()},
        "total": all_of(groups[By.ENGINE]).to_json(),
    }  # fmt: skip


def _job(past: Past, stage: str) -> dict[str, Any]:
    last: Attempt | None = past.runs[-1] if past.runs else None
    return {
        "job": past.job, "stage": stage, "engine": last.engine if last else None, "model": last.model if last else None,
        "profile": last.profile if last else None, "result": past.result, "attempts": past.attempts,
        "retries": past.retries, "runs": len(past.runs), "ended_at": past.ended_at,
        "tracker_item": past.tracker_item, "tracker_echoed": past.tracker_echoed,
        **summed([run for run in past.runs if run.over]),
    }  # fmt: skip


def since(text: str, now: datetime) -> float:
    """The time that `7d` or `2026-11-01` means, epoch seconds. `now` is local and aware; a day begins at midnight.

    Raises:
        UsageError: it is neither.
    """
    from agent_queue.core.fields import seconds

    ago = seconds(text)
    if ago is not None:
        return (now - timedelta(seconds=ago)).timestamp()
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError:
        raise UsageError(f"--since takes a time such as 7d, or a date such as 2026-11-01, not '{text}'") from None


def _day(when: float) -> str:
    return f"{datetime.fromtimestamp(when).astimezone():%Y-%m-%d}"
