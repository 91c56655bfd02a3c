"""Every adapter against the engine contract, and against what the real programs printed."""

import json
import subprocess
import tracemalloc
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_queue.core.budget import Budget
from agent_queue.core.manifest import Manifest
from agent_queue.core.outcome import Broke, Done, Exit, Failure, Held, Outcome
from agent_queue.engines import refusals
from agent_queue.engines.aider import Aider
from agent_queue.engines.claude import Claude
from agent_queue.engines.codex import Codex
from agent_queue.engines.copilot import Copilot
from agent_queue.engines.devin import Devin
from agent_queue.engines.gemini import Gemini
from agent_queue.engines.mini import Mini
from agent_queue.engines.opencode import OpenCode
from agent_queue.engines.openhands import OpenHands
from agent_queue.engines.pi import Pi
from agent_queue.engines.qwen import Qwen
from agent_queue.engines.shell import Shell
from agent_queue.engines.stream import LONGEST_LINE, Lines, event_in
from agent_queue.ports import Ending, Engine, Event, EventKind, Host, Place, StopWay, Target
from agent_queue.testing.engine_contract import ASSIGNMENT, PLACE, EngineContract, Reading, ended, pieces

RECORDINGS = Path(__file__).parent / "recordings"
NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
SIX = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
ENGINES: dict[str, Engine] = {
    engine.name: engine
    for engine in (
        Aider(),
        Claude(),
        Codex(),
        Copilot(),
        Devin(),
        Gemini(),
        Mini(),
        OpenCode(),
        OpenHands(),
        Pi(),
        Qwen(),
        Shell(),
    )
}

TOKENS = ("tokens_in", "tokens_cached", "tokens_out")
DONE, UNKNOWN = "done", "unknown"
OUTCOMES: dict[str, str] = {
    # case: the outcome's class, or when a hold ends
    "claude/ok": DONE,
    "claude/resume": DONE,
    "claude/cut_once": DONE,
    "claude/json": DONE,  # with --output-format json there is a result and nothing before it
    "claude/subscription_ok": DONE,
    "claude/subscription_limit": f"held until {SIX}",  # by the event's seconds, not by the text's hour
    "claude/usage_limit": Failure.RATE_LIMITED,  # with an API key nothing says more than 429
    "claude/ratelimit": Failure.RATE_LIMITED,
    "claude/overloaded": Failure.OVERLOADED,
    "claude/err500_gave_up": Failure.OVERLOADED,
    "claude/credit": Failure.QUOTA,
    "claude/badkey_gave_up": Failure.AUTH,
    "claude/no_login": Failure.AUTH,
    "claude/ctx": Failure.CONTEXT,
    "claude/helper": DONE,
    "claude/helper_killed": Failure.CRASH,
    "claude/max_turns": Failure.MAX_TURNS,
    "claude/max_budget": Failure.BUDGET,
    "claude/no_yolo": Failure.NO_PERMISSION,
    "claude/denied": Failure.NO_PERMISSION,
    "claude/gone": Failure.CRASH,
    "claude/root": Failure.CRASH,
    "claude/int_tool": Failure.CRASH,  # exit 0, and a result that says how it was interrupted
    "claude/term_tool": Failure.CRASH,
    # Ended by the recorder while it waited to try again: what it waited for is the better word than "signal".
    "claude/badkey": Failure.AUTH,
    "claude/err500": Failure.OVERLOADED,
    "claude/hang": Failure.CRASH,  # ended by the recorder before a word was said
    "codex/ok": DONE,
    "codex/resume": DONE,
    "codex/cut_once": DONE,
    "codex/narrow": DONE,
    "codex/helper": DONE,
    "codex/shortened": DONE,
    "codex/usage_limit": f"held until {SIX}",
    "codex/ratelimit": Failure.RATE_LIMITED,
    "codex/overloaded": Failure.OVERLOADED,
    "codex/err500": Failure.OVERLOADED,
    "codex/quota": Failure.QUOTA,
    "codex/badkey": Failure.AUTH,
    "codex/ctx": Failure.CONTEXT,
    "codex/no_yolo": Failure.NO_PERMISSION,
    "codex/gone": Failure.CRASH,
    "codex/int_tool": Failure.CRASH,
    "codex/term_tool": Failure.CRASH,
    "codex/hang": Failure.CRASH,  # ended by the recorder
    "gemini/ok": DONE,
    "gemini/resume": DONE,
    "gemini/narrow": DONE,
    "gemini/helper_killed": Failure.CRASH,
    "gemini/no_yolo": DONE,  # no tool is offered, so none is denied: nothing tells that work was left undone
    "gemini/denied": Failure.NO_PERMISSION,
    "gemini/usage_limit": Failure.QUOTA,  # a day's quota, and no word about when the day ends
    "gemini/quota": Failure.QUOTA,
    "gemini/ratelimit": Failure.RATE_LIMITED,
    "gemini/overloaded": Failure.OVERLOADED,
    "gemini/err500": Failure.OVERLOADED,
    "gemini/badkey": Failure.AUTH,
    "gemini/no_login": Failure.AUTH,
    "gemini/ctx": Failure.CONTEXT,
    "gemini/max_turns": Failure.MAX_TURNS,
    "gemini/cut_once": Failure.CRASH,
    "gemini/gone": Failure.CRASH,
    "gemini/untrusted": Failure.CRASH,
    "gemini/term_tool": Failure.CRASH,
    "qwen/ok": DONE,
    "qwen/resume": DONE,
    "qwen/narrow": DONE,
    "qwen/helper": DONE,
    "qwen/shortened": DONE,
    "qwen/denied": Failure.NO_PERMISSION,
    "qwen/badkey": Failure.AUTH,  # exit 0, result success
    "qwen/no_login": Failure.AUTH,
    "qwen/ctx": Failure.CONTEXT,  # exit 0, result success
    "qwen/err500": Failure.OVERLOADED,  # exit 0, result success
    "qwen/cut_once": Failure.CRASH,  # exit 0, result success
    "qwen/max_turns": Failure.MAX_TURNS,
    "qwen/gone": Failure.CRASH,
    "qwen/term_tool": Failure.CRASH,
    # Ended by the recorder: it says nothing while it tries again.
    "qwen/ratelimit": Failure.CRASH,
    "qwen/usage_limit": Failure.CRASH,
    "qwen/overloaded": Failure.CRASH,
    "opencode/ok": DONE,
    "opencode/resume": DONE,
    "opencode/cut_once": DONE,
    "opencode/narrow": DONE,
    "opencode/helper": DONE,
    "opencode/shortened": DONE,
    "opencode/denied": Failure.NO_PERMISSION,
    "opencode/rejected": Failure.NO_PERMISSION,  # it asked, nobody answered, and it stopped there with exit 0
    "opencode/ratelimit": Failure.RATE_LIMITED,
    "opencode/overloaded": Failure.OVERLOADED,
    "opencode/err500": Failure.OVERLOADED,
    "opencode/credit": Failure.QUOTA,
    "opencode/badkey": Failure.AUTH,
    "opencode/gone": Failure.CRASH,
    "opencode/term_tool": Failure.CRASH,
    "opencode/usage_limit": Failure.CRASH,  # ended by the recorder: it sleeps until the reset without a word
    "copilot/ok": DONE,
    "copilot/resume": DONE,
    "copilot/cut_once": DONE,
    "copilot/narrow": DONE,
    "copilot/shortened": DONE,
    "copilot/denied": Failure.NO_PERMISSION,
    "copilot/ratelimit": Failure.RATE_LIMITED,
    "copilot/usage_limit": Failure.QUOTA,  # it does not pass the reset on
    "copilot/quota": Failure.QUOTA,  # which it calls a rate limit
    "copilot/overloaded": Failure.OVERLOADED,
    "copilot/err500": Failure.OVERLOADED,
    "copilot/badkey": Failure.AUTH,
    "copilot/no_login": Failure.AUTH,
    "copilot/ctx": Failure.CONTEXT,
    "copilot/gone": Failure.CRASH,
    "copilot/term_tool": Failure.CRASH,
    "pi/ok": DONE,
    "pi/resume": DONE,
    "pi/cut_once": DONE,
    "pi/narrow": DONE,
    "pi/shortened": DONE,  # after its last answer, and it does not wait for that
    "pi/denied": Failure.NO_PERMISSION,
    "pi/ratelimit": Failure.RATE_LIMITED,  # exit 0
    "pi/overloaded": Failure.OVERLOADED,  # exit 0
    "pi/err500": Failure.OVERLOADED,  # exit 0
    "pi/credit": Failure.QUOTA,  # exit 0
    "pi/badkey": Failure.AUTH,  # exit 0
    "pi/no_login": Failure.AUTH,
    "pi/ctx": Failure.CONTEXT,  # exit 0
    "pi/gone": Failure.CRASH,
    "pi/other_folder": Failure.CRASH,  # exit 0: it asked on stderr, nobody answered, and it did nothing
    "pi/term_tool": Failure.CRASH,
    "pi/usage_limit": Failure.CRASH,  # ended by the recorder: it waits without a word
    "aider/ok": DONE,
    "aider/badkey": Failure.AUTH,  # exit 0
    "mini/ok": DONE,
    "mini/badkey": Failure.AUTH,
    "mini/term_tool": Failure.CRASH,
    "openhands/ok": DONE,
    "openhands/badkey": Failure.AUTH,  # exit 0
    "openhands/term_tool": Failure.CRASH,
}

INEXACT = {
    # what the stream alone does not tell for certain
    "copilot": "its usage file lacks what it took to shorten the conversation",
    "codex": "the whole thread's totals, and nothing says where this run began",
    "qwen/resume": "the whole session's; the answers of this run may lack hidden calls",
    "qwen/shortened": "the answers miss the call that shortened it",
    "qwen/helper": "the answers miss the helper's calls",
    "opencode/helper": "a helper's calls are told nowhere",
    "pi/shortened": "the call that shortened it is told nowhere",
    "qwen/max_turns": "there is no result; the answers may lack hidden calls",
    "opencode/rejected": "the last call is not told",
    "aider": "what it prints is rounded",
    "mini": "its output tells no tokens",
    "openhands": "its output tells no tokens",
}


@dataclass(frozen=True)
class Recording:
    case: str
    exit: Exit
    truth: dict[str, Any]
    log: bytes
    usage: bytes

    @property
    def engine(self) -> Engine:
        return ENGINES[self.case.partition("/")[0]]

    def told(self, *, changed: bool | None, now: datetime = NOW) -> tuple[Outcome, dict[str, Any], list[Event]]:
        reader = self.engine.reader()
        events = list(reader.feed(self.log))
        if self.usage:
            reader.sidecar("/queue/runs/fix-login/1/copilot-usage.json", self.usage)
        outcome = reader.ending(Ending(exit=self.exit, changed=changed, now=now))
        return outcome, dict(reader.facts()), events


def recording(case: str) -> Recording:
    folder = RECORDINGS / case
    code = int((folder / "exit").read_text())
    parts = [folder / name for name in ("stdout", "stderr")]
    side = folder / "usage.json"
    return Recording(
        case=case,
        exit=ended(code) if code >= 0 else ended(signal=-code),
        truth=json.loads((folder / "truth.json").read_text()),
        log=b"".join(part.read_bytes() for part in parts if part.exists()),
        usage=side.read_bytes() if side.exists() else b"",
    )


def logs(engine: str) -> tuple[bytes, ...]:
    return tuple(recording(case).log for case in OUTCOMES if case.startswith(f"{engine}/"))


def show(outcome: Outcome) -> str:
    match outcome:
        case Done():
            return DONE
        case Broke(kind=kind):
            return kind
        case Held(until=until):
            return f"held until {until.astimezone(UTC)}"
        case _:
            return repr(outcome)


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event, separators=(",", ":")).encode() + b"\n" for event in events)


class TestClaude(EngineContract):
    samples = logs("claude")

    def engine(self) -> Engine:
        return Claude()


class TestCodex(EngineContract):
    samples = logs("codex")

    def engine(self) -> Engine:
        return Codex()


class TestCopilot(EngineContract):
    samples = logs("copilot")

    def engine(self) -> Engine:
        return Copilot()


class TestDevin(EngineContract):
    def engine(self) -> Engine:
        return Devin()


class TestGemini(EngineContract):
    samples = logs("gemini")

    def engine(self) -> Engine:
        return Gemini()


class TestOpenCode(EngineContract):
    samples = logs("opencode")

    def engine(self) -> Engine:
        return OpenCode()


class TestPi(EngineContract):
    samples = logs("pi")

    def engine(self) -> Engine:
        return Pi()


class TestQwen(EngineContract):
    samples = logs("qwen")

    def engine(self) -> Engine:
        return Qwen()


class TestAider(EngineContract):
    resumes = False
    samples = logs("aider")

    def engine(self) -> Engine:
        return Aider()


class TestMini(EngineContract):
    resumes = False
    samples = logs("mini")

    def engine(self) -> Engine:
        return Mini()


class TestOpenHands(EngineContract):
    has_modes = False
    samples = logs("openhands")

    def engine(self) -> Engine:
        return OpenHands()


class TestShell(EngineContract):
    takes_a_model = resumes = has_modes = False
    samples = (b"compiling\nlinking\n\nall well\n", b"error: rate limit reached, unauthorized\n")

    def engine(self) -> Engine:
        return Shell()


def test_every_recording_is_in_the_table() -> None:
    found = {f"{folder.parent.name}/{folder.name}" for folder in RECORDINGS.glob("*/*") if folder.is_dir()}
    assert found == set(OUTCOMES)


@pytest.mark.parametrize("case", OUTCOMES)
def test_a_recording_is_judged(case: str) -> None:
    told = recording(case)
    outcome, _, _ = told.told(changed=told.truth["changed"])
    assert show(outcome) == OUTCOMES[case]
    if isinstance(outcome, Broke):
        assert outcome.reason
        assert "\n" not in outcome.reason
        assert len(outcome.reason) < 400


@pytest.mark.parametrize("case", OUTCOMES)
def test_usage_is_what_the_server_charged_or_no_more_than_an_estimate(case: str) -> None:
    """By the stream alone; test_engine_usage.py reads the side files too."""
    told = recording(case)
    outcome, facts, _ = told.told(changed=told.truth["changed"])
    sure = case not in INEXACT and told.engine.name not in INEXACT
    if sure and (outcome == Done() or OUTCOMES[case] == Failure.NO_PERMISSION):
        assert facts["usage"] == "exact"
    if not sure:
        assert facts.get("usage") != "exact"
    assert ("usage" in facts) == ("tokens_in" in facts) == ("tokens_out" in facts)
    if facts.get("usage") == "exact":
        assert {key: facts[key] for key in TOKENS} == {key: told.truth[key] for key in TOKENS}


@pytest.mark.parametrize("case", [case for case in OUTCOMES if case.endswith(("/ok", "/resume", "/cut_once"))])
def test_who_did_it_is_known(case: str) -> None:
    told = recording(case)
    _, facts, _ = told.told(changed=True)
    assert ("resume_id" in facts) is (told.engine.name not in ("aider", "mini")), "two programs cannot be resumed"
    unnamed = ("codex", "opencode", "mini", "openhands")
    assert ("model" in facts) is (told.engine.name not in unnamed), "some streams do not name it"
    assert facts.get("turns", told.truth["calls"]) == told.truth["calls"]
    if told.engine.name in ("aider", "mini"):
        return  # plain text: what is a tool call, nobody can tell
    assert facts["tool_calls"] == max(told.truth["calls"] - 1, 1)


@pytest.mark.parametrize("case", [case for case, kind in OUTCOMES.items() if kind == Failure.NO_PERMISSION])
def test_denied_tools_matter_when_nothing_was_changed(case: str) -> None:
    told = recording(case)
    assert show(told.told(changed=None)[0]) == Failure.NO_PERMISSION, "nothing in the stream says that it worked"
    half_done = case == "opencode/rejected"
    assert show(told.told(changed=True)[0]) == (Failure.CRASH if half_done else DONE)


def test_where_nobody_can_see_changes_an_edit_in_the_stream_counts() -> None:
    def reader_says(edit_failed: bool) -> Outcome:
        blocks = [{"type": "tool_use", "id": "a", "name": "Edit", "input": {}}]
        result = [{"type": "tool_result", "tool_use_id": "a", "is_error": edit_failed, "content": "x"}]
        common = {"session_id": "s-1", "parent_tool_use_id": None}
        log = lines(
            {"type": "assistant", "message": {"id": "m", "model": "opus", "content": blocks}, **common},
            {"type": "user", "message": {"content": result}, **common},
            {"type": "result", "subtype": "success", "permission_denials": [{"tool_name": "Bash"}], **common},
        )
        reader = Claude().reader()
        list(reader.feed(log))
        return reader.ending(Ending(exit=ended(), changed=None, now=NOW))

    assert reader_says(edit_failed=False) == Done()
    assert show(reader_says(edit_failed=True)) == Failure.NO_PERMISSION


@pytest.mark.parametrize("case", [case for case in OUTCOMES if case.endswith(("/gone", "/other_folder"))])
def test_a_conversation_that_is_gone_is_forgotten(case: str) -> None:
    """None, so that the next run begins anew instead of failing in the same way."""
    _, facts, _ = recording(case).told(changed=False)
    assert facts["resume_id"] is None


def test_before_its_first_answer_there_is_nothing_to_go_on_with() -> None:
    """Both programs were asked to, and said that there is no such conversation."""
    assert "resume_id" not in recording("gemini/usage_limit").told(changed=False)[1]
    assert "resume_id" not in recording("pi/usage_limit").told(changed=False)[1]
    assert recording("gemini/cut_once").told(changed=False)[1]["resume_id"]
    assert recording("pi/badkey").told(changed=False)[1]["resume_id"]


def test_a_killed_copilot_is_known_by_its_transcript() -> None:
    told = recording("copilot/term_tool")
    assert "resume_id" not in told.told(changed=True)[1]
    reader = told.engine.reader()
    list(reader.feed(told.log))
    start = lines({"type": "session.start", "data": {"sessionId": "0f8b-1"}}, {"type": "user.message", "data": {}})
    reader.sidecar("/home/me/.copilot/session-state/0f8b-1/events.jsonl", start)
    assert reader.facts()["resume_id"] == "0f8b-1"


def test_a_limit_ends_in_the_zone_that_the_program_means() -> None:
    """codex names a clock time and no zone: the machine's."""
    local = NOW.astimezone(ZoneInfo("America/New_York"))  # 23:00 of the day before
    outcome = recording("codex/usage_limit").told(changed=False, now=local)[0]
    assert isinstance(outcome, Held)
    assert outcome.until == datetime(2026, 11, 21, 6, 0, tzinfo=ZoneInfo("America/New_York"))
    assert outcome.lane == "codex"


def test_a_reset_is_told_as_the_program_told_it_also_when_it_has_passed() -> None:
    outcome = recording("claude/subscription_limit").told(changed=False, now=NOW + timedelta(days=3))[0]
    assert isinstance(outcome, Held)
    assert outcome.until == SIX


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("You've hit your session limit · resets 6am (UTC)", SIX),
        ("You've hit your limit · resets 7pm (Europe/Berlin)", datetime(2026, 11, 21, 18, 0, tzinfo=UTC)),
        ("You've hit your weekly limit · resets Nov 24, 5:30pm (UTC)", datetime(2026, 11, 24, 17, 30, tzinfo=UTC)),
        ("Claude AI usage limit reached|1795240800", SIX),
        ("usage limit. Try again at 6:00 AM.", SIX),
        ("usage limit, try again at Nov 24th, 2026 6:00 AM.", SIX + timedelta(days=3)),
        ("usage limit, try again at Jan 2nd, 6:00 AM.", datetime(2027, 1, 2, 6, 0, tzinfo=UTC)),
        ("usage limit. Try again in 2 days 1 hour 30 minutes.", NOW + timedelta(days=2, hours=1, minutes=30)),
        ("resets 3:58am", NOW - timedelta(minutes=2)),  # it has just come
        ("resets 3am", NOW + timedelta(hours=23)),
        ("resets 6am (Nowhere/Atall)", SIX),
        ("resets 6am (../../etc)", SIX),
        ("resets 12am (UTC)", NOW + timedelta(hours=20)),
        ("resets 12pm (UTC)", NOW + timedelta(hours=8)),
        ("resets 13pm", None),
        ("try again at Feb 31st, 6:00 AM", None),
        ("try again at the 5 6am", None),
        ("try again in 99999999999 days", None),
        ("try again later", None),
        ("", None),
    ],
)
def test_reset_times(text: str, until: datetime | None) -> None:
    assert refusals.reset_in(text, NOW) == until


def test_an_interrupted_wait_is_named_only_while_it_lasts() -> None:
    retry = {"type": "system", "subtype": "api_retry", "error": "overloaded", "error_status": 529, "session_id": "s"}
    answer = {"type": "assistant", "session_id": "s", "message": {"id": "m", "model": "opus", "content": []}}
    for log, kind in ((lines(retry), Failure.OVERLOADED), (lines(retry, answer), Failure.CRASH)):
        reader = Claude().reader()
        list(reader.feed(log))
        assert show(reader.ending(Ending(exit=ended(signal=15), changed=None, now=NOW))) == kind


def test_a_stream_that_has_begun_must_end() -> None:
    for case in ("claude/ok", "codex/ok", "gemini/ok", "qwen/ok", "opencode/ok", "copilot/ok", "pi/ok"):
        told = recording(case)
        half = told.log[: len(told.log) // 2]
        outcome = Reading(told.engine.reader(), half, None, ended()).outcome
        assert show(outcome) == Failure.CRASH, case


@pytest.mark.parametrize(
    "log",
    [
        b"warming up\n" + lines({"type": "result", "ok": True}),
        lines({"type": "error", "error": {"type": "overloaded_error"}}),
        lines({"type": "system", "text": "hello"}, {"type": "message", "role": "assistant"}),
        lines({"type": "session", "id": 7}, {"event": "done"}),
    ],
)
@pytest.mark.parametrize("name", ENGINES)
def test_what_a_wrapper_prints_is_no_sign(name: str, log: bytes) -> None:
    assert Reading(ENGINES[name].reader(), log, None, ended()).outcome == Done()


def test_text_without_a_line_end_may_stand_before_an_event() -> None:
    told = recording("claude/ok")
    head, _, result = told.log.rstrip(b"\n").rpartition(b"\n")
    reading = Reading(Claude().reader(), head + b"\nnpm warn old" + result + b"\n", None, ended())
    assert reading.outcome == Done()
    assert Event(EventKind.NOTE, "npm warn old") in reading.events
    assert reading.facts["usage"] == "exact"


def test_the_last_line_need_not_end() -> None:
    told = recording("claude/ok")
    reading = Reading(Claude().reader(), told.log.rstrip(b"\n"), None, ended())
    assert reading.outcome == Done()
    assert reading.facts["usage"] == "exact"


def test_a_warning_is_no_failure() -> None:
    """codex says so of a model that it does not know, and goes on."""
    outcome, _, events = recording("codex/ok").told(changed=True)
    assert outcome == Done()
    assert events[0].kind is EventKind.NOTE
    assert events[0].text.startswith("Model metadata")


def test_an_error_that_was_got_over_is_no_failure() -> None:
    told = recording("copilot/ok")
    error = lines({"type": "session.error", "data": {"errorType": "query", "message": "a helper failed"}})
    head, _, result = told.log.rstrip(b"\n").rpartition(b"\n")
    reading = Reading(Copilot().reader(), head + b"\n" + error + result, None, ended())
    assert reading.outcome == Done()


@pytest.mark.parametrize(("code", "kind"), [(41, Failure.AUTH), (53, Failure.MAX_TURNS), (42, Failure.CRASH)])
def test_exit_codes_of_gemini(code: int, kind: Failure) -> None:
    begun = recording("gemini/ok").log.partition(b"\n")[0]
    assert show(Reading(Gemini().reader(), begun, None, ended(code)).outcome) == kind


def test_a_limit_that_was_met_earlier_is_not_why_it_failed_later() -> None:
    limit = {"status": "rejected", "resetsAt": int(SIX.timestamp()), "rateLimitType": "seven_day_opus"}
    result = {"subtype": "success", "is_error": True, "api_error_status": 500, "result": "API Error: 500 oh no"}
    log = lines(
        {"type": "rate_limit_event", "session_id": "s", "rate_limit_info": limit},
        {"type": "result", "session_id": "s", **result},
    )
    assert show(Reading(Claude().reader(), log, None, ended(1)).outcome) == Failure.OVERLOADED


@pytest.mark.parametrize("seconds", [10**14, 10**30, -1, 0, "soon", None])
def test_a_reset_that_is_no_time_is_read_from_the_words(seconds: object) -> None:
    limit = {"status": "rejected", "resetsAt": seconds}
    result = {"is_error": True, "api_error_status": 429, "result": "You've hit your limit · resets 6am (UTC)"}
    log = lines(
        {"type": "rate_limit_event", "session_id": "s", "rate_limit_info": limit},
        {"type": "result", "session_id": "s", **result},
    )
    reader = Claude().reader()
    list(reader.feed(log))
    assert show(reader.ending(Ending(exit=ended(1), changed=False, now=NOW))) == f"held until {SIX}"


def test_nothing_reaches_a_terminal_that_acts_on_it() -> None:
    content = [{"type": "text", "text": "\ud800 red \x1b[31m\x1b]0;title\x07\x9b1m \u202e and\ttab\nline\x00"}]
    message = {"id": "m", "model": "opus", "content": content}
    reading = Reading(
        Claude().reader(), lines({"type": "assistant", "session_id": "s", "message": message}), 3, ended()
    )
    assert [event.text for event in reading.events] == ["\ufffd red 1m  and\ttab\nline"]


def test_what_people_read() -> None:
    told = recording("claude/ok").told(changed=True)[2]
    assert [(event.kind.value, event.text) for event in told] == [
        ("text", "I will create hello.txt now."),
        ("tool", "Write: hello.txt"),
        ("text", "I will create hello.txt now."),
        ("tool", "Bash: cat hello.txt > copy.txt 2>/dev/null || echo hello > copy.txt; echo done"),
        ("text", "MOCK-FINAL: created hello.txt"),
        ("result", "success"),
    ]


@pytest.mark.parametrize("name", ["codex", "gemini", "qwen", "opencode", "copilot", "pi"])
def test_everybody_is_read_alike(name: str) -> None:
    """However a program cuts its messages up or repeats them, each thing is said once."""
    events = [event for event in recording(f"{name}/ok").told(changed=True)[2] if event.kind is not EventKind.NOTE]
    kinds = [event.kind.value for event in events]
    assert kinds == ["text", "tool", "text", "tool", "text", "result"]
    assert events[0].text == "I will create hello.txt now."
    assert events[4].text == "MOCK-FINAL: created hello.txt"
    assert "hello.txt" in events[1].text
    assert "copy.txt" in events[3].text


FRESH = {
    "aider": "/trees/fix-login --message-file P --yes-always --no-auto-commits --no-dirty-commits --model M"
    " --no-check-update --no-show-release-notes --no-show-model-warnings --no-gitignore --no-pretty --no-stream"
    " --no-fancy-input --chat-history-file F/aider-chat.md --input-history-file F/aider-input --analytics"
    " --analytics-log F/aider-analytics.jsonl --analytics-posthog-host http://127.0.0.1:9",
    "claude": "-p --output-format stream-json --verbose --dangerously-skip-permissions --model M --session-id S",
    "codex": "exec --json --dangerously-bypass-approvals-and-sandbox --skip-git-repo-check -m M -",
    "copilot": "--output-format json --allow-all --no-ask-user --no-auto-update --usage-output-file U --model M"
    " --session-id S",
    "devin": "-p --prompt-file P --permission-mode dangerous --model M --respect-workspace-trust false",
    "gemini": "-o stream-json --yolo --skip-trust -m M --session-id S",
    "mini": "P F/mini-task.yaml -c mini.yaml -c F/mini-task.yaml -y --exit-immediately -m M -l 0"
    " -o F/mini-trajectory.json",
    "opencode": "run --format json --auto -m M --title fix-login",
    "openhands": "--headless --json --override-with-envs -f P",
    "pi": "-p --mode json --model M",
    "qwen": "-o stream-json -y -m M --session-id S",
}
NARROW = {
    "aider": ("--no-dirty-commits", "--no-dirty-commits --no-suggest-shell-commands"),
    "claude": ("--dangerously-skip-permissions", "--permission-mode acceptEdits"),
    "codex": ("--dangerously-bypass-approvals-and-sandbox", "-s workspace-write"),
    "copilot": ("--allow-all", "--allow-tool=write"),
    "devin": ("dangerous", "accept-edits"),
    "gemini": ("--yolo", "--approval-mode auto_edit"),
    "mini": (" -y", ""),
    "opencode": (" --auto", ""),
    "openhands": ("", ""),
    "pi": ("--model M", "--model M --tools read,edit,write,grep,find,ls"),
    "qwen": ("-y", "--approval-mode auto-edit"),
}
RESUMED: dict[str, tuple[tuple[str, str], ...]] = {
    "claude": (("--session-id S", "--resume R"),),
    "codex": (("exec", "exec resume"), ("--skip-git-repo-check -m M -", "--skip-git-repo-check -m M R -")),
    "copilot": (("--session-id S", "--resume=R"),),
    "devin": (("false", "false -r R"),),
    "gemini": (("--session-id S", "--resume R"),),
    "opencode": (("--title fix-login", "--session R"),),
    "openhands": (("-f P", "-f P --resume R"),),
    "pi": (("--model M", "--model M --session R"),),
    "qwen": (("--session-id S", "--resume R"),),
}


def words_of(name: str, **changes: Any) -> str:
    assignment = replace(ASSIGNMENT, model="M", **changes)
    command = ENGINES[name].command(assignment, PLACE, Host())
    text = " ".join(command.argv[command.argv.index(ASSIGNMENT.program) + 1 :])
    text = text.replace(ASSIGNMENT.session, "S").replace(ASSIGNMENT.prompt_file, "P")
    return text.replace(f"{ASSIGNMENT.folder}/copilot-usage.json", "U").replace(ASSIGNMENT.folder, "F")


@pytest.mark.parametrize("name", FRESH)
def test_the_exact_command(name: str) -> None:
    assert words_of(name) == FRESH[name]
    assert (ENGINES[name].command(ASSIGNMENT, PLACE, Host()).stdin is None) is (
        name in ("aider", "devin", "mini", "openhands")
    )


@pytest.mark.parametrize("name", FRESH)
def test_the_exact_narrow_command(name: str) -> None:
    wide, narrow = NARROW[name]
    assert words_of(name, manifest=Manifest(yolo=False)) == FRESH[name].replace(wide, narrow)


@pytest.mark.parametrize("name", RESUMED)
def test_the_exact_resumed_command(name: str) -> None:
    expected = FRESH[name]
    for old, new in RESUMED[name]:
        expected = expected.replace(old, new, 1)
    assert words_of(name, resume_id="R") == expected


def test_a_resumed_codex_keeps_its_sandbox() -> None:
    """`resume` takes no -s, and without a word it would fall back to a sandbox that cannot write."""
    argv = words_of("codex", resume_id="R", manifest=Manifest(yolo=False))
    assert argv == 'exec resume --json -c sandbox_mode="workspace-write" --skip-git-repo-check -m M R -'


def test_budgets_are_passed_to_programs_that_have_caps() -> None:
    budget = Manifest(yolo=True, budget=Budget(usd=0.25, turns=40))
    assert "--max-turns 40 --max-budget-usd 0.25" in words_of("claude", manifest=budget)
    assert "--max-session-turns 40" in words_of("qwen", manifest=budget)
    assert "--max-ai-credits 30" in words_of("copilot", manifest=budget)  # 25 cents, but it takes no less than 30
    dearer = Manifest(yolo=True, budget=Budget(usd=1.001))
    assert "--max-ai-credits 101" in words_of("copilot", manifest=dearer)
    assert "-l 0.25 " in words_of("mini", manifest=budget)
    assert words_of("mini", manifest=budget).endswith("-c agent.step_limit=40")
    for name in ("aider", "codex", "gemini", "opencode", "openhands", "pi", "devin"):
        assert words_of(name, manifest=budget) == FRESH[name]


def test_root_may_use_the_wide_mode_of_claude() -> None:
    def env(yolo: bool, is_root: bool) -> dict[str, str]:
        assignment = replace(ASSIGNMENT, manifest=Manifest(yolo=yolo))
        return dict(Claude().command(assignment, PLACE, Host(is_root=is_root)).env)

    assert env(yolo=True, is_root=True)["IS_SANDBOX"] == "1"
    assert "IS_SANDBOX" not in env(yolo=True, is_root=False)
    assert "IS_SANDBOX" not in env(yolo=False, is_root=True)


def test_a_persons_variables_do_not_widen_the_narrow_mode() -> None:
    narrow = replace(ASSIGNMENT, manifest=Manifest(yolo=False))
    assert Copilot().command(narrow, PLACE, Host()).env["COPILOT_ALLOW_ALL"] == "false"
    denied = json.loads(OpenCode().command(narrow, PLACE, Host()).env["OPENCODE_PERMISSION"])
    assert denied["bash"] == "deny"
    assert "OPENCODE_PERMISSION" not in OpenCode().command(ASSIGNMENT, PLACE, Host()).env


def test_only_claude_is_stopped_by_an_interrupt() -> None:
    for name, engine in ENGINES.items():
        expected = StopWay(signal="SIGINT", target=Target.LEADER) if name == "claude" else StopWay()
        assert engine.stop == expected
    assert StopWay() == StopWay(signal="SIGTERM", target=Target.GROUP)


def test_only_programs_that_print_nothing_may_be_silent() -> None:
    assert {name for name, engine in ENGINES.items() if engine.silent} == {"aider", "devin", "shell"}


def test_side_files_are_patterns_that_mean_one_file() -> None:
    assignment = replace(ASSIGNMENT, folder="/odd [folder]/*/1")
    usage, transcript = Copilot().sidecars(assignment, PLACE, {"HOME": "/home/me"})
    assert usage == "/odd [[]folder]/[*]/1/copilot-usage.json"
    assert transcript == f"/home/me/.copilot/session-state/{ASSIGNMENT.session}/events.jsonl"
    _, moved = Copilot().sidecars(replace(assignment, resume_id="R"), PLACE, {"COPILOT_HOME": "/c", "HOME": "/home/me"})
    assert moved == "/c/session-state/R/events.jsonl"


@pytest.mark.parametrize(
    ("body", "args", "code", "output"),
    [
        ("echo plain; exit 3", (), 3, "plain\n"),
        ('echo $0 $# "$1"', ("a b", "c"), 0, "{script} 2 a b\n"),
        ("#!/usr/bin/env python3\nimport sys; print(sys.argv[1:]); sys.exit(4)\n", ("x",), 4, "['x']\n"),
        ("\n\n#!/bin/sh -eu\nfalse\necho never\n", (), 1, ""),
        ("#!/bin/sh", (), 0, ""),
        ("", (), 0, ""),
        ("\n\n", (), 0, ""),
        ("false\necho went on\n", (), 0, "went on\n"),
        ("cat; echo nothing on stdin\n", (), 0, "nothing on stdin\n"),
        ("echo '*' *\n", (), 0, "* prompt.md\n"),
        ("#!/bin/echo *\n", (), 0, "* {script}\n"),
        ("#!/no/such/interpreter\n", (), 127, ""),
    ],
)
def test_a_shell_job_is_its_body(tmp_path: Path, body: str, args: tuple[str, ...], code: int, output: str) -> None:
    script = tmp_path / "prompt.md"
    script.write_text(body)
    assignment = replace(ASSIGNMENT, program="/bin/sh", prompt_file=str(script), args=args)
    command = Shell().command(assignment, Place(cwd=str(tmp_path)), Host())
    assert command.stdin is None
    ran = subprocess.run(command.argv, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (code, output.format(script=script))


def test_lines_are_cut_where_they_end() -> None:
    data = b"one\n\ntwo\r\nthree"
    for size in (1, 2, 5, None):
        cutter = Lines()
        found = [line for piece in pieces(data, size) for line in cutter.feed(piece)]
        assert [*found, *cutter.rest()] == [b"one", b"", b"two\r", b"three"]
        assert list(cutter.rest()) == []


def test_a_line_of_megabytes_is_read_whole() -> None:
    text = "word " * 300_000
    event = {"type": "assistant", "session_id": "s", "message": {"id": "m", "model": "opus", "content": []}}
    event["message"]["content"] = [{"type": "text", "text": text}]  # type: ignore[index]
    for size in (65_536, None):
        reading = Reading(Claude().reader(), lines(event), size, ended())
        assert reading.events[0].text.endswith(f"({len(text)} characters)")
        assert reading.facts["turns"] == 1


def test_a_line_without_end_takes_no_memory() -> None:
    piece = b"x" * (1 << 20)
    reader = Claude().reader()
    tracemalloc.start()
    try:
        for _ in range(8 * LONGEST_LINE // len(piece)):
            list(reader.feed(piece))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * LONGEST_LINE
    events = list(reader.feed(b"\n" + recording("claude/ok").log))
    assert events[0].text.endswith(f"(a line of {8 * LONGEST_LINE} bytes)")
    assert reader.ending(Ending(exit=ended(), changed=True, now=NOW)) == Done(), "the next line is read as ever"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(name=st.sampled_from(sorted(ENGINES)), data=st.binary(max_size=400), size=st.integers(1, 50))
def test_any_bytes_can_be_read(name: str, data: bytes, size: int) -> None:
    reading = Reading(ENGINES[name].reader(), data, size, ended())
    json.dumps(reading.facts, allow_nan=False)


@given(models=JSON, model=JSON, usage=JSON, calls=JSON)
def test_any_side_file_can_be_read(models: object, model: object, usage: object, calls: object) -> None:
    reader = Copilot().reader()
    for metrics in (models, {"m": model}, {"m": {"usage": usage, "requests": calls}}):
        reader.sidecar("/x/copilot-usage.json", json.dumps({"modelMetrics": metrics}).encode())
        reader.sidecar("/x/events.jsonl", json.dumps({"data": metrics}).encode())
        json.dumps(dict(reader.facts()), allow_nan=False)


@given(data=st.data(), case=st.sampled_from(sorted(OUTCOMES)), size=st.integers(1, 5_000))
def test_any_damage_can_be_read(data: st.DataObject, case: str, size: int) -> None:
    """Real events with some of their values replaced: every field of every event may be missing or of another kind."""

    def damage(value: object) -> object:
        if data.draw(st.integers(0, 7)) == 0:
            return data.draw(JSON)
        if isinstance(value, dict):
            return {key: inner if key in ("type", "session_id") else damage(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [damage(inner) for inner in value[:3]]
        return value

    told = recording(case)
    start = data.draw(st.integers(0, 20))
    events = [event for line in told.log.splitlines() if len(line) < 3_000 and (event := event_in(line)) is not None]
    first = told.log.partition(b"\n")[0]
    damaged = [first, *(json.dumps(damage(event)).encode() for event in events[start : start + 4]), b""]
    for exit_ in (ended(), ended(1)):
        reading = Reading(told.engine.reader(), b"\n".join(damaged), size, exit_)
        json.dumps(reading.facts, allow_nan=False)
        assert all(event.text for event in reading.events)
