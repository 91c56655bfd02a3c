"""A job file: its frontmatter as typed values, its body verbatim, and every way in which it can be wrong."""

from dataclasses import fields as attributes_of
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_queue.core.budget import Budget
from agent_queue.core.errors import ManifestError
from agent_queue.core.fields import ReviewPolicy
from agent_queue.core.frontmatter import Problem, split
from agent_queue.core.manifest import (
    EMPTY,
    KEYS,
    DepsMode,
    Dirty,
    JobFile,
    Manifest,
    Priority,
    Scope,
    Ship,
    Workspace,
    add_keys,
    json_schema,
    parse,
    render,
)
from agent_queue.core.outcome import Failure
from agent_queue.core.retry import Retry

from .strategies import bodies, manifest, manifests, said
from .test_frontmatter import HEADS

NAME = "fix-login.md"


def read(text: str) -> JobFile:
    return parse(text.encode(), NAME)


def error_of(data: bytes) -> str:
    with pytest.raises(ManifestError) as caught:
        parse(data, NAME)
    return str(caught.value)


def test_the_smallest_job_file() -> None:
    job = read("---\nengine: claude\ncwd: ~/code\nyolo: true\n---\nFix the login.\n")
    assert job == JobFile(
        manifest=Manifest(engine="claude", cwd="~/code", yolo=True), body="Fix the login.\n", warnings=()
    )
    assert job.manifest.origins == {"engine": "job", "cwd": "job", "yolo": "job"}


WHOLE = """\
---
engine: claude
engine-class: agentic-coder
prefers-engine: [codex, devin]
fallback: codex, gemini
model: opus
args: [--verbose, "-x y"]
cwd: ~/code
workspace: in-place
base: main
dirty: include
yolo: yes
lock: db
timeout: 45m
verify:
- make lint
- make test
verify-timeout: 10m
priority: high
capabilities: os:mac node>=20
profile: reviewer
allowed-scope: ["src/**"]
scope: enforce
deps: [a, b]
deps-mode: soft
idempotency-key: 12:30
retry: {max: 1, backoff: exp, on: [timeout]}
budget: {usd: 5, tokens: 2M}
tracker-item: "github:owner/repo#12"
review-policy: {reviewers: [ada]}
ship: auto
artifacts: dist/*.whl
prefers: fast
repo: owner/repo
baseBranch: main
kind: no
---
"""


def test_every_key_is_read() -> None:
    job = read(WHOLE)
    assert job.warnings == ()
    assert list(job.manifest.origins) == list(KEYS)
    assert job.manifest == Manifest(
        engine="claude", engine_class="agentic-coder", prefers_engine=("codex", "devin"), fallback=("codex", "gemini"),
        model="opus", args=("--verbose", "-x y"), cwd="~/code", workspace=Workspace.IN_PLACE, base="main",
        dirty=Dirty.INCLUDE, yolo=True, lock=("db",), timeout=2700.0, verify=("make lint", "make test"),
        verify_timeout=600.0, priority=Priority.HIGH, capabilities=("os:mac", "node>=20"), profile="reviewer",
        allowed_scope=("src/**",), scope=Scope.ENFORCE, deps=("a", "b"), deps_mode=DepsMode.SOFT,
        idempotency_key="12:30", retry=Retry(max_retries=1, backoff_s=None, on=(Failure.TIMEOUT,)),
        budget=Budget(usd=5.0, tokens=2_000_000), tracker_item="github:owner/repo#12",
        review_policy=ReviewPolicy(reviewers=("ada",)), ship=Ship.AUTO, artifacts=("dist/*.whl",), prefers=("fast",),
        repo="owner/repo", base_branch="main", kind="no",
    )  # fmt: skip


def test_every_attribute_has_a_key() -> None:
    assert {key.attribute for key in KEYS.values()} == {item.name for item in attributes_of(Manifest)} - {"origins"}
    assert all(key.meaning for key in KEYS.values())


def test_a_file_without_frontmatter_says_nothing() -> None:
    assert read("Just do it.\n") == JobFile(manifest=EMPTY, body="Just do it.\n")
    assert read("") == JobFile(manifest=EMPTY, body="")
    assert read("---\nengine:\nlock: ~\n---\n").manifest.origins == {}


def test_unknown_keys_warn_with_the_nearest_known_one_and_are_kept() -> None:
    job = read("---\nprioritty: high\nengine: claude\non: push\n12:30: x\n---\n")
    assert job.manifest == Manifest(engine="claude")
    assert job.warnings == (
        Problem(2, 1, "unknown key 'prioritty' (did you mean 'priority'?)", warning=True),
        Problem(4, 1, "unknown key 'on'", warning=True),
        Problem(5, 1, "unknown key '12:30'", warning=True),
    )
    assert job.warnings[0].at(NAME) == "fix-login.md:2:1: warning: unknown key 'prioritty' (did you mean 'priority'?)"


MESSAGES = {
    b"---\ntimeout: 12:30\n---\n": "2:10: timeout: expected a duration such as 90s, 45m, 2h or 1d",
    b"---\nengine: claude\n\npriority: urgent\n---\n":
        "4:11: priority: expected one of critical, high, medium, low, not 'urgent'",
    b"---\r\nyolo: maybe\r\n---\r\n": "2:7: yolo: expected true or false",
    b"---\nengine: [a]\n---\n": "2:9: engine: expected text",
    b"---\nbudget: {usd: 5, tokens: lots}\n---\n":
        "2:26: budget: expected a number above 0, such as 80, 200k or 2M",
    b"---\nretry:\n  max: 1\n  on: [crash, auth]\n---\n":
        "4:15: retry: cannot retry on 'auth'; possible are crash, timeout, stalled, verify_failed, budget_exceeded, "
        "rate_limited, overloaded, quota, context, max_turns, setup_failed, scope_refused, out_of_memory, agent_error",
    b"---\nengine: a\nengine: b\n---\n": "3:1: key 'engine' stands twice (first on line 2)",
    b"---\nengine: a\n'engine': b\n---\n": "3:1: key 'engine' stands twice (first on line 2)",
    b"---\nretry: {max: 1, max: 2}\n---\n": "2:17: key 'max' stands twice (first on line 2)",
    b"---\nengine: &e claude\n---\n": "2:9: YAML anchors and aliases are not supported; write the value out",
    b"---\n&k engine: claude\n---\n": "2:1: YAML anchors and aliases are not supported; write the value out",
    b"---\nlock: &l [a]\n---\n": "2:7: YAML anchors and aliases are not supported; write the value out",
    b"---\nengine: *e\n---\n": "2:9: YAML anchors and aliases are not supported; write the value out",
    b"---\nverify: ! grep TODO src\n---\n": "2:9: to YAML a '!' in front is a tag, and no part of the text; "
    "put the text in quotes",
    b"---\nverify: ! [ -f x ]\n---\n": "2:9: to YAML a '!' in front is a tag, and no part of the text; "
    "put the text in quotes",
    b"---\nengine: !!str 7\n---\n": "2:9: YAML tags are not supported; write a plain value",
    b"---\nbudget: !!python/object:os.system {}\n---\n": "2:9: YAML tags are not supported; write a plain value",
    b"---\nx: " + b"[" * 20 + b"]" * 20 + b"\n---\n": "2:23: nested deeper than 20 levels",
    b"---\nx: " + b"{a: " * 5000 + b"1" + b"}" * 5000 + b"\n---\n": "2:77: nested deeper than 20 levels",
    b"---\nx: '" + b"a" * 65_600 + b"'\n---\n":
        "1:1: the frontmatter is larger than 64 KiB; long text belongs in the body",
    b"---\nengine: caf\xe9\n---\n": "2:12: byte 0xe9 is not UTF-8; save the file as UTF-8",
    b"fine\nbody \xff\n": "2:6: byte 0xff is not UTF-8; save the file as UTF-8",
    b"---\nengine: a\x07\n---\n":
        "2:10: character U+0007 may not stand in frontmatter; in quotes, write \\u and its number",
    b"---\nengine: claude\nDo it.\n": "1:1: the frontmatter opened here is never closed; end it with a line '---'",
    b"---\n": "1:1: the frontmatter opened here is never closed; end it with a line '---'",
    b"---\nengine: a\n--- x\n---\n": "3:1: a second YAML document; frontmatter is one",
    b"---\nengine\n---\n": "2:1: the frontmatter must be lines of 'key: value'",
    b"---\n- engine\n---\n": "2:1: the frontmatter must be lines of 'key: value'",
    b"---\n? [a]\n: 1\n---\n": "2:3: a key must be plain text",
    b"---\nengine: a: b\n---\n": "2:10: mapping values are not allowed in this context",
    b"---\nengine: [a\n---\n": "3:1: did not find expected ',' or ']'",
    b'---\nengine: "\\0"\n---\n': "2:9: engine: text may not contain a NUL character",
}  # fmt: skip


@pytest.mark.parametrize(("data", "message"), MESSAGES.items(), ids=lambda value: repr(value)[:40])
def test_what_is_wrong_is_said_at_its_place(data: bytes, message: str) -> None:
    assert error_of(data) == f"fix-login.md:{message}"


def test_twenty_levels_and_64_kib_are_still_good() -> None:
    assert read("---\nx: " + "[" * 19 + "]" * 19 + "\n---\n").manifest == EMPTY
    assert read("---\nx: '" + "a" * 65_500 + "'\n---\n").manifest == EMPTY


def test_all_problems_are_found_in_one_go_and_warnings_are_none() -> None:
    assert error_of(b"---\nyolo: 1\nfoo: 2\ntimeout: 3\n---\n") == (
        "fix-login.md:2:7: yolo: expected true or false\n"
        "fix-login.md:4:10: timeout: expected a duration such as 90s, 45m, 2h or 1d"
    )


BODIES = {
    "empty": "",
    "no newline": "Do it.",
    "CRLF": "One.\r\n\r\nTwo.\r\n",
    "CR": "One.\rTwo.\r",
    "dashes": "---\na: b\n---\n",
    "longer dashes": "----\n",
    "blank lines": "\n\n \t\n",
    "NUL": "a\0b\n",
    "form feed": "a\f\v\x85\u2028b",
    "byte-order mark": "\ufeffDo it.\n",
    "no ASCII": "Mach es schön. \U0001f600\n",
    "300 KB": "0123456789abcd\n" * 20_000,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("head", ["---\nengine: claude\n---\n", "---\r\nengine: claude\r\n---\r\n", "---\n---\n"])
def test_the_body_is_kept_to_the_byte(head: str, body: str) -> None:
    assert read(head + body).body.encode() == body.encode()
    longer = add_keys(head + body, {"cwd": "/tmp"})
    assert longer.encode().endswith(body.encode())
    assert read(longer).body == body


@pytest.mark.parametrize(
    "body", [body for name, body in BODIES.items() if name not in ("dashes", "byte-order mark")]
)  # fmt: skip
def test_a_body_without_frontmatter_is_kept_to_the_byte(body: str) -> None:
    assert read(body).body.encode() == body.encode()
    assert add_keys(body, {"cwd": "/tmp"}) == f'---\ncwd: "/tmp"\n---\n{body}'


@given(manifests, bodies)
def test_what_is_rendered_parses_as_the_same(made: Manifest, body: str) -> None:
    job = parse(render(made, body).encode(), NAME)
    assert (job.manifest, job.manifest.origins, job.body, job.warnings) == (made, made.origins, body, ())


@given(said, said, bodies)
def test_added_keys_parse_and_change_nothing_else(there: dict[str, Any], added: dict[str, Any], body: str) -> None:
    longer = add_keys(render(manifest(there), body), added)
    assert longer.endswith(f"\n---\n{body}")
    assert read(longer).manifest == manifest(there | added)
    assert read(longer).body == body


@given(st.sampled_from(HEADS).map(lambda head: head if not head or head.endswith("\n") else f"{head}\n"), said, bodies)
def test_keys_can_be_added_to_whatever_parses(head: str, added: dict[str, Any], body: str) -> None:
    before = f"---\n{head}---\n{body}"
    longer = add_keys(before, added)
    assert split(longer)[1] == body
    assert {**vars_of(read(longer).manifest)} == {**vars_of(read(before).manifest), **vars_of(manifest(added))}


def vars_of(made: Manifest) -> dict[str, Any]:
    """What somebody said, by key."""
    return {name: getattr(made, KEYS[name].attribute) for name in made.origins}


@given(said, bodies.filter(lambda body: not body.startswith("---")))
def test_keys_can_be_added_where_there_is_no_frontmatter(added: dict[str, Any], body: str) -> None:
    longer = add_keys(body, added)
    assert longer.endswith(body)
    assert read(longer).manifest == manifest(added)


def test_adding_nothing_changes_nothing() -> None:
    assert add_keys("Do it.\n", {}) == "Do it.\n"
    assert add_keys("---\n---\nDo it.\n", {}) == "---\n---\nDo it.\n"


def test_added_keys_come_after_the_ones_that_are_there() -> None:
    text = "---\nengine: claude # the best\nfoo: bar\n---\nDo it.\n"
    assert add_keys(text, {"cwd": "/tmp", "yolo": True}) == (
        '---\nengine: claude # the best\nfoo: bar\ncwd: "/tmp"\nyolo: true\n---\nDo it.\n'
    )


@given(said, said)
def test_what_a_job_says_beats_its_defaults_key_by_key(own: dict[str, Any], defaults: dict[str, Any]) -> None:
    whole = manifest(own).under(manifest(defaults, "config"))
    assert whole == manifest(defaults | own)
    assert whole.origins == {name: "job" if name in own else "config" for name in {**own, **defaults}}


def test_the_effective_manifest_as_json_names_origins() -> None:
    whole = Manifest(engine="claude", origins={"engine": "job"}).under(
        Manifest(yolo=True, timeout=90.0, origins={"yolo": "config", "timeout": "profile:fast"})
    )
    assert whole.to_json() == {
        "engine": {"value": '"claude"', "origin": "job"},
        "timeout": {"value": "90s", "origin": "profile:fast"},
        "yolo": {"value": "true", "origin": "config"},
    }


def test_priorities_are_in_order() -> None:
    assert [priority.rank for priority in Priority] == [0, 1, 2, 3]
    assert min(Priority, key=lambda priority: priority.rank) is Priority.CRITICAL


def test_the_schema_describes_every_key() -> None:
    properties = json_schema()["properties"]
    assert list(properties) == list(KEYS)
    assert all(set(value) & {"type", "enum", "oneOf"} and value["description"] for value in properties.values())
    assert properties["priority"]["enum"] == ["critical", "high", "medium", "low"]


def test_a_tilde_alone_is_a_persons_home_and_not_nothing() -> None:
    assert parse(b"---\ncwd: ~\n---\nx", "a.md").manifest.cwd == "~"
    assert parse(b"---\ncwd:\n---\nx", "a.md").manifest.cwd is None


@pytest.mark.parametrize("key", ["timeout: 0s", "verify-timeout: 0m", "budget: {wall: 0s}"])
def test_a_limit_of_no_time_is_no_limit_that_anybody_means(key: str) -> None:
    with pytest.raises(ManifestError, match="expected a duration above 0"):
        parse(f"---\n{key}\n---\nx".encode(), "a.md")
