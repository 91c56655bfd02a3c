"""An engine whose agent does what a test says: it reads plain words from the output instead of a program's stream."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from agent_queue.core.budget import COUNTED
from agent_queue.core.history import STATE_KEYS
from agent_queue.core.outcome import Broke, Done, Failure, Held, Outcome
from agent_queue.core.run import Assignment, Command, Ending, Event, EventKind, Host, Place, StopWay
from agent_queue.core.usage import Call


class ScriptedReader:
    """Satisfies `ports.Reader`. Lines of these forms mean something, all others are text:

    `held SECONDS REASON`: the outcome is a hold for so long. `broke FAILURE REASON`: it is this failure, e.g. timeout.
    `fact KEY VALUE`: a state key of the journal. `unknown`: the conversation to go on with is not known here.
    """

    def __init__(self, lane: str) -> None:
        self._lane = lane
        self._rest = b""
        self._facts: dict[str, Any] = {}
        self._said: tuple[str, str, str] | None = None
        self.sidecars: list[tuple[str, bytes]] = []

    def feed(self, data: bytes) -> Iterator[Event]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return iter([self._read(line.decode()) for line in lines if line])

    def sidecar(self, name: str, data: bytes) -> None:
        self.sidecars.append((name, data))

    def sessions(self) -> Sequence[str]:
        return [str(self._facts["resume_id"])] if self._facts.get("resume_id") else []

    def facts(self) -> Mapping[str, Any]:
        return self._facts

    def calls(self) -> Sequence[Call]:
        return ()

    def ending(self, ending: Ending) -> Outcome:
        match self._said:
            case ("held", seconds, reason):
                return Held(reason=reason, lane=self._lane, until=ending.now + timedelta(seconds=float(seconds)))
            case ("broke", failure, reason):
                return Broke(kind=Failure(failure), reason=reason)
            case _ if ending.exit.clean:
                return Done()
            case _:
                return Broke(kind=Failure.CRASH, reason=str(ending.exit))

    def _read(self, line: str) -> Event:
        word, first, rest = (*line.split(" ", 2), "", "")[:3]
        if word in ("held", "broke"):
            self._said = (word, first, rest)
            return Event(EventKind.ERROR, line)
        if word == "unknown":
            self._facts["resume_id"] = None
        if word == "fact" and first in STATE_KEYS:
            self._facts[first] = int(rest) if rest.isdigit() else rest
            return Event(EventKind.NOTE, line)
        return Event(EventKind.TEXT, line)


class ScriptedEngine:
    """Satisfies `ports.Engine`."""

    def __init__(
        self, name: str = "scripted", *, silent: bool = False, script: bool = False, live: tuple[str, ...] = COUNTED
    ) -> None:
        self.name = name
        self.programs: tuple[str, ...] = (name,)
        self.bin_variable = f"{name.upper()}_BIN"
        self.environment: tuple[str, ...] = (f"{name.upper()}_*",)
        self.stop = StopWay()
        self.silent = silent
        self.script = script
        self.live: tuple[str, ...] = live
        self.caps: tuple[str, ...] = ()
        self.hint = f"{name} is made of words; it cannot be installed"

    def command(self, assignment: Assignment, place: Place, host: Host) -> Command:  # noqa: ARG002 - the port's
        resumed = ("--resume", assignment.resume_id) if assignment.resume_id else ()
        return Command(argv=(assignment.program, *resumed, *assignment.args), stdin=assignment.prompt_file)

    def sidecars(self, assignment: Assignment, place: Place, env: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def interactive(self, program: str, conversation: str) -> tuple[str, ...]:
        return (program, "--resume", conversation)

    def reader(self) -> ScriptedReader:
        return ScriptedReader(self.name)
