"""One job, whole, as plain values: what it was told, how it stands, why its last run ended, its history."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent_queue.core.errors import AqError, UsageError
from agent_queue.core.history import Entry, History
from agent_queue.core.insights import figures
from agent_queue.core.job import Stage
from agent_queue.core.lifecycle import Job
from agent_queue.core.refused import BEFORE, is_latest
from agent_queue.ports import Queue, RunFolder

SCHEMA_VERSION = 1


def show(queue: Queue, job: Job, *, history: Sequence[Entry], files: Mapping[str, str]) -> dict[str, Any]:
    """The manifest is that of the latest run; of a job that waits, the one that its next run would have."""
    past = job.past
    title, problem, warnings = _said(queue, job)
    return {
        "schema_version": SCHEMA_VERSION,
        "job": job.id,
        "stage": job.stage.value,
        "title": title,
        "manifest": manifest(queue, job),
        "invalid": problem or None,
        "warnings": warnings,
        "state": {**past.state, "run": past.run, "attempts": past.attempts, "recoveries": past.recoveries},
        "insights": figures(history),
        "outcome": _outcome(queue, job),
        "report": _report(queue, job),
        "outside_scope": _record(queue, job, "outside.json") or [],
        "dropped_environment": _record(queue, job, "dropped.json") or [],
        "saved": _record(queue, job, "saved.json") or {},
        "files": dict(files),
        "journal_lines_skipped": past.skipped,
        "history": [dict(entry) for entry in history],
    }


def manifest(queue: Queue, job: Job) -> dict[str, Any]:
    """Every key that somebody set, as `key -> {value, origin}`; {} for a file that cannot be read."""
    found = _record(queue, job, "manifest.json") if job.stage is not Stage.INBOX else None
    if not isinstance(found, dict):
        try:
            found = queue.file(job.id).manifest.to_json()
        except AqError:
            return {}
    return {key: {**said, "value": _value(said["value"])} for key, said in found.items()}


def cwd(queue: Queue, job: Job) -> str | None:
    """Where the job works, as its manifest says it."""
    said = manifest(queue, job).get("cwd")
    return str(said["value"]) if said else None


def of_run(job: Job, history: Sequence[Entry], run: int | None) -> History:
    """The job's past as far as it tells what one run changed: from the commit it began with to the one it left.

    Raises:
        UsageError: there was no such run.
    """
    if run is None:
        return job.past
    if not 1 <= run <= job.past.run:
        raise UsageError(f"{job.id} has no run {run}; it has had {job.past.run}")
    number, fresh, tip, begun, left = 0, False, None, None, None
    for entry in history:
        event, number = entry.get("event"), entry.get("run") or number
        if event == "started":
            tip = entry.get("wip_base") if fresh or tip is None else tip
            begun = tip if number == run else begun
        elif event in ("ended", "continued") and entry.get("wip_commit"):
            tip = entry["wip_commit"]
            left = tip if number == run else left
        fresh = bool(entry.get("fresh", fresh))
    return replace(job.past, state={**job.past.state, "wip_base": begun, "wip_commit": left})


def _value(text: str) -> Any:
    """A value as it is written in a file, as JSON where it is that too: texts, lists, numbers, flags."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _said(queue: Queue, job: Job) -> tuple[str, str, list[str]]:
    """The file's title, what is wrong with it, what is odd about it."""
    try:
        file = queue.file(job.id)
    except AqError as error:
        return "", str(error), []
    return file.title, "", [warning.at(f"{job.id}.md") for warning in file.warnings]


def _report(queue: Queue, job: Job) -> str | None:
    """What was written for people when the job failed; None for one that has not."""
    failed = job.stage is Stage.FAILED and job.past.run
    data = queue.run_folder(job.id, job.past.run).read("report.md") if failed else None
    return data.decode(errors="replace") if data is not None else None


def _outcome(queue: Queue, job: Job) -> Any:
    """How the latest run ended, or why there was none."""
    refused, past = _read(queue.run_folder(job.id, BEFORE), "outcome.json"), job.past
    if isinstance(refused, dict) and is_latest(refused, kind=past.kind, run=past.run, result=past.state.get("result")):
        return refused
    return _record(queue, job, "outcome.json")


def _record(queue: Queue, job: Job, name: str) -> Any:
    """A record of the latest run; None when there is none."""
    return _read(queue.run_folder(job.id, job.past.run), name) if job.past.run else None


def _read(folder: RunFolder, name: str) -> Any:
    data = folder.read(name)
    try:
        return json.loads(data) if data is not None else None
    except ValueError:
        return None
