"""How long the end of a run waits for items to be told, and what it waits for."""

from collections.abc import Callable
from typing import Any

import pytest

from agent_queue.flow.echo import Desk, Pass
from agent_queue.flow.echo_beside import GRACE_S, LONGEST_GRACE_S, PULL, TELL, EchoingEvents
from agent_queue.ports import Woken
from agent_queue.testing.clock import FakeClock


class Deeds:
    """Satisfies `ports.Events` for a supervisor that has no jobs: deeds end when a test says so, waiting takes time."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.begun: list[str] = []
        self.ended: list[tuple[str, Any]] = []
        self.signals: list[str] = []

    def watch_process(self, folder: str) -> bool:
        return False

    def later(self, key: str, deed: Callable[[], Any]) -> None:
        self.begun.append(key)

    beside = later

    def expecting(self) -> bool:
        return False

    def wait(self, timeout_s: float | None) -> Woken:
        ended, self.ended = self.ended, []
        if not ended:
            assert timeout_s is not None, "it would wait for ever"
            self.clock.advance(timeout_s)
        return Woken(ended=[], finished=ended, signals=self.signals, files=[])


def echoing(deeds: Deeds, answered_at: Callable[[], float] = lambda: 0.0, **said: Any) -> EchoingEvents:
    desk = Desk(queue=None, outbox=None, clock=deeds.clock, tracker=None, statuses={}, tell=print)  # type: ignore[arg-type]
    return EchoingEvents(deeds, desk, auto=True, answered_at=answered_at, **said)


@pytest.mark.parametrize(
    ("every_s", "hurried", "waited_s"),
    [
        (None, False, GRACE_S),  # nothing answers
        (GRACE_S / 2, False, LONGEST_GRACE_S),  # it answers, and never ends
        (GRACE_S / 2, True, GRACE_S),  # somebody waits
        (GRACE_S * 2, False, GRACE_S),  # too slow
    ],
)
def test_the_end_waits_as_long_as_answers_come(every_s: float | None, hurried: bool, waited_s: float) -> None:
    deeds = Deeds(FakeClock())
    now = deeds.clock.monotonic
    found = echoing(deeds, lambda: now() // every_s * every_s if every_s else 0.0)
    found.flush(hurried=hurried)
    assert TELL in deeds.begun
    assert now() == pytest.approx(waited_s, abs=GRACE_S / 2)


def test_a_signal_ends_the_waiting() -> None:
    deeds = Deeds(FakeClock())
    deeds.signals = ["SIGINT"]
    echoing(deeds).flush(hurried=False)
    assert deeds.clock.monotonic() <= GRACE_S


@pytest.mark.parametrize("come", [(PULL, None), (PULL, OSError("no")), (TELL, Pass(next_try=9e9, down=True))], ids=str)
def test_new_items_are_expected_until_they_were_taken_in_once(come: tuple[str, Any]) -> None:
    deeds = Deeds(FakeClock())
    found = echoing(deeds, pull=lambda: None, pull_every_s=60.0)
    assert found.expecting()
    if come[0] == PULL:
        deeds.ended = [(TELL, Pass())]
        found.wait(0)
        assert found.expecting()
    deeds.ended = [come]
    found.wait(0)
    assert not found.expecting()
    assert not echoing(deeds).expecting()
