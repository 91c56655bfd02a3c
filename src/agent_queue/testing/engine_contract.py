"""What every engine must keep to. An outsider's test: subclass `EngineContract`, return the engine, run pytest.

class TestMyAgent(EngineContract):
    samples = (Path("success.log").read_bytes(), Path("failure.log").read_bytes())

    def engine(self) -> Engine:
        return MyAgent()
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from agent_queue.core.budget import COUNTED, Budget
from agent_queue.core.history import STATE_KEYS
from agent_queue.core.job import JobId
from agent_queue.core.manifest import Manifest
from agent_queue.core.outcome import Broke, Done, Exit, Failure, Held, Outcome, Refused
from agent_queue.ports import Assignment, Command, Ending, Engine, Host, Place, Reader, StopWay

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PLACE = Place(cwd="/trees/fix-login", root="/trees/fix-login")
ASSIGNMENT = Assignment(
    job=JobId("fix-login"), run=1, program="/opt/bin/agent", manifest=Manifest(yolo=True), model=None, args=(),
    folder="/queue/runs/fix-login/1", prompt_file="/queue/runs/fix-login/1/prompt.md",
    session="0f8b2c1e-5d3a-4b6f-9a7c-2e1d4c3b5a69",
)  # fmt: skip
GARBAGE = (
    b"\x00\xff\xfe\n", b"\xc3\x28 half a character\n", b"{\n", b"[]\n", b"null\n", b'{"type":\n', b'{"type": 7}\n',
    b'{"type":"result"}\n', b'{"type":"error"}\n', b'{"type":"error","error":{"message":"no such file"}}\n',
    b"\n\n\r\n", b"\x1b[31mred\x1b[0m\n", b"[" * 100_000 + b"\n", b'{"a":' * 5_000 + b"\n",
    b'{"type":"result","usage":1e999}\n', b'{"session_id":"\\ud800","type":"assistant"}\n', b"9" * 10_000 + b"\n",
    b"no line end",
)  # fmt: skip
"""Lines that no program of the adapter's printed: wrappers, tools and crashes print such things."""
UNKNOWN_EXIT = 97


class Reading:
    """One reading of a log by a new reader, cut into pieces of the given size, or fed whole."""

    def __init__(self, reader: Reader, data: bytes, size: int | None, exit_: Exit) -> None:
        self.events = [event for piece in pieces(data, size) for event in reader.feed(piece)]
        self.outcome = reader.ending(ending(exit_))
        self.facts = dict(reader.facts())

    def same_as(self, other: "Reading") -> bool:
        return (self.events, self.outcome, self.facts) == (other.events, other.outcome, other.facts)


def pieces(data: bytes, size: int | None) -> Iterator[bytes]:
    """Cut bytes into pieces of `size`, None for one piece."""
    step = size or max(len(data), 1)
    yield from (data[start : start + step] for start in range(0, len(data), step))


def ending(exit_: Exit, *, changed: bool | None = None) -> Ending:
    return Ending(exit=exit_, changed=changed, now=NOW)


def ended(code: int = 0, *, signal: int | None = None) -> Exit:
    """An exit as a shim records it."""
    return Exit(code=None if signal else code, signal=signal, duration_s=1.0)


class EngineContract(ABC):
    """Tests that any engine passes. Override `engine`; give `samples` of real output, the more the better."""

    samples: tuple[bytes, ...] = ()
    takes_a_model = True
    """False for a program that has no model to choose."""
    resumes = True
    """False for a program that cannot go on with an earlier conversation."""
    has_modes = True
    """False for a program that asks for no permissions and offers no narrow mode."""

    @abstractmethod
    def engine(self) -> Engine:
        """The engine that is to be checked."""

    def test_it_says_who_it_is(self) -> None:
        engine = self.engine()
        assert re.fullmatch(r"[a-z][a-z0-9-]*", engine.name), "a name is a lane and a folder name: plain, in lower case"
        assert engine.programs, "name the files to look for on PATH"
        assert all(name and "/" not in name for name in engine.programs), "file names, no paths"
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*", engine.bin_variable)
        assert engine.hint, "say how to get the program"
        assert "\n" not in engine.hint, "the hint is one line"
        assert isinstance(engine.silent, bool)
        assert isinstance(engine.stop, StopWay)

    def test_its_environment_is_its_own(self) -> None:
        for pattern in self.engine().environment:
            assert re.fullmatch(r"[A-Z][A-Z0-9]*_[A-Z0-9_]*\*?|[A-Z][A-Z0-9_]*", pattern), f"too wide or odd: {pattern}"

    def test_its_command_depends_on_nothing_else(self) -> None:
        first, again, other = self.engine(), self.engine(), replace(ASSIGNMENT, job=JobId("other"), run=7)
        command = first.command(ASSIGNMENT, PLACE, Host())
        first.command(replace(other, resume_id="0f8b2c1e"), PLACE, Host(is_root=True))
        for engine in (first, again):
            assert engine.command(ASSIGNMENT, PLACE, Host()) == command, "the same assignment gave another command"

    def test_it_runs_the_program_that_was_found(self) -> None:
        """At once, or by a shell that makes what the program needs: its task in a form that it takes."""
        argv = self._command().argv
        assert ASSIGNMENT.program in (argv[0], *(argv[3:4] if argv[:2] == ("/bin/sh", "-c") else ()))

    def test_the_prompt_comes_by_file(self) -> None:
        """A prompt may be larger than an argument may be, and an argument is read by everybody on the machine."""
        for yolo in (True, False):
            command = self._command(manifest=Manifest(yolo=yolo))
            by_option = any(ASSIGNMENT.prompt_file in argument for argument in command.argv)
            assert (command.stdin == ASSIGNMENT.prompt_file) is not by_option, "by stdin or by an option, once"
            assert command.stdin in (None, ASSIGNMENT.prompt_file)

    def test_what_the_job_says_reaches_the_program(self) -> None:
        argv = self._command(model="some-model", args=("--first", "a b", "--second")).argv
        assert "\0--first\0a b\0--second\0" in "\0" + "\0".join(argv) + "\0", "args are passed in order and untouched"
        if self.takes_a_model:
            command = self._command(model="some-model")
            assert "some-model" in (*command.argv, *command.env.values())
        budget = Manifest(yolo=True, budget=Budget(usd=2.5, turns=40, tokens=1000))
        assert ASSIGNMENT.program in self._command(manifest=budget).argv, "a budget is no reason to fail"

    def test_the_limits_that_it_keeps_are_in_the_command(self) -> None:
        engine, without = self.engine(), self._command()
        assert {*engine.live, *engine.caps} <= {*COUNTED}
        for name, budget in {"usd": Budget(usd=2.5), "tokens": Budget(tokens=1000), "turns": Budget(turns=40)}.items():
            given = self._command(manifest=Manifest(yolo=True, budget=budget))
            assert (given != without) is (name in engine.caps), f"budget.{name}"

    def test_the_narrow_mode_is_another_command(self) -> None:
        if self.has_modes:
            assert self._command(manifest=Manifest(yolo=False)) != self._command()

    def test_it_goes_on_with_a_conversation(self) -> None:
        if self.resumes:
            argv = self._command(resume_id="conversation-7").argv
            assert any("conversation-7" in argument for argument in argv)
            assert ASSIGNMENT.session not in argv, "an old conversation has no new name"

    def test_a_person_can_go_on_with_its_conversation(self) -> None:
        argv = self.engine().interactive("/opt/bin/agent", "conversation-7")
        assert bool(argv) is self.resumes
        assert argv[:1] in ((), ("/opt/bin/agent",))
        assert not argv or any("conversation-7" in argument for argument in argv[1:])

    def test_side_files_are_named_without_looking(self) -> None:
        names = self.engine().sidecars(ASSIGNMENT, PLACE, {"HOME": "/home/somebody"})
        assert names == self.engine().sidecars(ASSIGNMENT, PLACE, {"HOME": "/home/somebody"})
        assert all(name.startswith("/") for name in names), "absolute paths"

    def test_the_cut_of_the_chunks_means_nothing(self) -> None:
        for data in (*self.samples, b"".join(GARBAGE), b""):
            whole = Reading(self.engine().reader(), data, None, ended())
            for size in (1, 7, 4096) if len(data) < 50_000 else (1021, 4096):
                cut = Reading(self.engine().reader(), data, size, ended())
                assert cut.same_as(whole), f"read in pieces of {size} bytes it told something else"

    def test_garbage_never_raises(self) -> None:
        for data in (*GARBAGE, *(sample[: len(sample) // 2] for sample in self.samples)):
            for exit_ in (ended(), ended(1), ended(signal=9), ended(UNKNOWN_EXIT)):
                told = Reading(self.engine().reader(), data, None, exit_)
                assert isinstance(told.outcome, Done | Broke | Held | Refused)
                self._check_facts(told.facts)
            reader = self.engine().reader()
            for name in ("/some/file.json", *self.engine().sidecars(ASSIGNMENT, PLACE, {"HOME": "/home/somebody"})):
                reader.sidecar(name, data)
            self._check_facts(reader.facts())

    def test_what_it_says_can_be_read(self) -> None:
        for data in (*self.samples, *GARBAGE):
            for event in Reading(self.engine().reader(), data, None, ended()).events:
                assert event.text.strip(), "an event without a word"
                assert event.text.encode().decode() == event.text
                assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", event.text), "a terminal would act on it"

    def test_without_a_word_the_exit_code_decides(self) -> None:
        """A person's wrapper, or a stub in place of the program, prints nothing that the adapter knows."""
        for data in (b"", b"all is well\n"):
            assert self._outcome(data, ended()) == Done()
            for exit_ in (ended(UNKNOWN_EXIT), ended(signal=9)):
                outcome = self._outcome(data, exit_)
                assert isinstance(outcome, Broke)
                assert outcome.kind is Failure.CRASH
                assert outcome.reason

    def test_what_it_used_adds_up(self) -> None:
        """Token counts say how sure they are, and are the sum of the calls where those are told."""
        for data in self.samples:
            reader = self.engine().reader()
            list(reader.feed(data))
            reader.ending(ending(ended()))
            facts, calls = reader.facts(), reader.calls()
            assert ("usage" in facts) == ("tokens_in" in facts or "tokens_out" in facts), "how sure they are"
            assert facts.get("tokens_cached", 0) <= facts.get("tokens_in", 0), "cached input is a part of the input"
            if calls and "tokens_in" in facts:
                assert sum(call.tokens_in for call in calls) == facts["tokens_in"]
                assert sum(call.tokens_out for call in calls) == facts["tokens_out"]

    def test_the_ending_can_be_asked_twice(self) -> None:
        for data in self.samples:
            reader = self.engine().reader()
            list(reader.feed(data))
            assert reader.ending(ending(ended())) == reader.ending(ending(ended()))

    def _command(self, **changes: Any) -> Command:
        return self.engine().command(replace(ASSIGNMENT, **changes), PLACE, Host())

    def _outcome(self, data: bytes, exit_: Exit) -> Outcome:
        return Reading(self.engine().reader(), data, None, exit_).outcome

    def _check_facts(self, facts: Mapping[str, Any]) -> None:
        assert set(facts) <= set(STATE_KEYS), "facts are state keys"
        assert json.loads(json.dumps(facts, allow_nan=False)) == dict(facts), "facts are plain JSON"
        assert facts.get("usage", "exact") in ("exact", "estimated", "unknown")
