"""The line by which any wrapper tells what a run used."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_queue.core.history import STATE_KEYS
from agent_queue.core.usage_line import LONGEST, UsageLines, with_line


def told(data: bytes, size: int | None = None) -> dict[str, Any]:
    lines = UsageLines()
    for start in range(0, len(data), size or max(len(data), 1)):
        lines.feed(data[start : start + (size or len(data))])
    return lines.facts()


ALL = {"tokens_in": 100, "tokens_cached": 60, "tokens_out": 7, "cost_usd": 0.25, "turns": 3, "tool_calls": 2,
       "model": "my-model"}  # fmt: skip


@pytest.mark.parametrize("size", [None, 1, 7])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_both_forms_say_the_same(size: int | None, end: bytes) -> None:
    pairs = " ".join(f"{key}={value}" for key, value in ALL.items()).encode()
    expected = {**ALL, "cost_basis": "reported", "usage": "estimated"}
    assert told(b"hello\nAQ_USAGE " + json.dumps(ALL).encode() + end, size) == expected
    assert told(b"hello\r\nAQ_USAGE " + pairs + end, size) == expected


@pytest.mark.parametrize("word", [b"usage=exact", b"exact", b"provenance=exact"])
def test_it_is_exact_only_when_it_says_so(word: bytes) -> None:
    assert told(b"AQ_USAGE tokens_in=5 " + word) == {"tokens_in": 5, "usage": "exact"}
    assert told(b'AQ_USAGE {"tokens_in": 5, "usage": "exact"}')["usage"] == "exact"
    assert told(b"AQ_USAGE tokens_in=5 usage=certain")["usage"] == "estimated"
    assert "usage" not in told(b"AQ_USAGE turns=5 exact"), "how sure the tokens are, and it tells none"


def test_the_last_one_that_says_anything_holds() -> None:
    assert told(b"AQ_USAGE tokens_in=5 turns=1\nAQ_USAGE tokens_in=9\nAQ_USAGE nonsense\nAQ_USAGE {\n") == {
        "tokens_in": 9, "usage": "estimated",
    }  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        b"I print AQ_USAGE tokens_in=5", b" AQ_USAGE tokens_in=5", b"AQ_USAGEtokens_in=5", b"AQ_USAGE", b"AQ_USAGE \n",
        b"AQ_USAGE tokens_in=-5 cost_usd=-1 turns=1.5 model='x;y' tool_calls=12k", b"AQ_USAGE tokens_in=1e9",
        b'AQ_USAGE {"tokens_in": true, "cost_usd": NaN, "turns": "many", "model": "a b", "tokens_out": 1e99}',
        b'AQ_USAGE [{"tokens_in": 5}]', b'AQ_USAGE {"prompt": "do it"}', b"AQ_USAGE " + b"[" * 5000,
        b"AQ_USAGE tokens_in=\xff\xfe",
    ],
)  # fmt: skip
def test_what_is_unsound_is_passed_over(line: bytes) -> None:
    assert told(line + b"\n") == {}


def test_a_bad_figure_spoils_no_other() -> None:
    assert told(b"AQ_USAGE tokens_in=50 tokens_cached=51 tokens_out=-1 turns=2") == {
        "tokens_in": 50, "turns": 2, "usage": "estimated",
    }  # fmt: skip


def test_colours_are_no_part_of_it() -> None:
    assert told(b"\x1b[32m\x1b[1mAQ_USAGE tokens_in=5\x1b[0m\n") == {"tokens_in": 5, "usage": "estimated"}


def test_a_line_without_end_takes_no_memory_and_hides_nothing_after_it() -> None:
    lines = UsageLines()
    for _ in range(64):
        lines.feed(b"AQ_USAGE tokens_in=1 " + b"x" * LONGEST)
    assert len(lines._open) <= LONGEST
    assert lines.facts() == {}
    lines.feed(b"\nAQ_USAGE tokens_in=5\n")
    assert lines.facts()["tokens_in"] == 5


def test_the_engines_own_figures_outrank_it() -> None:
    line = {"tokens_in": 5, "cost_usd": 1.0, "cost_basis": "reported", "turns": 9, "model": "m", "usage": "exact"}
    assert with_line({}, line) == line
    own = {"tokens_in": 7, "tokens_out": 1, "usage": "estimated", "turns": 2, "model": "opus"}
    assert with_line(own, line) == {**own, "cost_usd": 1.0, "cost_basis": "reported"}
    assert with_line({**own, "cost_usd": 2.0}, line)["cost_usd"] == 2.0


@given(data=st.binary(max_size=300), size=st.integers(1, 40), form=st.sampled_from([b"AQ_USAGE ", b"AQ_USAGE {", b""]))
def test_any_bytes_can_be_read(data: bytes, size: int, form: bytes) -> None:
    found = told(b"\n" + form + data, size)
    assert found == told(b"\n" + form + data)
    assert set(found) <= set(STATE_KEYS)
    json.dumps(found, allow_nan=False)
