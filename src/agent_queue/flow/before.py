"""What came before a run: how the last one ended, the conversation to go on with, the prompt that says so."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from agent_queue.core.job import Result
from agent_queue.core.outcome import Failure
from agent_queue.core.preface import LastRun, Scene, preface
from agent_queue.core.resume import conversation
from agent_queue.flow.opened import Opened, opened_in
from agent_queue.flow.tools import Run, Tools
from agent_queue.flow.verify import current
from agent_queue.ports import Place, RunFolder

REFUSED = "resume-refused"
"""Stands in the folder of a run whose program did not know the conversation any more: it did nothing else."""
TAIL = 64 * 1024
LOOKED_AT = 20
"""How many runs back: a job can be held many times."""
PASSING = (Result.HELD, Result.RECOVERED, Result.RETRY)
"""Results with which aq itself puts a job back."""

Name = TypeVar("Name", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Before:
    """The last run, and the one before it that failed, where the last was only broken off.

    `opened` is None when no workspace of them was made.
    """

    last: LastRun | None
    failed: LastRun | None
    opened: Opened | None


def before(run: Run, tools: Tools) -> Before:
    """Read the records of the latest runs; without them the journal still tells a result."""
    past = run.job.past
    found: list[tuple[LastRun, Opened | None]] = []
    for number in range(past.run - 1, max(past.run - 1 - LOOKED_AT, 0), -1):
        folder = tools.queue.run_folder(run.id, number)
        if folder.read(REFUSED) is None:
            found.append((_last(run, tools, number, folder), opened_in(folder)))
            if not _broken_off(found[-1][0]):
                break
    last = found[0][0] if found else None
    failed = found[-1][0] if found and found[-1][0].failure not in (None, Failure.MACHINE) else None
    opened = next((opened for _, opened in found if opened is not None), None)
    return Before(last, failed if failed is not last else None, opened)


def _broken_off(last: LastRun) -> bool:
    """True for a run that ended by no fault of its work: what the one before it met is still to be told."""
    return last.result in (Result.HELD, Result.RECOVERED) or not last.started


def conversation_of(run: Run, engine: str, place: Place, found: Before) -> str | None:
    """The id of the conversation that the engine is to go on with; None to begin a new one."""
    opened = found.opened
    if opened is None or (opened.engine, opened.place.cwd) != (engine, place.cwd):
        return None
    failure = found.last.failure if found.last else None
    return conversation(run.job.past, engine=engine, failure=failure, resumed=opened.resumed is not None)


def preface_of(run: Run, opened: Opened, found: Before, summary: str) -> str:
    """What stands before the body; `summary` is the diffstat of what lies in the workspace."""
    past, place = run.job.past, opened.place
    scene = Scene(
        run=past.run, attempt=past.attempts, attempts=run.manifest.retry.max_retries + 1, branch=place.branch,
        base=place.base, worktree=run.plan.worktree, fresh=past.fresh, last=found.last, failed=found.failed,
        summary=summary, unseen=place.unseen, lost=place.lost, resumed=opened.resumed is not None,
    )  # fmt: skip
    return preface(scene)


def _last(run: Run, tools: Tools, number: int, folder: RunFolder) -> LastRun:
    record, past = _record(folder), run.job.past
    latest = number == past.run - 1  # of it the journal knows more: a person may have judged it since
    result = _named(Result, past.state.get("result") if latest else record.get("result"))
    verify = current(folder)
    passed = record.get("kind") == "done"
    held = record.get("kind") == "held"  # what broke was its engine, and none of its doing
    return LastRun(
        run=number, result=result, failure=None if held else _named(Failure, record.get("failure")),
        stopped=tools.processes.stopped(verify or folder.path), exit=tools.processes.exit(folder.path),
        started=opened_in(folder) is not None, put_back=latest and past.attempts == 1 and result not in PASSING,
        verify_output=folder.tail("verify.log", TAIL).decode(errors="replace") if verify and not passed else "",
    )  # fmt: skip


def _record(folder: RunFolder) -> dict[str, Any]:
    """outcome.json; {} when it is not there or torn."""
    try:
        value = json.loads(folder.read("outcome.json") or b"")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _named(kind: type[Name], value: object) -> Name | None:
    return kind(value) if isinstance(value, str) and value in tuple(kind) else None
