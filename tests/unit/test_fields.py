"""The kinds of value a manifest key can have: what each takes, refuses, and writes back."""

from typing import Any

import pytest
from hypothesis import given

from agent_queue.core import fields
from agent_queue.core.budget import Budget
from agent_queue.core.fields import LONGEST_S, RETRIED_BY_DEFAULT, Kind, ReviewPolicy, seconds, show_duration
from agent_queue.core.frontmatter import Node, NodeError, read
from agent_queue.core.manifest import KEYS
from agent_queue.core.outcome import Failure
from agent_queue.core.retry import NEVER, Retry

from .strategies import durations, values_of

DURATION = "expected a duration such as 90s, 45m, 2h or 1d"
COUNT = "expected a number above 0, such as 80, 200k or 2M"
AMOUNT = "expected an amount above 0, such as 5 or 0.25"
FLAG = "expected true or false"
TEXT = "expected text"
RETRY = "retry must be a mapping with max, backoff, on, stop_on_repeat"
RETRY_MAX = "retry.max must be a whole number from 0 to 1000"
REVIEW = "expected 'manual', 'auto' or {reviewers: [NAME, ...]}"
ON = ("possible are crash, timeout, stalled, verify_failed, budget_exceeded, rate_limited, overloaded, quota, context, "
      "max_turns, setup_failed, scope_refused, out_of_memory, agent_error")  # fmt: skip


def node(text: str) -> Node:
    return read(f"key: {text}\n")["key"][1]


def crashes(retries: int, **more: Any) -> Retry:
    return Retry(max_retries=retries, on=(Failure.CRASH,), **more)


@pytest.mark.parametrize(
    ("kind", "text", "meant"),
    [
        (fields.TEXT, "claude", "claude"),
        (fields.TEXT, "12:30", "12:30"),
        (fields.TEXT, "no", "no"),
        (fields.TEXT, "on", "on"),
        (fields.TEXT, "1.50", "1.50"),
        (fields.TEXT, "true", "true"),
        (fields.TEXT, "|\n  two\n  lines\n", "two\nlines\n"),
        (fields.FLAG, "true", True),
        (fields.FLAG, "Yes", True),
        (fields.FLAG, "on", True),
        (fields.FLAG, "no", False),
        (fields.FLAG, "'false'", False),
        (fields.FLAG, "OFF", False),
        (fields.DURATION, "90s", 90.0),
        (fields.DURATION, "45m", 2700.0),
        (fields.DURATION, "1.5 h", 5400.0),
        (fields.DURATION, "1d", 86400.0),
        (fields.DURATION, "3650d", LONGEST_S),
        (fields.TEXTS, "make test", ("make test",)),
        (fields.TEXTS, "[make, 'a, b', 7]", ("make", "a, b", "7")),
        (fields.TEXTS, "[]", ()),
        (fields.WORDS, "a, b c", ("a", "b", "c")),
        (fields.WORDS, "[a, 'b c ']", ("a", "b c")),
        (fields.RETRY, "none", NEVER),
        (fields.RETRY, "{max: 2}", Retry(max_retries=2, on=RETRIED_BY_DEFAULT)),
        (fields.RETRY, "{max: 1, backoff: exp, on: crash}", crashes(1, backoff_s=None)),
        (fields.RETRY, "{max: 1, backoff: 5m, on: [agent_error, crash]}", crashes(1, backoff_s=300.0)),
        (fields.RETRY, "{max: 1000, on: [crash], stop_on_repeat: yes}", crashes(1000, stop_on_repeat=True)),
        (fields.BUDGET, "{}", Budget()),
        (
            fields.BUDGET,
            "{usd: 5, tokens: 2M, turns: 80, wall: 4h, strict: true}",
            Budget(usd=5.0, tokens=2_000_000, turns=80, wall_s=14400.0, strict=True),
        ),
        (fields.BUDGET, "{usd: 0.25, tokens: 1.5 k}", Budget(usd=0.25, tokens=1500)),
        (fields.REVIEW_POLICY, "auto", ReviewPolicy(auto=True)),
        (fields.REVIEW_POLICY, "manual", ReviewPolicy()),
        (fields.REVIEW_POLICY, "{reviewers: ada bob}", ReviewPolicy(reviewers=("ada", "bob"))),
    ],
)
def test_what_is_taken(kind: Kind, text: str, meant: object) -> None:
    assert kind.parse(node(text)) == meant


@pytest.mark.parametrize(
    ("kind", "text", "column", "message"),
    [
        (fields.TEXT, "[a]", 6, TEXT),
        (fields.TEXT, "{a: b}", 6, TEXT),
        (fields.TEXT, "' '", 6, TEXT),
        (fields.TEXT, '"a\\0"', 6, "text may not contain a NUL character"),
        (fields.FLAG, "maybe", 6, FLAG),
        (fields.FLAG, "1", 6, FLAG),
        (fields.FLAG, "[true]", 6, FLAG),
        (fields.FLAG, "y", 6, FLAG),
        (fields.DURATION, "90", 6, DURATION),
        (fields.DURATION, "-5m", 6, DURATION),
        (fields.DURATION, "1w", 6, DURATION),
        (fields.DURATION, "1h30m", 6, DURATION),
        (fields.DURATION, "5M", 6, DURATION),
        (fields.DURATION, "[5m]", 6, DURATION),
        (fields.DURATION, "12:30", 6, DURATION),
        (fields.DURATION, "3651d", 6, DURATION),
        (fields.DURATION, "9" * 400 + "s", 6, DURATION),
        (fields.TEXTS, "[a, [b]]", 10, TEXT),
        (fields.TEXTS, "[a, null]", 10, TEXT),
        (fields.WORDS, "{a: b}", 6, TEXT),
        (fields.RETRY, "3", 6, RETRY),
        (fields.RETRY, "[max]", 6, RETRY),
        (fields.RETRY, "{}", 6, "retry needs 'max', the runs after the first, e.g. {max: 2, on: [verify_failed]}"),
        (fields.RETRY, "{max: -1}", 12, RETRY_MAX),
        (fields.RETRY, "{max: 1001}", 12, RETRY_MAX),
        (fields.RETRY, "{max: true}", 12, RETRY_MAX),
        (fields.RETRY, "{max: 1.0}", 12, RETRY_MAX),
        (fields.RETRY, "{max: '1'}", 12, RETRY_MAX),
        (fields.RETRY, "{max: 1, backoff: soon}", 24, DURATION),
        (fields.RETRY, "{max: 1, backoff: }", 24, DURATION),
        (fields.RETRY, "{max: 1, on: auth}", 19, f"cannot retry on 'auth'; {ON}"),
        (fields.RETRY, "{max: 1, on: [crash, machine]}", 27, f"cannot retry on 'machine'; {ON}"),
        (fields.RETRY, "{max: 1, on: {a: b}}", 19, f"cannot retry on ''; {ON}"),
        (fields.RETRY, "{max: 1, stop_on_repeat: 2}", 31, FLAG),
        (
            fields.RETRY,
            "{max: 1, times: 2}",
            15,
            "unknown key 'times' in retry; possible are max, backoff, on, stop_on_repeat",
        ),
        (fields.BUDGET, "5", 6, "budget must be a mapping with usd, tokens, turns, wall, strict"),
        (fields.BUDGET, "{eur: 5}", 7, "unknown key 'eur' in budget; possible are usd, tokens, turns, wall, strict"),
        (fields.BUDGET, "{usd: 0}", 12, AMOUNT),
        (fields.BUDGET, "{usd: -1}", 12, AMOUNT),
        (fields.BUDGET, "{usd: true}", 12, AMOUNT),
        (fields.BUDGET, "{usd: $5}", 12, AMOUNT),
        (fields.BUDGET, "{usd: 1e400}", 12, AMOUNT),
        (fields.BUDGET, "{usd: 1000000000}", 12, AMOUNT),
        (fields.BUDGET, "{tokens: 0}", 15, COUNT),
        (fields.BUDGET, "{tokens: 0.4}", 15, COUNT),
        (fields.BUDGET, "{tokens: 2G}", 15, COUNT),
        (fields.BUDGET, "{tokens: [2]}", 15, COUNT),
        (fields.BUDGET, "{tokens: 999999999999999M}", 15, COUNT),
        (fields.BUDGET, "{tokens: " + "9" * 400 + "}", 15, COUNT),
        (fields.BUDGET, "{turns: many}", 14, COUNT),
        (fields.BUDGET, "{wall: 4}", 13, DURATION),
        (fields.BUDGET, "{strict: 1}", 15, FLAG),
        (fields.REVIEW_POLICY, "never", 6, REVIEW),
        (fields.REVIEW_POLICY, "[auto]", 6, REVIEW),
        (fields.REVIEW_POLICY, "{by: ada}", 7, "unknown key 'by' in review-policy; possible are reviewers"),
        (fields.REVIEW_POLICY, "{reviewers: [[ada]]}", 19, TEXT),
        (KEYS["priority"].kind, "urgent", 6, "expected one of critical, high, medium, low, not 'urgent'"),
        (KEYS["priority"].kind, "High", 6, "expected one of critical, high, medium, low, not 'High'"),
        (KEYS["workspace"].kind, "[worktree]", 6, "expected one of worktree, in-place, not ''"),
    ],
)  # fmt: skip
def test_what_is_refused_and_where(kind: Kind, text: str, column: int, message: str) -> None:
    with pytest.raises(NodeError) as caught:
        kind.parse(node(text))
    problem = caught.value.problem
    assert (problem.line, problem.column, problem.message) == (2, column, message)


@pytest.mark.parametrize("name", {id(key.kind): name for name, key in KEYS.items()}.values())
def test_every_kind_writes_what_it_reads(name: str) -> None:
    kind = KEYS[name].kind

    @given(values_of(name))
    def holds(value: object) -> None:
        shown = kind.show(value)
        assert "\n" not in shown
        assert kind.parse(node(shown)) == value

    holds()


@given(durations)
def test_a_duration_is_written_exactly(value: float) -> None:
    assert seconds(show_duration(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0s"), (1.0, "1s"), (90.0, "90s"), (120.0, "2m"), (7200.0, "2h"), (172800.0, "2d"), (0.5, "0.5s")],
)
def test_a_duration_is_written_shortly(value: float, text: str) -> None:
    assert show_duration(value) == text


def test_values_are_written_the_way_people_write_them() -> None:
    assert fields.show(True) == "true"
    assert fields.show("grün: #1") == '"grün: #1"'
    assert fields.show(("a", "b")) == '["a", "b"]'
    assert fields.show_retry(crashes(2, backoff_s=None, stop_on_repeat=True)) == (
        "{max: 2, backoff: exp, on: [crash], stop_on_repeat: true}"
    )
    assert fields.show_budget(Budget(usd=5.0, wall_s=14400.0, strict=True)) == "{usd: 5.0, wall: 4h, strict: true}"
    assert fields.show_review_policy(ReviewPolicy(reviewers=("ada",))) == '{reviewers: ["ada"]}'
