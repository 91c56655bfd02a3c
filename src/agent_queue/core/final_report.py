"""What a person needs who comes to a failed job in the morning: what was tried, where the work is, what to do now."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agent_queue.core.history import Entry, is_time
from agent_queue.core.job import JobId, Result
from agent_queue.core.outcome import Failure

ENDS = ("retry", "hold", "recover", "fail")
MOST_ROWS = 30

ADVICE: dict[Failure, str] = {
    Failure.CRASH: "Read the end of the log: the agent program says there what broke.",
    Failure.TIMEOUT: "Give it more time with `timeout`, or cut the task into smaller jobs.",
    Failure.STALLED: "See in the log what it waited for; `stall_stop` may be too short for this task.",
    Failure.VERIFY_FAILED: "Run the verify yourself in the worktree: either the work is wrong, or the verify is.",
    Failure.BUDGET: "Look whether it was on its way; raise `budget`, or cut the task into smaller jobs.",
    Failure.RATE_LIMITED: "Wait, or name a `fallback` engine.",
    Failure.OVERLOADED: "Wait, or name a `fallback` engine.",
    Failure.QUOTA: "Top up the account, then `aq resume ENGINE`; or name a `fallback` engine.",
    Failure.AUTH: "Log in to the agent program once by hand, or mend its key; every job of it fails until then.",
    Failure.CONTEXT: "Cut the task into smaller jobs: it outgrew what the model can hold.",
    Failure.NO_PERMISSION: "Say `yolo: true` if the agent may use all its tools here.",
    Failure.MAX_TURNS: "Raise the agent's limit of turns, or cut the task into smaller jobs.",
    Failure.SETUP: "Mend the workspace as the reason says; the agent was not at fault.",
    Failure.SCOPE: "Widen `allowed-scope`, or take the changes outside of it back.",
    Failure.MEMORY: "Raise `[limits] memory`, or have the task use less.",
    Failure.MACHINE: "See what kills the machine or the shim: `aq doctor`, the system's log, free memory.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A job that has failed. `reasons` are those of its runs, in words; `places` are files and folders by name."""

    job: JobId
    result: Result | None
    failure: Failure | None
    reason: str
    reasons: Mapping[int, str]
    state: Mapping[str, Any]
    places: Mapping[str, str]


def final_report(found: Finished, history: Iterable[Entry]) -> str:
    """The report as markdown; `history` is the journal, its last entry the move to failed."""
    return "\n".join((
        f"# {found.job}: {found.result or 'failed'}", "", found.reason or "No reason is known.", "",
        "## What was tried", "", *_rows(found, history), "",
        "## Where the work is", "", *_places(found), "",
        "## What to do", "", *_advice(found), "",
    ))  # fmt: skip


def _rows(found: Finished, history: Iterable[Entry]) -> Iterator[str]:
    yield "| run | engine | began (UTC) | took | how it ended |"
    yield "|---|---|---|---|---|"
    rows = list(_runs(history))
    if len(rows) > MOST_ROWS:
        yield f"| ... | {len(rows) - MOST_ROWS} runs before these | | | |"
    for row in rows[-MOST_ROWS:]:
        reason = found.reasons.get(row["run"], "").replace("|", "\\|").replace("\n", " ")
        ended = ", ".join(filter(None, (_ending(row), reason)))
        yield f"| {row['run']} | {row.get('engine') or '-'} | {_at(row.get('started_at'))} | {_took(row)} | {ended} |"


def _runs(history: Iterable[Entry]) -> Iterator[Entry]:
    """One row for each run, from its claim to the move that ended it."""
    row: Entry = {}
    for entry in history:
        move = entry.get("move")
        if entry.get("event") == "move" and move == "begin":
            row = {"run": entry.get("run", 0)}
        elif entry.get("event") == "move" and move in ENDS and row:
            yield {**row, **{key: entry[key] for key in ("result", "failure") if key in entry}, "move": move}
            row = {}
        elif row:
            row |= {key: entry[key] for key in _TOLD if key in entry}


_TOLD = ("engine", "started_at", "ended_at", "duration_s", "exit", "stop", "verify_exit")


def _ending(row: Entry) -> str:
    what = str(row.get("failure") or row.get("result") or "")
    then = {"retry": "tried again", "hold": "held, not charged", "recover": "recovered"}.get(row["move"], "")
    codes = [f"exit {row['exit']}" if row.get("exit") not in (None, 0) else "",
             f"verify exit {row['verify_exit']}" if row.get("verify_exit") else "",
             f"stopped: {row['stop']}" if row.get("stop") else "",
             then]  # fmt: skip
    return ", ".join(filter(None, (what, *codes)))


def _places(found: Finished) -> Iterator[str]:
    state = found.state
    if state.get("wip_branch"):
        ends = "..".join(str(state[key])[:12] for key in ("wip_base", "wip_commit") if state.get(key))
        lines = "changes not counted"
        if (files := state.get("files_changed")) is not None:
            lines = f"{files} files, +{state.get('lines_added', 0)} -{state.get('lines_deleted', 0)}"
        yield f"- branch: `{state['wip_branch']}` ({ends}; {lines}); `aq diff {found.job}` shows it"
    else:
        yield "- no branch: it did not work in a git repository, or never came that far"
    yield from (f"- {name}: `{path}`" for name, path in found.places.items())


def _advice(found: Finished) -> Iterator[str]:
    if found.failure is not None:
        yield f"- {ADVICE[found.failure]}"
    if found.result is Result.HELD_TOO_LONG:
        yield "- Mend what held it, see the reason; then `aq resume ENGINE`. `max_hold` says how long a job is held."
    yield f"- `aq logs {found.job}` says what the agent did; `aq show {found.job}` tells everything about the job."
    yield f"- `aq requeue {found.job}` runs it again on the work that is there; `--fresh` begins anew."


def _at(seconds: object) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}" if is_time(seconds) and seconds else "-"


def _took(row: Entry) -> str:
    seconds = row.get("duration_s")
    return f"{seconds:.0f} s" if isinstance(seconds, int | float) else "-"
