"""Notes of the original tool become one entry of a journal, and nothing but sound values enters it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_queue.core.history import ENTRY_KEYS, fold
from agent_queue.core.imported import NOT_FACTS, NOTHING, READERS, entry, goes_to, kept
from agent_queue.core.insights import attempts
from agent_queue.core.job import Stage
from agent_queue.core.lifecycle import Job, Kind, begin, by_hand, requeue

NOTES = """\
attempts=1
attempts=2
result=failed
exit=7
tracker-item=T-9
next_eligible=2026-11-01T12:00:00Z
cost_usd=0.5
wip_base=0123456789abcdef
pid=42
pidstart=77
prompt=do the secret thing
tokens_in=many
no equals sign
"""


def entered(text: str, lay: Stage, *, logs: bool = False) -> dict[str, Any]:
    return entry(kept(text), lay, engine=None, logs=logs, source="ab")


def test_the_last_value_counts_and_what_is_unknown_or_unsound_is_counted() -> None:
    said = kept(NOTES)
    assert said.facts == {
        "attempts": 2, "exit": 7, "tracker_item": "T-9", "next_eligible": 1793534400.0, "cost_usd": 0.5,
        "wip_base": "0123456789abcdef",
    }  # fmt: skip
    assert (said.result, said.pid, said.began) == ("failed", 42, "77")
    assert said.unknown == {"prompt": 1, "(no key)": 1}
    assert said.unsound == {"tokens_in": 1}
    assert entered(NOTES, Stage.FAILED)["skipped"] == 3


@pytest.mark.parametrize(("text", "value"), [("3", 3), ("true", 1), ("no", 0), ("0", 0)])
def test_a_scope_warning_counts_paths_or_says_that_there_was_one(text: str, value: int) -> None:
    assert kept(f"scope_warning={text}\n").facts == {"scope_warning": value}


def test_an_empty_value_takes_the_key_back() -> None:
    assert kept("pid=42\nattempts=3\npid=\nattempts=\n") == NOTHING


def test_what_was_in_work_waits_again_with_one_attempt_more() -> None:
    found = entered("attempts=2\nresult=review\n", Stage.BUILDING)
    assert (found["stage"], found["attempts"], found["result"], found["run"]) == ("inbox", 3, "recovered", 1)
    assert entered("", Stage.BUILDING)["attempts"] == 1


@pytest.mark.parametrize(
    ("said", "lay", "result"),
    [
        ("failed", Stage.FAILED, "crash"), ("", Stage.FAILED, "crash"), ("retry", Stage.FAILED, "crash"),
        ("timeout", Stage.FAILED, "timeout"), ("no such word", Stage.FAILED, "crash"),
        ("review", Stage.FAILED, "rejected"), ("review", Stage.SHIPPED, "shipped"), ("", Stage.TESTING, "testing"),
        ("failed", Stage.REVIEW, "review"), ("failed", Stage.INBOX, "crash"), ("", Stage.INBOX, None),
    ],
)  # fmt: skip
def test_the_result_is_one_of_ours_and_fits_where_it_lay(said: str, lay: Stage, result: str | None) -> None:
    assert entered(f"result={said}\n", lay).get("result") == result


def test_only_a_job_that_ran_has_a_run() -> None:
    assert entered("tracker-item=T-1\n", Stage.INBOX)["run"] == 0
    assert entered("", Stage.INBOX, logs=True)["run"] == 1
    assert entered("attempts=1\n", Stage.INBOX)["run"] == 1
    assert entered("", Stage.SHIPPED)["run"] == 1


def test_an_imported_run_counts_in_the_figures() -> None:
    (run,) = attempts([entered("tokens_in=5\ntokens_out=2\nusage=exact\nresult=failed\n", Stage.FAILED)])
    assert (run.run, run.tokens_in, run.usage, run.result, run.over) == (1, 5, "exact", "crash", True)


def test_an_imported_job_lies_where_its_entry_says() -> None:
    past = fold([entered("attempts=2\n", Stage.FAILED), {"event": "moved", "seq": 0}])
    assert (past.stage, past.attempts, past.run, past.unfinished) == (Stage.FAILED, 2, 1, False)
    assert by_hand(Job(id="x", stage=Stage.FAILED, past=past)) is None
    again = fold([entered("", Stage.FAILED), requeue(Job(id="x", stage=Stage.FAILED, past=past)).entry()])
    assert begin(Job(id="x", stage=Stage.INBOX, past=again)).run == 2
    shipped = fold([entered("", Stage.SHIPPED)])
    move = by_hand(Job(id="x", stage=Stage.INBOX, past=shipped))
    assert move is not None
    assert move.kind is Kind.REBORN


lines = st.lists(
    st.tuples(st.sampled_from([*READERS, *NOT_FACTS, "prompt", ""]), st.sampled_from(["=", " = ", ""]), st.text()),
    max_size=8,
)


@given(lines, st.sampled_from(Stage))
def test_whatever_stands_there_the_entry_is_one_of_the_journal(said: list[tuple[str, str, str]], lay: Stage) -> None:
    found = entered("\n".join(map("".join, said)), lay)
    assert set(found) <= ENTRY_KEYS
    assert all(isinstance(value, int | float) or " " not in value for value in found.values())
    assert fold([found]).stage is goes_to(lay)
