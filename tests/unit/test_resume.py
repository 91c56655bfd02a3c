"""Whether a run goes on with the program's own conversation."""

from dataclasses import replace

import pytest

from agent_queue.core.history import History
from agent_queue.core.outcome import Failure
from agent_queue.core.resume import conversation

PAST = History(run=2, state={"resume_id": "c-1", "engine": "claude"})


@pytest.mark.parametrize("failure", [None, *Failure])
def test_every_failure_but_an_outgrown_context_goes_on(failure: Failure | None) -> None:
    expected = None if failure is Failure.CONTEXT else "c-1"
    assert conversation(PAST, engine="claude", failure=failure, resumed=False) == expected


def test_another_engine_a_fresh_start_and_an_unknown_conversation_begin_anew() -> None:
    assert conversation(PAST, engine="codex", failure=None, resumed=False) is None
    assert conversation(replace(PAST, fresh=True), engine="claude", failure=None, resumed=False) is None
    unknown = replace(PAST, state={"resume_id": None, "engine": "claude"})
    assert conversation(unknown, engine="claude", failure=None, resumed=False) is None


def test_a_conversation_that_crashed_when_gone_on_with_is_given_up() -> None:
    assert conversation(PAST, engine="claude", failure=Failure.CRASH, resumed=True) is None
    assert conversation(PAST, engine="claude", failure=Failure.TIMEOUT, resumed=True) == "c-1"
