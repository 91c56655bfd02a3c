"""Marks a failure so that it is known again, and leaves a report where a job has failed for good."""

import json
from dataclasses import replace

from agent_queue.core.final_report import Finished, final_report
from agent_queue.core.fingerprint import fingerprint
from agent_queue.core.job import Stage
from agent_queue.core.lifecycle import Kind, Move
from agent_queue.core.outcome import Broke, Outcome
from agent_queue.flow.opened import opened_in
from agent_queue.flow.tools import Run, Tools, run_folder

REPORT = "report.md"
TAIL = 4096
LOOKED_AT = 40
"""How many runs back reasons are told of: a job can be held many times."""


def marked(run: Run, tools: Tools, outcome: Outcome) -> Outcome:
    """A failure with its fingerprint, where the manifest asks to stop at the second of a kind."""
    if not isinstance(outcome, Broke) or not run.manifest.retry.stop_on_repeat:
        return outcome
    tail = run_folder(tools, run.job).tail("verify.log", TAIL) if run.job.stage is Stage.REVIEW else b""
    words = f"{outcome.reason}\n{tail.decode(errors='replace')}"
    return replace(outcome, fingerprint=fingerprint(outcome.kind, words, str(run.job.past.state.get("wip_commit", ""))))


def report(run: Run, tools: Tools, move: Move) -> None:
    """Write `report.md` into the folder of the last run of a job that has failed there."""
    if move.kind is not Kind.FAIL or run.job.stage is Stage.INBOX or not run.job.past.run:
        return
    folder, past = run_folder(tools, run.job), run.job.past
    numbers = range(max(past.run - LOOKED_AT, 1), past.run)
    reasons = {number: _reason(tools, run, number) for number in numbers} | {past.run: move.reason}
    opened = opened_in(folder)
    places = {"worktree" if opened.place.branch else "folder": opened.place.root or opened.place.cwd} if opened else {}
    logs = {"agent's log": "agent.log", "verify's log": "verify.log"}
    places |= {name: folder.path_of(log) for name, log in logs.items() if folder.written_at(log) is not None}
    found = Finished(
        job=run.id, result=move.result, failure=move.failure, reason=move.reason, reasons=reasons, state=past.state,
        places=places,
    )  # fmt: skip
    text = final_report(found, [*tools.queue.history(run.id), move.entry()])
    folder.write(REPORT, text.encode(errors="surrogateescape"))


def _reason(tools: Tools, run: Run, number: int) -> str:
    try:
        record = json.loads(tools.queue.run_folder(run.id, number).read("outcome.json") or b"{}")
    except ValueError:
        return ""
    return str(record.get("reason") or "") if isinstance(record, dict) else ""
