"""docs/reference/manifest.md: every key of a job file's frontmatter."""

from dataclasses import fields as fields_of

from agent_queue.core import field_schemas
from agent_queue.core.budget import COUNTED
from agent_queue.core.fields import RETRIABLE, RETRIED_BY_DEFAULT, Kind
from agent_queue.core.manifest import EMPTY, KEYS, parse
from pages.source import readers, same, table

EXAMPLES = {
    "engine": "claude", "engine-class": "agentic-coder", "prefers-engine": "[codex, claude]", "fallback": "codex",
    "model": "claude-sonnet-4-5", "args": "[--add-dir, ../libs]", "cwd": "~/code/shop", "workspace": "in-place",
    "base": "origin/main", "dirty": "include", "yolo": "true", "lock": "database", "timeout": "45m",
    "verify": "[make lint, make test]", "verify-timeout": "10m", "priority": "high",
    "capabilities": "[os:linux, has:git]", "profile": "reviewer",
    "allowed-scope": "[src/**, docs/**]", "scope": "enforce", "deps": "add-schema",
    "deps-mode": "soft", "idempotency-key": "fix-login-v1",
    "retry": "{max: 2, backoff: 5m, on: [verify_failed, timeout]}",
    "budget": "{wall: 4h}", "tracker-item": "T-1", "review-policy": "auto", "ship": "auto",
    "artifacts": "[report/*.html]", "prefers": "fast", "repo": "shop", "baseBranch": "main", "kind": "bugfix",
}  # fmt: skip
"""One each; every one is parsed when this page is made."""

SHOWING = ("flow/views", "queues/gl", "cli/", "core/manifest.py")
"""Modules that check or show a key without doing what it says."""

BUDGET = {
    "usd": "money, in dollars", "tokens": "tokens, e.g. `200k` or `2M`", "turns": "turns of the agent",
    "wall": "time, awake; the earlier of this and `timeout` fires, and this one names the result only when it is "
            "strictly the smaller",
    "strict": "treat an unknown cost as too much",
}  # fmt: skip

WORDS = (
    (field_schemas.TEXT, "text"), (field_schemas.FLAG, "`true` or `false`"), (field_schemas.PATH, "path"),
    *((schema, "text or list") for schema in (field_schemas.TEXTS, field_schemas.WORDS, field_schemas.GLOBS)),
    (field_schemas.CAPABILITIES, "text or list"),
    (field_schemas.LIMIT, "duration: `90s`, `45m`, `2h`, `1d`"), (field_schemas.BUDGET, "mapping"),
)  # fmt: skip
"""What the kinds of value are called; choices are called by their words."""


def page() -> str:
    same("manifest keys", EXAMPLES, KEYS)
    rows = [(f"`{name}`", kind(key.kind), key.default or "none", key.meaning + state(key.attribute, key.meaning))
            for name, key in KEYS.items()]  # fmt: skip
    examples = "".join(f"{name}: {example(name)}\n" for name in KEYS)
    return f"""# Manifest: the frontmatter of a job file

A job file is markdown. What stands between two lines `---` at its top is the manifest, in YAML; what follows is the
body, given to the agent to the byte. Every key is optional; a file with `engine`, `cwd` and a body is a whole job.

- The file is read once, at the claim; later edits hold from the next claim. `aq lint FILE` checks one.
- A wrong value makes the file *invalid*: it stays in `inbox/`, `aq status` says `file:line:column: message`, and
  nothing else is held up. An unknown key is a warning with a suggestion.
- YAML is its core schema only: `no` stays a text where no boolean is wanted, `12:30` is not 750. Duplicate keys,
  anchors, aliases and tags are errors, and so is a frontmatter over 64 KiB.
- What a file leaves out is filled from `[defaults]` in [config.toml](configuration.md). `aq show JOB` says where each
  value came from.

## Keys

{table(("key", "value", "default", "meaning"), rows)}{unacted(rows)}
## One example each

```yaml
{examples}```

## `retry`

`max` counts the runs after the first: `max: 1` is at most two attempts, then the job fails as `retries_exhausted`.
`backoff` is the least wait between two runs, or `exp`: 30 s, doubled each time up to an hour, with up to a quarter
added by chance. `on` names [failures](failures.md); without it
{", ".join(f"`{name}`" for name in RETRIED_BY_DEFAULT)}. Possible are
{", ".join(f"`{name}`" for name in RETRIABLE)}; `agent_error` is another name of `crash`.{repeat()}

## `budget`

{budget()}
## `review-policy`

`manual` waits in review for `aq promote`, unless a `verify` passes. `auto` promotes without one.
`{{reviewers: [NAME, ...]}}` is recorded, and counts as `manual`.
"""


def kind(kind: Kind) -> str:
    """A word for a kind of value, from its JSON Schema."""
    words = next((text for schema, text in WORDS if schema is kind.schema), None)
    if words is None:
        options = kind.schema.get("oneOf", [kind.schema, {}])
        named = options[0].get("enum") or [options[0]["const"]]
        words = " or ".join([*(f"`{word}`" for word in named), *["mapping"] * ("oneOf" in kind.schema)])
    return words


def example(name: str) -> str:
    """Raises ManifestError when the example of a key is no longer allowed."""
    parse(f"---\n{name}: {EXAMPLES[name]}\n---\nbody\n".encode(), f"example of {name}")
    return EXAMPLES[name]


def unacted(rows: list[tuple[str, ...]]) -> str:
    """What the note of a key means that nothing acts on; '' when there is no such key."""
    if not any("Nothing acts" in row[-1] for row in rows):
        return ""
    return """
*Nothing acts on it yet* means what it says: the key is read, checked and kept in the run's `manifest.json`, and has no
effect in this version. That note is computed from the source.
"""


def state(attribute: str, meaning: str) -> str:
    """What the source says about who acts on a key."""
    if meaning == "recorded":
        return " in the run's `manifest.json`"
    found = set().union(*(readers(owner, attribute) for owner in ("manifest", "effective", "asked")))
    acting = [module for module in found if not module.startswith(SHOWING)]
    return "" if acting else ". *Nothing acts on it yet*"


def repeat() -> str:
    return """

With `stop_on_repeat: true` a job ends early that fails twice in the same way (what it printed last is the same but for
numbers, times and ids) with no change of its files in between: a third run would do so as well."""


def budget() -> str:
    """Each limit, and who keeps it."""
    same("budget keys", BUDGET, (field.name.removesuffix("_s") for field in fields_of(EMPTY.budget)))
    rows = []
    for field in fields_of(EMPTY.budget):
        name = field.name.removesuffix("_s")
        found = readers("budget", field.name)
        if name in COUNTED or any(module.startswith("flow/") for module in found):
            keeper = "aq; result `budget_exceeded`"
        elif found:
            engines = ", ".join(sorted(module.removeprefix("engines/").removesuffix(".py") for module in found))
            keeper = f"the agent program: passed to {engines}; no effect with another engine"
        else:
            keeper = "*nothing acts on it yet*"
        rows.append((f"`{name}`", BUDGET[name], keeper))
    return table(("limit", "of one run", "kept by"), rows)
