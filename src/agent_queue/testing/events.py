"""The place where a supervisor waits, with no waiting in it: time goes on at once to whatever comes next."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agent_queue.core.board import FileChange
from agent_queue.core.errors import AqError
from agent_queue.ports import Woken
from agent_queue.testing.machine import Machine
from agent_queue.testing.processes import FakeProcesses

ENDLESS = 100_000


@dataclass(slots=True)
class FakeEvents:
    """Satisfies `ports.Events`, for one supervisor."""

    machine: Machine
    processes: FakeProcesses
    watched: set[str] = field(default_factory=set)
    _deeds: list[tuple[str, Callable[[], Any]]] = field(default_factory=list)
    _signals: list[str] = field(default_factory=list)
    _told: int = -1
    _ended: int = -1
    _turns: int = 0

    def __post_init__(self) -> None:
        self._told, self._ended = len(self.machine.changes), len(self.processes.ended)

    def signal(self, name: str) -> None:
        """Somebody sends the supervisor a signal."""
        self._signals.append(name)

    def watch_process(self, folder: str) -> bool:
        if not self.processes.alive(folder):
            return False
        self.watched.add(folder)
        return True

    def later(self, key: str, deed: Callable[[], Any]) -> None:
        self._deeds.append((key, deed))

    def beside(self, key: str, deed: Callable[[], Any]) -> None:
        self.later(key, deed)

    def expecting(self) -> bool:
        return False

    def wait(self, timeout_s: float | None) -> Woken:
        """Let time pass until something happened, or `timeout_s` is over.

        Raises:
            RuntimeError: nothing will ever happen, or the supervisor never stops to ask.
        """
        self._turns += 1
        if self._turns > ENDLESS:
            raise RuntimeError("the supervisor turns in a circle")
        if self._deeds:
            self.machine.clock.advance(0)  # a deed takes its time: what is due by now happens before it is done
        finished = [(key, _done(deed)) for key, deed in self._deeds]
        self._deeds.clear()
        if not finished and not self._news():
            self._pass(timeout_s)
        woken = Woken(ended=self._ends(), finished=finished, signals=list(self._signals), files=self._files())
        self._signals.clear()
        return woken

    def _pass(self, timeout_s: float | None) -> None:
        alarm, clock = self.machine.clock.next_alarm(), self.machine.clock
        if alarm is None and timeout_s is None:
            raise RuntimeError("the supervisor would wait for ever")
        while alarm is not None and (timeout_s is None or alarm <= timeout_s):
            clock.advance(alarm)
            if self._news():
                return
            timeout_s = None if timeout_s is None else timeout_s - alarm
            alarm = clock.next_alarm()
        if timeout_s is not None:
            clock.advance(timeout_s)

    def _news(self) -> bool:
        ended = not self.watched.isdisjoint(self.processes.ended[self._ended :])
        return ended or bool(self._signals) or len(self.machine.changes) > self._told

    def _ends(self) -> list[str]:
        ended = [folder for folder in self.processes.ended[self._ended :] if folder in self.watched]
        self._ended = len(self.processes.ended)
        self.watched.difference_update(ended)
        return ended

    def _files(self) -> list[FileChange]:
        files = self.machine.changes[self._told :]
        self._told = len(self.machine.changes)
        return files


def _done(deed: Callable[[], Any]) -> Any:
    """A deed's value, or what it raised: carried to the loop. Any other error is a defect, and ends the test."""
    try:
        return deed()
    except (AqError, OSError) as error:
        return error
