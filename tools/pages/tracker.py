"""docs/reference/tracker.md: settings, labels and statuses of the tracker round trip."""

import re
from dataclasses import fields as fields_of

from agent_queue.core.job import Stage
from agent_queue.core.label_map import LABEL_KEYS, STANDINGS, Standing
from agent_queue.core.tracker_settings import PATHS, STATUS_VARIABLES, TOKEN_ENV, TrackerSettings
from agent_queue.core.trouble import EXIT_CODES, OF_THE_TRACKER, Trouble
from agent_queue.trackers.items import PATHS as ITEMS_PATHS
from agent_queue.trackers.items import URL
from agent_queue.wiring.engines import found
from agent_queue.wiring.trackers import TRACKERS
from pages.source import same, strings, table

KEYS = {
    "kind": f"{', '.join(f'`{name}`' for name in TRACKERS)}, an installed entry point of the group "
            "`agent_queue.trackers`, or `module:Class`",
    "url": f"the tracker's address; `items`: `{URL}`",
    "project": "what bare ids and queries are about: `owner/repo`, a project's identifier, a team's key",
    "folder": "`file`: the folder of items",
    "user": "`roundup`: the user that the token belongs to",
    "product": "`items`: the product; an item of another one is refused",
    "token_env": "the variable that holds the token; never the token itself",
    "command": "a program that carries all requests instead of HTTP: `CMD METHOD PATH [JSON]`",
    "auto": "tell items by itself, whenever a job moves",
    "cwd": "where the agents of these jobs work",
    "query": "the label that `aq run --pull 5` takes items by; else `require_label`",
    "allow_authors": "who may ask for work: logins on `github`, mail addresses on `linear`, else the name that the "
                     "tracker gives; none named: everybody",
    "require_label": "a label that every item needs before it may become a job",
    "paths": "`items`: its paths, " + ", ".join(f"`{key} = '{ITEMS_PATHS[key]}'`" for key in PATHS),
    "statuses": "what the tracker calls `in_progress`, `done` and `failed`",
    "defaults": "keys of the [manifest](manifest.md) for jobs made of items, such as `engine` and `verify`",
    "types": "the same for items of one type: `[tracker.types] bug = { profile = \"qa\" }`",
}  # fmt: skip
VARIABLES = {
    "AQ_TRACKER_API": "`url`",
    TOKEN_ENV: "the token, unless `token_env` names another variable",
    "AQ_PRODUCT_ID": "`product`",
    "AQ_TRACKER_AUTO": "`auto`: `1` or `0`",
    "AQ_TRACKER_API_CMD": "`command`",
    "AQ_TRACKER_CWD": "`cwd`",
    **{name: f"`statuses`: `{key}`" for key, name in STATUS_VARIABLES.items()},
}
TROUBLES = {
    Trouble.UNSUPPORTED: "the tracker, or its adapter, cannot do that",
    Trouble.MISCONFIGURED: "a setting is missing or leads nowhere",
    Trouble.MISSING_SECRET: "no token, and the tracker wants one",
    Trouble.UNREACHABLE: "no answer, or a 5xx",
    Trouble.REFUSED: "the token may not do that, or configuration keeps the item out",
    Trouble.NOT_FOUND: "no such item",
    Trouble.RATE_LIMITED: "too many requests; `Retry-After`, in seconds or as a date, is kept to, up to an hour",
    Trouble.BAD_ANSWER: "an answer that makes no sense",
}


def page() -> str:
    same("[tracker] keys", KEYS, (field.name for field in fields_of(TrackerSettings)))
    said = {name for text in strings() for name in re.findall(r"AQ_TRACKER_[A-Z_]*[A-Z]|AQ_PRODUCT_ID", text)}
    same("tracker variables", VARIABLES, said)
    same("troubles", TROUBLES, Trouble)
    same("label keys", LABELS, LABEL_KEYS)
    labels = [(LABEL_KEYS[name][1], f"`{LABEL_KEYS[name][0]}`", text) for name, text in LABELS.items()]
    troubles = [
        (trouble.value, text, str(EXIT_CODES[trouble]), "yes" if trouble in OF_THE_TRACKER else "no")
        for trouble, text in TROUBLES.items()
    ]
    return f"""# Tracker

An item becomes a job (`aq from-tracker`), a job's outcome goes back (`aq to-tracker`, or by itself with
`AQ_TRACKER_AUTO=1`). One way each: a tracker is never asked whether a job may run on, and a tracker that fails never
fails, holds up or slows a job. How to set one up: [work from a tracker](../how-to/work-from-a-tracker.md).

## Labels and fields of an item

| of the item | sets | meaning |
| --- | --- | --- |
{"".join(f"| {label} | {key} | {text} |{chr(10)}" for label, key, text in labels)}\
| its priority | `priority` | where no label says it |
| its type | `kind` | where no label says it; `[tracker.types]` gives a type further keys |
| its id | `tracker-item`, `idempotency-key` | `T-1` and `tracker-T-1`: one job for an item, however often it is taken |
| title and text | the body | `# title`, an empty line, the text as it is |

A label may be written `key:value`, `key::value` or `key/value`. One with an illegal value is reported and passed over.
No label sets what runs: `engine`, `cwd`, `yolo`, `args`, `verify` and every other key come from `[tracker.defaults]`
and the queue's own configuration. A job made of an item has `yolo: false` unless `[tracker.defaults]` says
`yolo = true`. Where nothing names an engine, it takes any of the class `agentic-coder`.

## What an item is told

{table(("job", *(f"`{name}`" for name in TRACKERS)), statuses())}
The comment, at the end of a job: result, attempts, duration, tokens and cost with how sure they are, lines changed,
branch; nothing of the prompt, of the agent's output, or of the environment. It ends in a mark, `aq:JOB:STATUS:RUN`,
hidden where comments are Markdown. Before a comment is posted the mark is looked for; after a status is set it is read
back (`items` is taken at its word). What was told is `tracker_echoed` in the [journal](journal.md).

What could not be told waits in `outbox/`, one file a job, over restarts: every `aq run` tries again, at first after two
seconds, then doubling, up to five minutes. What failed least often is tried first: an item that is never taken keeps no
other one waiting. `aq status` shows what waits. Deleting a file there drops its news.

## Settings: `[tracker]` in `config.toml`

{table(("key", "meaning"), ((f"`{key}`", text) for key, text in KEYS.items()))}
The environment beats them:

{table(("variable", "setting"), ((f"`{name}`", text) for name, text in VARIABLES.items()))}
## What can go wrong

{table(("trouble", "meaning", "exit code", "ends the round"), troubles)}
*Ends the round*: the other items that wait are not even tried then. Any trouble leaves the item in the outbox.
"""


LABELS = {
    "engine-class": "one of `[classes]`",
    "profile": "a profile that there is",
    "priority": "beats the item's own priority",
    "cap": "what the host must offer",
    "kind": "recorded",
}


def statuses() -> list[tuple[str, ...]]:
    """A row for each standing: the stages it covers, and what each tracker calls it."""
    rows = []
    for standing in Standing:
        stages = ", ".join(f"{stage}" for stage in Stage if STANDINGS[stage] is standing)
        names = [found(name, TRACKERS, "agent_queue.trackers").statuses[standing] for name in TRACKERS]
        rows.append((stages, *(f"`{name}`" for name in names)))
    return rows
