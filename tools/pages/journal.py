"""docs/reference/journal.md: the events of a journal, and the state that is folded from them."""

import ast

from agent_queue.core.history import ENTRY_KEYS, STATE_KEYS
from agent_queue.core.lifecycle import Kind
from pages.source import nodes, same, strings, table

EVENTS = {
    "move": "a decision to move, written and flushed before the file is renamed: `seq`, `move`, `from`, `to`, `run`, "
            "`attempts`, `recoveries`, `next_eligible`, and `result` and `failure` where there are any",
    "moved": "the rename of the move `seq` is done",
    "moved_by_hand": "a person moved the file; the folder is right and the journal follows",
    "merged": "`aq merge` brought the work into `branch`, which is at `commit` now",
    "pushed": "`aq push` brought the job's branch to a remote, as `branch`, which is at `commit` there",
    "continued": "a person went on with it by `aq continue`; its work was saved again: `wip_commit`, `files_changed`",
    "started": "an agent was started: `run`, `engine`, `started_at`, `wip_branch`, `wip_base`",
    "ended": "it ended and its work was saved: `exit`, `duration_s`, `stragglers`, `stop`, `wip_commit`, "
             "`files_changed`, and what the agent told of itself; where there were any, how many files were `left_out` "
             "of the commit, `not_saved` at all, or had a filter that was switched off (`filters_off`), how many "
             "repositories inside it were saved by themselves (`nested`), how much git `ignored`, with the first "
             "names of all these (`named`); the refs that were put back (`refs_put_back`), how many settings and hooks "
             "of the repository were `altered`, and how many put back (`settings_put_back`), `rescued` when the branch "
             "had lost what it held before, and `wip_lost` when the worktree was gone and a snapshot took its place",
    "verify_kept": "what its verify left behind was saved beside the branch: `verify_changed`, `refs_put_back`",
    "verified": "its verify ended: `verify_exit`",
    "replaced": "`aq add` gave the waiting job another text, by its key: `body_sha256`",
    "imported": "`aq import` brought it here from a queue of the original tool: `stage`, the state that was noted "
                "there, `skipped`, how many notes were passed over, and `source_sha256`, the hash of where it lay",
    "from_tracker": "it was made of a tracker's item: `tracker_item`, `body_sha256` of its text",
    "echoed": "the item was told how the job stands after the move `seq`: `tracker_echoed`",
    "recovered": "a verify that died with the machine is tried again: `recoveries`",
}  # fmt: skip
STATE = {
    "run": "number of the run; up at every claim, never down; names folders under `runs/JOB/`",
    "attempts": "runs charged to the job; a hold gives one back, `requeue` sets 0; `retry.max` counts these",
    "recoveries": "how often the machine or aq died under it",
    "started_at": "when the run began, epoch seconds",
    "ended_at": "when it ended, epoch seconds",
    "pid": "process id of the agent",
    "pidstart": "when that process began, in the kernel's words",
    "boot_id": "the boot of the machine it ran in",
    "next_eligible": "not to be started before, epoch seconds; 0 for at once",
    "result": "see [results](failures.md)",
    "exit": "exit code of the agent; a signal as its negative number",
    "duration_s": "seconds the agent ran",
    "engine": "the engine that ran it",
    "profile": "the profile that the run was given",
    "resume_id": "the agent program's own name of the conversation",
    "wip_branch": "the job's branch",
    "wip_base": "the commit it started from",
    "wip_commit": "the commit that holds the work of the last run",
    "files_changed": "files changed against `wip_base`",
    "lines_added": "lines added against `wip_base`",
    "lines_deleted": "lines deleted against `wip_base`",
    "model": "model the agent named",
    "tokens_in": "all input tokens, cached ones included",
    "tokens_cached": "input tokens read from a cache",
    "tokens_out": "output tokens, reasoning included",
    "cost_usd": "cost of the run: the agent's own figure, else list prices times tokens",
    "turns": "turns of the agent",
    "tool_calls": "tool calls of the agent",
    "usage": "how sure the token counts are: `exact`, `estimated` or `unknown`",
    "cost_basis": "what the cost is: `reported` by the agent, `computed` from list prices, or `subscription`: what it "
    "would have cost by the token",
    "first_output_s": "seconds until the agent printed something",
    "fingerprint": "hash of a failure and of the work it left, to know the same one again",
    "verify_exit": "exit code of the last verify",
    "scope_warning": "a path outside `allowed-scope` was changed",
    "tracker_item": "the tracker's name of this job",
    "tracker_echoed": "the status that its item was told last",
}
KINDS = {
    Kind.BEGIN: "claimed; the attempt is charged now", Kind.ADVANCE: "its work in this stage went well",
    Kind.RETRY: "broke, and runs again", Kind.HOLD: "back to the inbox, the attempt given back",
    Kind.FAIL: "failed for good, or refused", Kind.RECOVER: "the machine or aq died under it",
    Kind.PROMOTE: "`aq promote`", Kind.SHIP: "`aq ship`, or `ship: auto`", Kind.REJECT: "`aq reject`",
    Kind.REQUEUE: "`aq requeue`", Kind.CANCEL: "`aq cancel`", Kind.BY_HAND: "a person's `mv`",
    Kind.REBORN: "put back into the inbox by hand after it had shipped: a new life, a new branch",
}  # fmt: skip
NOT_WRITERS = (
    "core/history.py", "core/insights.py", "core/rollup.py", "flow/views.py", "core/manifest.py", "system/shim.py",
    "system/processes.py", "system/supervisor.py", "system/kernel.py",
)  # fmt: skip
"""They name these keys, and write them elsewhere or not at all."""


def page() -> str:
    same("events", EVENTS, events())
    same("state keys", STATE, STATE_KEYS)
    same("kinds of move", KINDS, Kind)
    written = strings(NOT_WRITERS)
    state = [(f"`{key}`", text + ("" if key in written else ". *Not written yet*")) for key, text in STATE.items()]
    return f"""# Journal: `journal/JOB.jsonl`

One JSON object a line, only ever appended to. `at` is when (RFC 3339, UTC), `event` is what. A job's state is the fold
of its journal and stored nowhere else. A torn line, as a power cut can leave one, is skipped and counted.

Its schema is closed: numbers, words from fixed lists, ids, hashes, paths. Never a word of the prompt or of the agent's
output; the sentence why a run ended is in `runs/JOB/RUN/outcome.json` (RUN is 0 where none began).

## Events

{table(("event", "meaning"), ((f"`{name}`", text) for name, text in EVENTS.items()))}
## Kinds of move

{table(("`move`", "meaning"), ((f"`{kind}`", text) for kind, text in KINDS.items()))}
## State keys: the last one written holds

{table(("key", "meaning"), state)}
*Not written yet*: the key is reserved, and nothing in this version writes it. That note is computed from the source.

Further keys of single entries: {", ".join(f"`{key}`" for key in sorted(ENTRY_KEYS - set(STATE_KEYS)))}.
"""


def events() -> set[str]:
    """The values that the source gives to the key `event`, or to a variable of that name."""
    found: set[str] = set()
    for _, node in nodes(("core/history.py", "flow/notices.py")):
        values: list[ast.expr] = []
        if isinstance(node, ast.Dict):
            values = [value for key, value in zip(node.keys, node.values, strict=True) if _is(key, "event")]
        elif isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == "event" for to in node.targets):
            values = [node.value]
        for value in values:
            branches = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
            found |= {part.value for part in branches if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    return found


def _is(node: ast.expr | None, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text
