"""What a job needs, and whether a host offers it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_queue.core.capabilities import met, parse, unmet, version

HOST = {
    "os": ("linux",),
    "arch": ("x86_64", "amd64"),
    "cpus": ("8",),
    "mem": ("16",),
    "engine": ("claude", "codex"),
    "claude": ("2.1.197 (Claude Code)",),
    "node": ("v20.11.1",),
    "git": ("git version 2.39.5",),
}


def lookup(key: str, value: str) -> tuple[str, ...]:
    if key == "has":
        return (value,) if value in ("git", "make") else ()
    return HOST.get(key, ())


@pytest.mark.parametrize(
    "token",
    [
        "os:any", "os:linux", "os:LINUX", "arch:amd64", "engine:claude", "has:git", "!has:docker", "node", "!java",
        "node>=20", "node>=20.11", "node=20", "node=20.11.1", "node<21", "node<=20.11.1", "node!=18", "node>20.9",
        "mem>=8", "cpus>4", "claude>=2.1", "git>2.9", "!os:mac",
    ],
)  # fmt: skip
def test_offered(token: str) -> None:
    assert unmet([token], lookup) == []


@pytest.mark.parametrize(
    "token",
    ["os:mac", "engine:gemini", "has:docker", "!has:git", "java", "java>=8", "node>=22", "node=21", "node!=20",
     "mem>=64", "node>20.11.1", "!os:any", "gemini>=1"],
)  # fmt: skip
def test_not_offered(token: str) -> None:
    assert unmet([token], lookup) == [token]


@pytest.mark.parametrize("token", ["", "!", ":x", "node>=", "node>=new", "a b", "node=>20", "has:", "-x"])
def test_what_cannot_be_read_is_no_capability_and_never_met(token: str) -> None:
    assert parse(token) is None
    assert unmet([token], lookup) == [token]


def test_versions_are_compared_as_versions() -> None:
    assert version("v20.11.1-rc.2") == (20, 11, 1)
    assert unmet(["tool>=20.9"], lambda _key, _value: ("20.11",)) == []
    assert unmet(["tool>=20.11"], lambda _key, _value: ("20.9",)) == ["tool>=20.11"]


def test_no_number_is_too_long_to_be_compared() -> None:
    digits = "9" * 5000
    assert unmet([f"tool>={digits}"], lambda _key, _value: ("20.11",)) == [f"tool>={digits}"]
    assert unmet(["tool>=20"], lambda _key, _value: (digits,)) == []


@given(st.from_regex(r"[a-z]{1,8}((:|=|>=|<)[0-9]{1,3})?", fullmatch=True))
def test_a_negation_is_met_exactly_when_the_need_is_not(text: str) -> None:
    need, negated = parse(text), parse(f"!{text}")
    assert need is not None
    assert negated is not None
    assert met(need, lookup) is not met(negated, lookup)
