"""docs/reference/engines.md: where the figures of each agent program come from, and when they are not exact."""

from collections.abc import Iterable

from agent_queue.core.usage import CostBasis, Provenance
from agent_queue.wiring import ENGINES
from pages.source import same, table

ALWAYS = "a run that was killed while the model was answering: that answer's tokens are told nowhere"
SOURCES = {
    "aider": ("the log of its telemetry, in the run folder; nothing of it is sent anywhere", "its own",
              "without that log, what it prints, which is rounded; how much of the input was cached is never told"),
    "claude": ("`modelUsage` of its last line; of a run that was killed, its transcript", "its own",
               ("a run that was killed and whose transcript is not found: output tokens are then guessed from the "
               "length of the text; a last line of an old version, which tells one sum that leaves some calls out")),
    "codex": ("its rollout, the last turn, answer by answer, and those of its helpers", "list prices",
              ("where the rollout is not found: the totals of the thread, which include earlier runs; of a run that "
              "did not end well there is then nothing. Where a helper's is not found, or its model was answering")),
    "copilot": ("its transcript, from the last start or resume on; else its usage file, when it counts this run alone",
                "list prices", ("by the usage file alone: it lacks what it took to shorten the conversation; unknown "
                "where that counts a whole session, or neither is found")),
    "devin": ("", "", "it tells nothing: unknown, unless a wrapper prints an `AQ_USAGE` line"),
    "gemini": (("the `stats` of its last line, thoughts included; of a run that was killed, its transcript and those "
                "of its helpers"),
               "list prices", ("a run that was killed and whose transcript is not found: unknown; one whose helper's "
               "model was answering")),
    "mini": ("its trajectory, in the run folder", "its own; unknown for a model that its price list lacks",
             "a run that was killed: its last step is not in the trajectory yet"),
    "opencode": ("the sum of its steps", "its own; list prices for a model that its price list lacks",
                 ("a run that was killed or refused: the step that was under way is not told; unknown when there was "
                 "no other; one that had a helper: what that used is not told")),
    "openhands": ("the state of its conversation, call by call from this run's first on",
                  "its own; list prices for a model that its price list lacks",
                  ("it ended before its conversation was named, so that the state is not found: unknown; it went on "
                  "with a conversation that it had shortened")),
    "pi": ("the sum of its answers", "its own; list prices for a model that its price list lacks",
           "it shortened the conversation: what that took is not told"),
    "qwen": ("its transcript, since the last prompt; else its last line, when that agrees with its answers",
             "list prices", "the transcript is not found, and the last line counts earlier runs too, or is missing"),
    "shell": ("", "", "unknown, unless the script prints an `AQ_USAGE` line"),
}  # fmt: skip
HOW_SURE = {
    Provenance.EXACT: "every answer of the model is counted, as the program or its files tell it",
    Provenance.ESTIMATED: "something is rounded, guessed or may be missing; a total that holds it is marked `*`",
    Provenance.UNKNOWN: "nobody told; no figure is made up, and none is 0. A total that lacks it is marked `?`",
}
BASES = {
    CostBasis.REPORTED: "the agent program's own figure",
    CostBasis.COMPUTED: "list prices of genai-prices, or yours in `[prices]`, times tokens, call by call: a request "
                        "of 300,000 tokens may cost more by the token than ten of 30,000",
    CostBasis.SUBSCRIPTION: "what it would have cost by the token; the account is a subscription",
}  # fmt: skip


def page() -> str:
    same("engines", SOURCES, ENGINES)
    same("provenance", HOW_SURE, Provenance)
    same("cost bases", BASES, CostBasis)
    return f"""# What a run used: where the figures come from

Tokens mean the same for every engine: `tokens_in` is all input, what was read from a cache and written to one included;
`tokens_cached` is what was read from a cache; `tokens_out` includes reasoning. They are those of one run, also when it
went on with an earlier conversation.

| `usage` | meaning |
|---|---|
{rows((f"`{name}`", text) for name, text in HOW_SURE.items())}
| `cost_basis` | meaning |
|---|---|
{rows((f"`{name}`", text) for name, text in BASES.items())}
A model whose price nobody knows has no cost.

## Engine by engine

Side files are looked for where the program keeps them by default, or where its own variable says, e.g. `CODEX_HOME`.
For every engine: {ALWAYS}. Such a figure is `estimated`.

{table(("engine", "tokens", "cost", "not exact"), ((f"`{name}`", *texts) for name, texts in SOURCES.items()))}
Calls that a program makes for itself, for a title or to shorten a conversation, are counted where it tells them, and by
no one where it does not.

## `AQ_USAGE`: any wrapper may tell

A line of any output, of a `shell` job or of a script in `CLAUDE_BIN`, that begins with `AQ_USAGE`:

```text
AQ_USAGE tokens_in=1200 tokens_cached=800 tokens_out=90 cost_usd=0.02 turns=3 tool_calls=2 model=my-model
AQ_USAGE {{"tokens_in": 1200, "tokens_out": 90, "usage": "exact"}}
```

The last one that says anything holds. A value that is no number from 0 on is passed over. It is an estimate unless it
says `usage=exact`, or just `exact`. The agent program's own figures go before it.

## `aq read-log`: the same for any log you have

```text
aq read-log codex agent.log --exit 0 --sidecar ~/.codex/sessions/2026/11/21/rollout-2026-11-21T04-01-44-01a1fc44.jsonl
```

It prints one object: `outcome` with `kind` (`done`, `broke`, `held`, `refused`), `class` (`ok`, `crash`, `usage_limit`,
`rate_limited`, `overloaded`, `quota`, `auth`, `context`, `no_permission`, `max_turns`, `budget`, `interrupted`,
`unknown`), `reason` and `resets_at`; `usage` with the figures, null where nobody told one, `cost_basis` and
`provenance`; and `resume_id`. A log of another engine's program has the class `unknown`, and the reason says whose it
is.

A log to which a wrapper appended several runs is told as their sum, as far as each run's figures are told; `outcome` is
the last one's. Behind what a wrapper puts before a line, colours or the time, and with the line ends of Windows, a log
reads the same. One that breaks off in the middle of a line is at best an estimate.
"""


def rows(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"| {name} | {text} |\n" for name, text in pairs)
