"""What a job file says: its frontmatter as typed values, its body verbatim. The one place that knows the keys."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent_queue.core import field_schemas, fields
from agent_queue.core.budget import NO_LIMITS, Budget
from agent_queue.core.choices import DepsMode, Dirty, Priority, Scope, Ship, Workspace
from agent_queue.core.errors import ManifestError
from agent_queue.core.fields import MANUAL_REVIEW, Kind, ReviewPolicy
from agent_queue.core.frontmatter import Node, NodeError, Problem, decode, insert, read, split
from agent_queue.core.globs import GLOBS
from agent_queue.core.retry import NEVER, Retry

LONGEST_TITLE = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The effective meaning of a job file. None and () mean that nobody said anything."""

    engine: str | None = None
    engine_class: str | None = None
    prefers_engine: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    model: str | None = None
    args: tuple[str, ...] = ()
    cwd: str | None = None
    workspace: Workspace | None = None
    base: str | None = None
    dirty: Dirty = Dirty.ANNOUNCE
    yolo: bool = False
    lock: tuple[str, ...] = ()
    timeout: float | None = None
    verify: tuple[str, ...] = ()
    verify_timeout: float = 1800.0
    priority: Priority = Priority.MEDIUM
    capabilities: tuple[str, ...] = ()
    profile: str | None = None
    allowed_scope: tuple[str, ...] = ()
    scope: Scope = Scope.WARN
    deps: tuple[str, ...] = ()
    deps_mode: DepsMode = DepsMode.HARD
    idempotency_key: str | None = None
    retry: Retry = NEVER
    budget: Budget = NO_LIMITS
    tracker_item: str | None = None
    review_policy: ReviewPolicy = MANUAL_REVIEW
    ship: Ship = Ship.MANUAL
    artifacts: tuple[str, ...] = ()
    prefers: tuple[str, ...] = ()
    repo: str | None = None
    base_branch: str | None = None
    kind: str | None = None
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Which keys somebody set, and who: key -> job, config, environment, profile:NAME."""

    def under(self, defaults: "Manifest") -> "Manifest":
        """Fill the keys this manifest does not set from `defaults`; what it sets wins, key by key."""
        taken = {key: defaults.origins[key] for key in defaults.origins if key not in self.origins}
        values = {KEYS[key].attribute: getattr(defaults, KEYS[key].attribute) for key in taken}
        return replace(self, **values, origins={**self.origins, **taken})

    def to_json(self) -> dict[str, Any]:
        """Every key that somebody set, as `key -> {value, origin}`, the value as it is written in a file."""
        return {
            key: {"value": KEYS[key].kind.show(getattr(self, KEYS[key].attribute)), "origin": origin}
            for key, origin in sorted(self.origins.items())
        }


EMPTY = Manifest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One frontmatter key: the attribute it fills, its kind of value, its default and meaning in words."""

    attribute: str
    kind: Kind
    default: str
    meaning: str


_ROWS: tuple[tuple[str, Kind, str, str], ...] = (
    ("engine", fields.TEXT, "config, AGENT_QUEUE_ENGINE",
     "agent program: an adapter's name or `module:Class`; beats engine-class"),
    ("engine-class", fields.TEXT, "", "a class of engines, the first available one is taken"),
    ("prefers-engine", fields.WORDS, "", "engines to try first within the class"),
    ("fallback", fields.WORDS, "", "engines to go on with when the engine's lane is parked"),
    ("model", fields.TEXT, "the engine's own", "model name, passed to the engine"),
    ("args", fields.TEXTS, "", "further arguments, passed to the engine"),
    ("cwd", fields.PATH, "folder of `aq add`",
     "where the agent works; must exist; `~` expands; `aq add` makes a relative one whole"),
    ("workspace", fields.choice(Workspace), "worktree in a git repository, else in-place",
     "a git worktree of its own, or the folder itself"),
    ("base", fields.TEXT, "`deps` where all dependencies worked in its repository, else HEAD",
     "the ref that the job's branch starts from; `deps`: the merge of its dependencies' work"),
    ("dirty", fields.choice(Dirty), "announce", "what becomes of uncommitted changes of the checkout"),
    ("yolo", fields.FLAG, "false", "true: all tools without asking; false: the narrowest mode that can edit here"),
    ("lock", fields.WORDS, "none with a worktree; the repository in-place",
     "mutex names: jobs that share one never overlap; `cwd` names the repository, always one of them in-place"),
    ("timeout", fields.DURATION, "none", "longest run of the agent, awake time"),
    ("verify", fields.TEXTS, "AGENT_QUEUE_VERIFY",
     "command(s) run in the workspace by `/bin/sh -c` after the agent ended well, in order, to the first failure"),
    ("verify-timeout", fields.DURATION, "30m", "longest run of the verify commands together"),
    ("priority", fields.choice(Priority), "medium", "ties go to the oldest"),
    ("capabilities", fields.CAPABILITIES, "", "what the host must offer"),
    ("profile", fields.TEXT, "", "persona put before the body, and defaults for other keys"),
    ("allowed-scope", GLOBS, "", "globs of paths the job may change"),
    ("scope", fields.choice(Scope), "warn", "what a change outside allowed-scope does"),
    ("deps", fields.WORDS, "", "idempotency keys or ids of jobs that must have shipped first"),
    ("deps-mode", fields.choice(DepsMode), "hard", "`soft`: testing suffices"),
    ("idempotency-key", fields.TEXT, "", "names the job for `deps`; the same key twice makes one job"),
    ("retry", fields.RETRY, "none",
     "`{max, backoff, on, stop_on_repeat}`: `max` runs after the first, on these failures"),
    ("budget", fields.BUDGET, "", "`{usd, tokens, turns, wall, strict}`: limits of a run"),
    ("tracker-item", fields.TEXT, "", "the tracker's name of this job"),
    ("review-policy", fields.REVIEW_POLICY, "manual",
     "`auto` promotes from review without a verify; `{reviewers: [...]}` is recorded"),
    ("ship", fields.choice(Ship), "manual", "`auto` ships from testing by itself"),
    ("artifacts", GLOBS, "", "globs copied to the run's folder when it ends"),
    ("prefers", fields.WORDS, "", "recorded"),
    ("repo", fields.TEXT, "", "recorded"),
    ("baseBranch", fields.TEXT, "", "recorded"),
    ("kind", fields.TEXT, "", "recorded"),
)  # fmt: skip
KEYS = {
    name: Key(attribute=name.replace("baseB", "base_b").replace("-", "_"), kind=kind, default=default, meaning=text)
    for name, kind, default, text in _ROWS
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    """A job file read: what it means, its body, and what is odd about it (unknown keys)."""

    manifest: Manifest
    body: str
    warnings: tuple[Problem, ...] = ()
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict, compare=False)
    """Line and column of each key's value."""
    persona: str = ""
    """What the job's profile says to the agent before the body."""

    @property
    def title(self) -> str:
        """The first line that says something, without heading marks and control characters, cut at a length."""
        line = next((line for line in self.body.splitlines() if line.strip(" #\t")), "").strip(" #\t")
        return "".join(c if c.isprintable() else " " for c in line)[:LONGEST_TITLE].strip()


def parse(data: bytes, name: str, *, origin: str = "job") -> JobFile:
    """Read a job file. All problems are found in one go.

    Raises:
        ManifestError: one line `name:line:column: message` for each problem.
    """
    try:
        head, body = split(decode(data))
        pairs = read(head) if head else {}
    except NodeError as error:
        raise ManifestError(error.problem.at(name)) from None
    manifest, problems = typed(pairs, origin)
    errors = [problem.at(name) for problem in problems if not problem.warning]
    if errors:
        raise ManifestError("\n".join(errors))
    places = {key: (node.line, node.column) for key, (_, node) in pairs.items()}
    return JobFile(manifest=manifest, body=body, warnings=tuple(problems), places=places)


def typed(pairs: Mapping[str, tuple[Node, Node]], origin: str) -> tuple[Manifest, list[Problem]]:
    """Type the pairs of a frontmatter; what is wrong comes back beside what could be read."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    problems: list[Problem] = []
    for name, (place, node) in pairs.items():
        key = KEYS.get(name)
        if key is None:
            problems.append(Problem(place.line, place.column, f"unknown key '{name}'{_suggestion(name)}", warning=True))
            continue
        if node.value is None and (key.kind is not fields.PATH or node.text != "~"):
            continue  # `key:` with nothing after it says nothing
        try:
            values[key.attribute] = key.kind.parse(node)
            origins[name] = origin
        except NodeError as error:
            message = f"{name}: {error.problem.message}"
            problems.append(Problem(error.problem.line, error.problem.column, message))
    return Manifest(**values, origins=origins), problems


def render(manifest: Manifest, body: str) -> str:
    """Write a manifest and body as a job file; `parse` gives the same manifest and body back."""
    lines = [f"{name}: {KEYS[name].kind.show(getattr(manifest, KEYS[name].attribute))}\n" for name in manifest.origins]
    return "---\n" + "".join(lines) + "---\n" + body


def add_keys(text: str, values: Mapping[str, Any]) -> str:
    """Write keys into a file's frontmatter, after the ones it has; its body stays as it is to the byte.

    Raises:
        NodeError: the frontmatter as it is cannot be read.
    """
    lines = {name: KEYS[name].kind.show(value) for name, value in values.items()}
    head, body = split(text)
    if not lines:
        return text
    if not head and body == text:
        return f"---\n{insert(head, lines)}---\n{text}"
    opening = text[: text.index("\n") + 1]
    return opening + insert(head, lines) + text[len(opening) + len(head) :]


def _suggestion(name: str) -> str:
    near = difflib.get_close_matches(name, KEYS, n=1, cutoff=0.7)
    return f" (did you mean '{near[0]}'?)" if near else ""


def json_schema() -> dict[str, Any]:
    """The frontmatter as JSON Schema, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "agent-queue job frontmatter",
        "type": "object",
        "properties": {
            name: {**field_schemas.or_nothing(key.kind.schema), "description": key.meaning}
            for name, key in KEYS.items()
        },
    }
