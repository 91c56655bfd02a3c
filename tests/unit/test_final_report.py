"""What a failed job leaves for people, and how the same failure is known again."""

import pytest

from agent_queue.core.final_report import ADVICE, MOST_ROWS, Finished, final_report
from agent_queue.core.fingerprint import fingerprint
from agent_queue.core.history import Entry
from agent_queue.core.job import JobId, Result
from agent_queue.core.outcome import Failure


def begin(run: int) -> Entry:
    return {"event": "move", "move": "begin", "run": run}


def end(move: str, **more: object) -> Entry:
    return {"event": "move", "move": move, **more}


def found(**more: object) -> Finished:
    state = {"wip_branch": "aq/wip/a", "wip_base": "b" * 40, "wip_commit": "c" * 40, "files_changed": 2,
             "lines_added": 5, "lines_deleted": 1}  # fmt: skip
    told = {"job": JobId("a"), "result": Result.RETRIES_EXHAUSTED, "failure": Failure.VERIFY_FAILED,
            "reason": "gave up", "reasons": {1: "one | two", 2: "again"}, "state": state,
            "places": {"worktree": "/trees/a"}}  # fmt: skip
    return Finished(**{**told, **more})  # type: ignore[arg-type]


HISTORY: list[Entry] = [
    begin(1), {"event": "started", "engine": "claude", "started_at": 1_772_366_400.0},
    {"event": "ended", "exit": 0, "duration_s": 45.2}, {"event": "verified", "verify_exit": 2},
    end("retry", result="retry", failure="verify_failed"),
    begin(2), {"event": "ended", "exit": -9, "duration_s": 3.0, "stop": "timeout"},
    end("fail", result="retries_exhausted", failure="timeout"),
]  # fmt: skip


def test_every_attempt_is_told_with_its_end() -> None:
    text = final_report(found(), HISTORY)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows[1:] == [
        "| 1 | claude | 2026-03-01 12:00:00 | 45 s | verify_failed, verify exit 2, tried again, one \\| two |",
        "| 2 | - | - | 3 s | timeout, exit -9, stopped: timeout, again |",
    ]


def test_it_says_where_the_work_is_and_what_to_do() -> None:
    text = final_report(found(), HISTORY)
    assert text.startswith("# a: retries_exhausted\n\ngave up\n")
    assert "- branch: `aq/wip/a` (bbbbbbbbbbbb..cccccccccccc; 2 files, +5 -1); `aq diff a` shows it" in text
    assert "- worktree: `/trees/a`" in text
    assert f"- {ADVICE[Failure.VERIFY_FAILED]}" in text
    assert "`aq requeue a`" in text


def test_what_git_could_not_count_is_not_told_as_nothing() -> None:
    state = {"wip_branch": "aq/wip/a", "wip_base": "b" * 40, "wip_commit": "c" * 40, "files_changed": None}
    assert "cccccccccccc; changes not counted); `aq diff a`" in final_report(found(state=state), HISTORY)


def test_a_job_without_a_branch_or_a_failure_has_a_report_too() -> None:
    text = final_report(found(state={}, failure=None, result=Result.HELD_TOO_LONG, reason=""), [])
    assert "no branch" in text
    assert "`max_hold`" in text
    assert "No reason is known." in text


def test_a_job_held_for_too_long_is_told_what_for_and_what_to_do() -> None:
    text = final_report(found(failure=Failure.QUOTA, result=Result.HELD_TOO_LONG), [])
    assert f"- {ADVICE[Failure.QUOTA]}" in text
    assert "`max_hold`" in text


def test_of_a_hundred_runs_the_latest_are_told() -> None:
    history = [entry for run in range(1, 101) for entry in (begin(run), end("hold", result="held"))]
    text = final_report(found(reasons={}), history)
    assert "| ... | 70 runs before these |" in text
    assert f"| {100 - MOST_ROWS} |" not in text
    assert "| 100 | - | - | - | held, held, not charged |" in text


def test_there_is_advice_for_every_failure() -> None:
    assert set(ADVICE) == set(Failure)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("took 3.21s", "took 4.5s", True),
        ("at 0x7f3a09 in f", "at 0x55e1bc in f", True),
        ("commit 3f2a9c1d7e broke", "commit 77ab01ffe2 broke", True),
        ("\x1b[31mFAILED\x1b[0m a", "FAILED  a", True),
        ("FAILED test_a", "FAILED test_b", False),
        ("expected 3 rows", "expected 4 rows", True),
    ],
)
def test_what_varies_from_run_to_run_does_not_count(one: str, other: str, same: bool) -> None:
    assert (fingerprint(Failure.CRASH, one, "t") == fingerprint(Failure.CRASH, other, "t")) == same


def test_the_work_and_the_kind_of_failure_count() -> None:
    marks = {fingerprint(kind, "x", work) for kind in (Failure.CRASH, Failure.TIMEOUT) for work in ("t", "u")}
    assert len(marks) == 4
