"""A job's past is a fold of its journal."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_queue.core.history import ENTRY_KEYS, NEW, STATE_KEYS, History, fold, sound
from agent_queue.core.job import Stage
from agent_queue.core.lifecycle import Job, Policy, begin, by_hand, decide
from agent_queue.core.outcome import Broke, Failure

from .strategies import JOB, NOW, outcomes, policies

CLAIM: dict[str, Any] = {
    "event": "move", "seq": 1, "move": "begin", "from": "inbox", "to": "building", "run": 1, "attempts": 1,
    "recoveries": 0, "next_eligible": 0.0, "fresh": False,
}  # fmt: skip

stages = st.sampled_from(Stage)
numbers = st.integers(0, 9)
moves = st.fixed_dictionaries(
    {
        "event": st.sampled_from(["move", "moved_by_hand"]),
        "seq": numbers,
        "from": stages.map(str),
        "to": stages.map(str),
    },
    optional={"run": numbers, "attempts": numbers, "move": st.just("begin"), "fresh": st.booleans()},
)
moved = st.fixed_dictionaries({"event": st.just("moved"), "seq": numbers})
facts = st.fixed_dictionaries({"event": st.just("ended")}, optional={"exit": numbers, "model": st.just("opus")})
journals = st.lists(st.one_of(moves, moved, facts), max_size=12)
"""Lines in any order, also such as aq would never write."""

json_values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(["", "soon"]), st.just([]), st.just({})
)
foreign = st.dictionaries(
    st.sampled_from(["event", "seq", "from", "to", "move", "note", *STATE_KEYS]), json_values, max_size=6
)


def test_a_job_never_journaled_is_new() -> None:
    assert fold([]) == NEW == History()


def test_a_claim_and_its_end() -> None:
    past = fold([CLAIM])
    assert (past.stage, past.origin, past.unfinished) == (Stage.BUILDING, Stage.INBOX, True)
    assert (past.seq, past.kind, past.run, past.attempts) == (1, "begin", 1, 1)
    assert not fold([CLAIM, {"event": "moved", "seq": 1}]).unfinished


@pytest.mark.parametrize("seq", [0, 2, None, "1"])
def test_only_the_moves_own_number_finishes_it(seq: object) -> None:
    assert fold([CLAIM, {"event": "moved", "seq": seq}]).unfinished
    assert fold([CLAIM, {"event": "moved"}]).unfinished


def test_a_move_by_hand_is_never_unfinished() -> None:
    past = fold([CLAIM, {"event": "moved_by_hand", "seq": 2, "from": "building", "to": "failed"}])
    assert (past.stage, past.origin, past.unfinished) == (Stage.FAILED, Stage.BUILDING, False)


def test_the_last_value_wins_and_facts_stay() -> None:
    past = fold([{**CLAIM, "model": "opus"}, {"event": "ended", "exit": 1}, {"event": "ended", "exit": 0}])
    assert (past.state["model"], past.state["exit"]) == ("opus", 0)


@pytest.mark.parametrize("line", [
    {"to": "nowhere"}, {"from": None}, {"to": ["inbox"]}, {"from": {}, "to": 3}, {"to": ""},
])  # fmt: skip
def test_a_torn_move_is_counted_and_moves_nothing(line: dict[str, Any]) -> None:
    moved_on = fold([CLAIM, {"event": "move", "seq": 2, "from": "building", "to": "review", **line}], skipped=2)
    assert moved_on.skipped == 3
    assert (moved_on.seq, moved_on.stage, moved_on.origin) == (1, Stage.BUILDING, Stage.INBOX)


@given(journals, st.data())
def test_unknown_events_without_state_change_nothing(journal: list[dict[str, Any]], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(journal)))
    unknown = {
        "event": data.draw(st.sampled_from(["beat", "note", 7, None, ["move"]])),
        "seq": 1,
        "from": "inbox",
        "to": "failed",
    }
    assert fold([*journal[:place], unknown, *journal[place:]]) == fold(journal)


@given(journals, foreign)
def test_no_foreign_line_breaks_the_fold(journal: list[dict[str, Any]], line: dict[str, Any]) -> None:
    past = fold([*journal, line])
    assert past.run >= 0
    assert past.attempts >= 0
    assert 0 <= past.next_eligible < float("inf")
    assert by_hand(Job(id=JOB, stage=Stage.REVIEW, past=past)) is None or past.stage is not Stage.REVIEW


@pytest.mark.parametrize("value", ["soon", None, [], {}, float("nan"), float("inf"), -1, 1e300, 10**400, True])
def test_what_is_no_time_does_not_make_a_job_wait(value: object) -> None:
    assert fold([{**CLAIM, "next_eligible": value}]).next_eligible in (0.0, 1.0)


@pytest.mark.parametrize("value", ["soon", None, [], {}, float("nan"), float("inf"), -1, 1e300, 10**400, True])
def test_what_is_no_time_is_in_no_state_as_one(value: object) -> None:
    state = fold([CLAIM, {"event": "ended", "ended_at": value, "started_at": value, "exit": 1}]).state
    assert (state.keys() & {"started_at", "ended_at"}, state["exit"]) == (set(), 1)


def test_a_state_holds_single_values() -> None:
    assert fold([{"event": "ended", "result": ["crash"], "engine": {}, "model": "opus"}]).state == {"model": "opus"}


@pytest.mark.parametrize("value", ["3", None, -1, 1.5, True, [1]])
def test_what_is_no_count_counts_nothing(value: object) -> None:
    past = fold([{**CLAIM, "run": value, "attempts": value, "recoveries": value}])
    assert (past.run, past.attempts, past.recoveries) == (0, 0, 0)


@pytest.mark.parametrize("line", [
    {"run": "NaN"}, {"run": None}, {"run": 1}, {"run": True}, {"run": 2.5}, {"run": -7},
])  # fmt: skip
def test_no_line_makes_a_run_number_used_again(line: dict[str, Any]) -> None:
    past = fold([CLAIM, {**CLAIM, "seq": 2, "run": 5}, {"event": "from elsewhere", **line}])
    assert past.run == past.state["run"] == 5


def test_values_of_a_foreign_line_that_are_none_of_ours_are_passed_over_and_counted() -> None:
    known = {"engine": "claude", "tokens_in": 7, "started_at": 9.5, "exit": -9, "resume_id": None}
    wild = {"engine": 3, "tokens_in": "many", "started_at": float("nan"), "exit": "x", "cost_usd": {}, "wip_branch": []}
    past = fold([{"event": "ended", **known}, {"event": "zzz", **wild, "tokens_out": 2}])
    assert dict(past.state) == {**known, "tokens_out": 2}
    assert past.skipped == 1


@given(outcomes, policies)
def test_what_a_move_writes_is_what_the_fold_reads(outcome: Any, policy: Any) -> None:
    claim = begin(Job(id=JOB, stage=Stage.INBOX))
    job = Job(id=JOB, stage=Stage.BUILDING, past=fold([claim.entry()]))
    move = decide(job, outcome, policy, NOW, 0.5)
    past = fold([claim.entry(), move.entry()])
    assert (past.seq, past.kind, past.origin, past.stage) == (move.seq, move.kind, move.origin, move.target)
    assert (past.run, past.attempts, past.recoveries) == (move.run, move.attempts, move.recoveries)
    assert (past.next_eligible, past.fresh, past.unfinished) == (move.next_eligible, move.fresh, True)
    assert past.state.get("result") == move.result


@given(outcomes, policies)
def test_the_journal_holds_no_words(outcome: Any, policy: Any) -> None:
    job = Job(id=JOB, stage=Stage.BUILDING, past=fold([CLAIM]))
    entry = decide(job, outcome, policy, NOW, 0.5).entry()
    assert set(entry) <= ENTRY_KEYS
    assert all(isinstance(value, int | float) or " " not in value for value in entry.values())


@pytest.mark.parametrize(("key", "wrong", "right"), [
    ("duration_s", ["long", [], -1, 1e300, 10**400, float("nan")], [0, 1.5, None]),
    ("started_at", ["2026-03-01", 1e300, {}], [1772366400.0, None]),
    ("engine", [7, ["shell"], "a\nb", "\ud800"], ["shell", None]),
    ("tokens_in", [1.5, -1, "7", 2**70], [0, 7, None]),
    ("exit", ["1", 10**400], [-9, 0, 1, None]),
    ("at", [7, []], ["2026-03-01T12:00:00.000Z"]),
])  # fmt: skip
def test_a_value_that_its_key_cannot_have_is_passed_over(key: str, wrong: list[Any], right: list[Any]) -> None:
    for value in wrong:
        assert sound({"event": "ended", key: value, "note": []}) == {"event": "ended", "note": []}
    for value in right:
        entry = {"event": "ended", key: value}
        assert sound(entry) is entry


def test_the_schema_holds_all_state() -> None:
    assert set(STATE_KEYS) <= ENTRY_KEYS
    assert len(STATE_KEYS) == len(set(STATE_KEYS))


def test_the_reason_is_for_people_alone() -> None:
    job = Job(id=JOB, stage=Stage.BUILDING, past=fold([CLAIM]))
    move = decide(job, Broke(kind=Failure.CRASH, reason="said: secret"), Policy(), NOW, 0.0)
    assert move.reason == "said: secret"
    assert "secret" not in str(move.entry())
