"""What the properties are held against: outcomes, policies, manifests, journals, waiting jobs."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from agent_queue.core import fields
from agent_queue.core.budget import Budget
from agent_queue.core.choices import DepsMode, Dirty, Priority, Scope, Ship, Workspace
from agent_queue.core.fields import LONGEST_S, RETRIABLE, Kind, ReviewPolicy
from agent_queue.core.globs import GLOBS
from agent_queue.core.job import JobId, Result
from agent_queue.core.lifecycle import Policy
from agent_queue.core.manifest import KEYS, Manifest
from agent_queue.core.outcome import FAILURES, Broke, Done, Failure, Fault, Held, Refused
from agent_queue.core.retry import Retry
from agent_queue.core.schedule import Waiting

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
JOB = JobId("20260301-1200__fix-login")

failures = st.sampled_from(Failure)
own_failures = st.sampled_from([kind for kind, rule in FAILURES.items() if rule.fault is not Fault.MACHINE])
rolls = st.floats(0, 1, exclude_max=True)

durations = st.floats(0, LONGEST_S) | st.integers(0, int(LONGEST_S)).map(float)
limits = durations.filter(bool)
retries = st.builds(
    Retry,
    max_retries=st.integers(0, 5),
    backoff_s=st.none() | durations,
    on=st.lists(st.sampled_from(RETRIABLE), unique=True).map(tuple),
    stop_on_repeat=st.booleans(),
)
policies = st.builds(
    Policy,
    retry=retries,
    max_recoveries=st.integers(0, 4),
    verify=st.booleans(),
    auto_promote=st.booleans(),
    auto_ship=st.booleans(),
)

broken = st.builds(Broke, kind=failures, reason=st.just("it broke"))
held = st.builds(
    Held,
    reason=st.just("usage limit"),
    lane=st.sampled_from(["", "claude"]),
    until=st.integers(-86_400, 86_400).map(lambda seconds: NOW + timedelta(seconds=seconds)),
)
refused = st.builds(Refused, result=st.sampled_from([Result.CANCELLED, Result.NO_ENGINE]), reason=st.just("no"))
outcomes = st.one_of(st.just(Done()), broken, held, refused)

# Not st.characters(): its table of all Unicode takes two seconds to build where no cache of it lies yet.
_ODD = [chr(code) for code in [*range(1, 0x100), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF, 0x1F600, 0x10FFFF]]
_ANY = st.integers(1, 0x10FFFF).filter(lambda code: not 0xD800 <= code < 0xE000).map(chr)
letters = st.sampled_from(_ODD) | _ANY
texts = st.text(letters, min_size=1, max_size=20).filter(str.strip)
words = texts.map(str.strip)
bodies = st.text(letters | st.sampled_from("\r\n-"), max_size=60)

_VALUES: dict[int, st.SearchStrategy[Any]] = {
    id(fields.TEXT): texts,
    id(fields.PATH): texts | st.just("~"),
    id(fields.FLAG): st.booleans(),
    id(fields.DURATION): limits,
    id(fields.TEXTS): st.lists(texts, max_size=3).map(tuple),
    id(fields.WORDS): st.lists(words, max_size=3).map(tuple),
    id(fields.CAPABILITIES): st.lists(st.sampled_from(["has:git", "node>=20", "os:any", "!java"]), max_size=3).map(
        tuple
    ),
    id(GLOBS): st.lists(st.sampled_from(["src/**", "*.md", "dist", "a b/c", "'quoted'"]), min_size=1, max_size=3).map(
        tuple
    ),
    id(fields.RETRY): retries,
    id(fields.BUDGET): st.builds(
        Budget,
        usd=st.none() | st.floats(0, 10**9, exclude_min=True, exclude_max=True),
        tokens=st.none() | st.integers(1, 10**15 - 1),
        turns=st.none() | st.integers(1, 10**15 - 1),
        wall_s=st.none() | limits,
        strict=st.booleans(),
    ),
    id(fields.REVIEW_POLICY): st.builds(ReviewPolicy, auto=st.booleans())
    | st.builds(ReviewPolicy, reviewers=st.lists(words, min_size=1, max_size=3).map(tuple)),
}
_CHOICES = {
    "workspace": Workspace, "dirty": Dirty, "priority": Priority, "scope": Scope, "deps-mode": DepsMode, "ship": Ship,
}  # fmt: skip


def values_of(name: str) -> st.SearchStrategy[Any]:
    """Values that a key of the manifest can take."""
    kind: Kind = KEYS[name].kind
    return st.sampled_from(_CHOICES[name]) if name in _CHOICES else _VALUES[id(kind)]


said = st.lists(
    st.one_of([st.tuples(st.just(name), values_of(name)) for name in KEYS]), max_size=6, unique_by=lambda pair: pair[0]
).map(dict)
"""Keys that a file says, with typed values."""


def manifest(values: dict[str, Any], origin: str = "job") -> Manifest:
    """The manifest that says just these keys."""
    attributes = {KEYS[name].attribute: value for name, value in values.items()}
    return Manifest(**attributes, origins=dict.fromkeys(values, origin))


manifests = said.map(manifest)

waiting = st.builds(
    Waiting,
    rank=st.integers(0, 3),
    age=st.integers(0, 5),
    id=st.integers(0, 40).map(lambda number: JobId(f"job-{number}")),
    engines=st.sampled_from([(), ("claude",), ("codex",), ("shell",), ("claude", "codex")]),
    locks=st.sampled_from([(), ("a",), ("b",), ("a", "b"), ("c", "d")]),
    deps=st.sampled_from([(), (), (), ("dep-1",), ("dep-1", "dep-2")]),
    soft=st.booleans(),
    next_eligible=st.sampled_from([0.0, 0.0, 99.0, 100.0, 101.0]),
    fallback=st.sampled_from([(), (), ("codex",), ("claude", "codex")]),
    profile=st.sampled_from(["", "", "qa"]),
)
