"""What an ending means, before anybody decides where the job goes."""

import pytest

from agent_queue.core.fields import RETRIABLE
from agent_queue.core.job import Result
from agent_queue.core.outcome import FAILURES, Broke, Exit, Failure, Fault, Held, Outcome, Refused, StopReason, of_stop

from .strategies import NOW

STOPPED: dict[StopReason, Outcome] = {
    StopReason.TIMEOUT: Broke(kind=Failure.TIMEOUT, reason="stopped: the timeout passed"),
    StopReason.WALL: Broke(kind=Failure.BUDGET, reason="stopped: budget.wall was used up"),
    StopReason.BUDGET: Broke(kind=Failure.BUDGET, reason="stopped: a budget was used up"),
    StopReason.STALLED: Broke(kind=Failure.STALLED, reason="stopped: no sign of life"),
    StopReason.MEMORY: Broke(kind=Failure.MEMORY, reason="stopped: over the memory limit"),
    StopReason.CANCEL: Refused(result=Result.CANCELLED, reason="cancelled by a person"),
    StopReason.BY_HAND: Refused(result=Result.CANCELLED, reason="cancelled by a person"),
    StopReason.SHUTDOWN: Held(reason="the supervisor was told to stop now", lane="", until=NOW),
    StopReason.TERMINATED: Broke(
        kind=Failure.MACHINE, reason="the shim was told to end by somebody else, e.g. a shutdown"
    ),
}


@pytest.mark.parametrize("stop", StopReason)
def test_a_stop_is_judged_by_its_reason_alone(stop: StopReason) -> None:
    assert of_stop(stop, NOW) == STOPPED[stop]


def test_every_failure_class_has_one_row() -> None:
    assert set(FAILURES) == set(Failure)
    assert all(rule.meaning for rule in FAILURES.values())


def test_nothing_is_retried_for_a_person_or_the_machine() -> None:
    assert set(Failure) - set(RETRIABLE) == {Failure.AUTH, Failure.NO_PERMISSION, Failure.MACHINE}
    assert [kind for kind, rule in FAILURES.items() if rule.fault is Fault.MACHINE] == [Failure.MACHINE]


def test_a_failure_named_like_a_result_leaves_that_result() -> None:
    names = {result.value: result for result in Result}
    for failure, rule in FAILURES.items():
        assert rule.result is names.get(failure.value, rule.result)


@pytest.mark.parametrize(
    ("code", "signal", "error", "clean", "words"),
    [
        (0, None, "", True, "exit code 0"),
        (3, None, "", False, "exit code 3"),
        (None, 9, "", False, "signal 9"),
        (127, None, "no such file: claude", False, "could not be started: no such file: claude"),
    ],
)
def test_an_exit_in_words(code: int | None, signal: int | None, error: str, clean: bool, words: str) -> None:
    ended = Exit(code=code, signal=signal, duration_s=1.5, error=error)
    assert (ended.clean, str(ended)) == (clean, words)
