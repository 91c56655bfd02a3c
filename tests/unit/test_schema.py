"""The JSON Schema of a job file's frontmatter agrees with what reads it."""

from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from agent_queue.core.errors import ManifestError
from agent_queue.core.frontmatter import Node, read, split
from agent_queue.core.manifest import Manifest, json_schema, parse, render

from .strategies import manifests

VALIDATOR = Draft202012Validator(json_schema())

GOOD = [
    "tracker-item: 42", "verify: true", "verify: [make, true]", "retry: none", "lock: a, b", "lock: [a/b]", "yolo: no",
    "timeout: 1.5h", "timeout: 0.5 h", "budget: {tokens: 2M, turns: 80, usd: 0.25, wall: 4h, strict: false}",
    "retry: {max: 1, backoff: exp, on: crash}", "retry: {max: 0, backoff: 0s, on: [agent_error, timeout]}", "cwd: ~",
    "capabilities: os:mac node>=20, has:git", "capabilities: ['!has:docker', 'mem>=8', 'go!=1.20']", "base: 1234567",
    "review-policy: {reviewers: [ann, bob]}", "unheard-of: {a: 1}", "priority: low", "timeout:", "budget: ~",
    "yolo: YES", "timeout: ' 5m '", "capabilities: [' has:git ']", "budget: {tokens: 0.5k}", "allowed-scope: docs/**",
]  # fmt: skip
BAD = [
    "timeout: 90", "timeout: 0s", "timeout: 0.0h", "timeout: -5m", "timeout: soon", "priority: urgent",
    "yolo: perhaps", "capabilities: node>=", "capabilities: [has:git, 'node>=']", "retry: {on: [crash]}",
    "retry: {max: -1}", "retry: {max: 1, on: [auth]}", "retry: {max: 1, often: 2}", "budget: {usd: much}",
    "budget: {usd: 0}", "budget: {wall: 0s}", "workspace: elsewhere", "engine: [a, b]", "engine: ''", "verify: {a: b}",
    "review-policy: whenever", "ship: later", "scope: strict", "deps-mode: firm", "dirty: yes",
    "model: '  '", 'model: "a\\0b"', "lock: ','", "deps: [' ']", "verify: ['']", "allowed-scope: ../x",
    "artifacts: [/x]", "artifacts: [a/../b]", "allowed-scope: ':x'", "budget: {tokens: 0}", "budget: {tokens: 2G}",
    "budget: {usd: 1e9}", "budget: {turns: 0.5}",
]  # fmt: skip


def plain(node: Node) -> Any:
    """A value as a validator sees it, and as any YAML reader would give it."""
    match node.value:
        case dict() as pairs:
            return {key: plain(value) for key, (_, value) in pairs.items()}
        case list() as items:
            return [plain(item) for item in items]
        case value:
            return value


def problems(text: str) -> list[str]:
    values = {key: plain(value) for key, (_, value) in read(split(text)[0]).items()}
    return [error.message for error in VALIDATOR.iter_errors(values)]


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(json_schema())


@given(manifests)
def test_it_allows_every_manifest(manifest: Manifest) -> None:
    assert problems(render(manifest, "body")) == []


@pytest.mark.parametrize("line", GOOD)
def test_it_allows_what_can_be_read(line: str) -> None:
    text = f"---\n{line}\n---\nbody\n"
    parse(text.encode(), "a.md")
    assert problems(text) == []


@pytest.mark.parametrize("line", BAD)
def test_it_refuses_what_is_refused(line: str) -> None:
    with pytest.raises(ManifestError):
        parse(f"---\n{line}\n---\nbody\n".encode(), "a.md")
    assert problems(f"---\n{line}\n---\nbody\n")
