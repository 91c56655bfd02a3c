"""What each engine's output and side files say that a run used, against what the model server charged for it."""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent_queue.core.outcome import Exit
from agent_queue.core.prices import Price
from agent_queue.engines.claude import Claude
from agent_queue.engines.codex import Codex, Rollout
from agent_queue.engines.copilot import Copilot
from agent_queue.engines.gemini import Gemini
from agent_queue.engines.opencode import OpenCode
from agent_queue.engines.qwen import Qwen
from agent_queue.engines.stream import JsonReader, event_in
from agent_queue.flow.read_log import read_log
from agent_queue.flow.reading import Reading
from agent_queue.ports import Engine, Host, Place
from agent_queue.system.prices import ListPrices
from agent_queue.testing.engine_contract import ASSIGNMENT, PLACE, ended

from .test_engines import ENGINES, OUTCOMES, RECORDINGS, TOKENS, lines, recording

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
PRICES = ListPrices({})
SIDES = ("transcript.jsonl", "helper.jsonl", "usage.json", "trajectory.json", "base_state.json", "analytics.jsonl")

NOT_EXACT = {
    # with all side files there are: why it is no more than an estimate, or unknown. Documented in reference/engines.md
    "an answer was under way, or none was ever given, when it was killed": (
        "claude/badkey", "claude/err500", "claude/hang", "codex/hang", "qwen/ratelimit", "qwen/usage_limit",
        "qwen/overloaded", "pi/usage_limit", "opencode/usage_limit",
    ),
    "it ended before it said a word": (
        "claude/root", "codex/gone", "copilot/gone", "copilot/no_login", "gemini/gone", "gemini/no_login",
        "gemini/untrusted", "opencode/gone", "pi/gone", "pi/no_login", "pi/other_folder", "qwen/gone",
    ),
    "a program without a side file tells the last call of a killed run nowhere": ("opencode/term_tool",),
    "it stopped at a question, and the call that asked is not told": ("opencode/rejected",),
    "a refused run tells no figures": (
        "opencode/badkey", "opencode/err500", "opencode/ratelimit", "opencode/overloaded", "opencode/credit",
    ),
    "it shortened the conversation, and does not tell what that took": ("pi/ctx", "pi/shortened"),
    "what a helper used is told nowhere": ("opencode/helper",),
    "it was killed before it wrote down its last step": ("mini/term_tool",),
    "it was killed before its conversation was named": ("openhands/term_tool",),
    "its rollout is not among the recordings": ("codex/narrow", "codex/no_yolo", "codex/overloaded", "codex/quota"),
    "its log or state is not among the recordings": ("aider/badkey", "openhands/badkey"),
    "its transcript is not among the recordings": (
        "copilot/overloaded", "copilot/quota", "copilot/narrow", "copilot/denied", "qwen/max_turns",
    ),
}  # fmt: skip
HIDDEN = {"qwen/ctx": {"tokens_in": 501, "tokens_cached": 0, "tokens_out": 6}}
"""A call of the program's own, for a title: the server counts it apart."""


def told(case: str, *, sides: bool = True, model: str | None = None) -> dict[str, Any]:
    found = recording(case)
    reading = Reading(found.engine, PRICES, model)
    return read_log(reading, [found.log], side_files(case) if sides else (), found.exit, NOW)


def side_files(case: str) -> Iterator[tuple[str, bytes]]:
    folder = RECORDINGS / case
    yield from ((f"/somewhere/{name}", (folder / name).read_bytes()) for name in SIDES if (folder / name).exists())


@pytest.mark.parametrize("case", OUTCOMES)
def test_every_token_is_accounted_for(case: str) -> None:
    usage, truth = told(case)["usage"], recording(case).truth
    why = [reason for reason, cases in NOT_EXACT.items() if case in cases]
    assert (usage["provenance"] != "exact") == bool(why), usage
    if not why:
        told_of = [key for key in TOKENS if key != "tokens_cached" or not case.startswith("aider/")]
        expected = HIDDEN.get(case, truth)
        assert {key: usage[key] for key in told_of} == {key: expected[key] for key in told_of}
    elif usage["provenance"] == "unknown":
        assert [usage[key] for key in TOKENS] == [None, None, None], "never made up, never silently zero"


@pytest.mark.parametrize("name", ["claude", "codex", "copilot", "gemini", "qwen", "pi"])
def test_a_run_killed_in_a_tool_is_accounted_for(name: str) -> None:
    usage, truth = told(f"{name}/term_tool")["usage"], recording(f"{name}/term_tool").truth
    assert {key: usage[key] for key in TOKENS} == {key: truth[key] for key in TOKENS}
    assert usage["turns"] == truth["calls"] == 2


@pytest.mark.parametrize("name", ["claude", "codex", "copilot", "gemini", "qwen", "opencode", "pi"])
def test_earlier_runs_of_the_conversation_are_not_counted_again(name: str) -> None:
    fresh, resumed = told(f"{name}/ok")["usage"], told(f"{name}/resume")["usage"]
    assert resumed["provenance"] == "exact"
    assert [fresh[key] for key in TOKENS] == [resumed[key] for key in TOKENS]


def test_what_claude_says_that_it_cost() -> None:
    usage = told("claude/ok")["usage"]
    assert (usage["cost_usd"], usage["cost_basis"]) == (0.0323235, "reported")


def test_an_old_claude_tells_one_sum_and_its_cost() -> None:
    """Before `modelUsage` its last line had no more; that leaves out some calls, so it is an estimate."""
    case = recording("claude/ok")
    *others, last = case.log.splitlines()
    end = json.loads(last)
    del end["modelUsage"]
    log = b"\n".join([*others, json.dumps(end).encode()])
    usage = read_log(Reading(Claude(), PRICES), [log], (), ended(), NOW)["usage"]
    assert {key: usage[key] for key in TOKENS} == {key: case.truth[key] for key in TOKENS}
    assert (usage["cost_usd"], usage["cost_basis"], usage["provenance"]) == (0.0323235, "reported", "estimated")
    assert usage["model"] == "claude-sonnet-4-5"


def test_list_prices_agree_with_what_claude_says() -> None:
    """A killed run has no figure of its own; its two calls cost what the interrupted one's did."""
    usage, interrupted = told("claude/term_tool")["usage"], told("claude/int_tool")["usage"]
    assert (usage["cost_usd"], usage["cost_basis"]) == (interrupted["cost_usd"], "computed")


def test_a_subscriptions_use_is_marked() -> None:
    usage = told("claude/subscription_ok")["usage"]
    assert (usage["cost_usd"], usage["cost_basis"]) == (0.0323235, "subscription")


def test_a_model_that_nobody_named_is_the_one_that_was_asked_for() -> None:
    assert told("opencode/ok")["usage"]["model"] is None
    assert (
        told("opencode/ok", model="anthropic/claude-sonnet-4-5[1m]")["usage"]["model"] == "anthropic/claude-sonnet-4-5"
    )
    assert told("codex/ok")["usage"]["model"] == "gpt-5.1-codex", "the rollout names it"


def test_a_cost_is_unknown_where_the_model_is() -> None:
    log = recording("opencode/ok").log.replace(b'"cost":0.0', b'"cost":0,"was":0.0')
    for model, cost in ((None, None), ("nobody/knows-it", None), ("anthropic/claude-sonnet-4-5", 0.0323235)):
        reading = Reading(OpenCode(), PRICES, model)
        assert read_log(reading, [log], (), ended(), NOW)["usage"]["cost_usd"] == cost


def test_each_call_is_priced_by_itself() -> None:
    """Ten calls of 150,000 tokens are no call of 1,500,000, which costs twice as much by the token."""
    answer = {"type": "gemini", "model": "gemini-2.5-pro", "tokens": {"input": 150_000, "output": 10, "total": 150_010}}
    transcript = lines({"sessionId": "s"}, *({"id": str(number), **answer} for number in range(10)))
    log = lines({"type": "init", "timestamp": "now", "session_id": "s", "model": "gemini-2.5-pro"})
    usage = read_log(Reading(Gemini(), PRICES), [log], [("/t.jsonl", transcript)], ended(1), NOW)["usage"]
    assert usage["tokens_in"] == 1_500_000
    assert usage["cost_usd"] == pytest.approx(1.5 * 1.25 + 100 * 10 / 1e6)


def test_a_person_knows_prices_better() -> None:
    price = Price(input=1.0, cached=0.5, written=2.0, output=10.0)
    reading = Reading(Codex(), ListPrices({"gpt-5.1-codex": price}))
    found = recording("codex/ok")
    usage = read_log(reading, [found.log], side_files("codex/ok"), found.exit, NOW)["usage"]
    assert usage["cost_usd"] == pytest.approx((3006 * 1.0 + 60060 * 0.5 + 126 * 10.0) / 1e6)


@pytest.mark.parametrize("case", [case for case in OUTCOMES if (RECORDINGS / case / "transcript.jsonl").exists()])
def test_a_side_file_may_be_read_again_and_may_be_damaged(case: str) -> None:
    """It is read while the run goes on, in the middle of a line; a later reading replaces an earlier one."""
    found, ((name, data), *_) = recording(case), list(side_files(case))
    reader = found.engine.reader()
    list(reader.feed(found.log))
    for size in range(0, len(data), max(len(data) // 7, 1)):
        reader.sidecar(name, data[:size])
        json.dumps(dict(reader.facts()))
    reader.sidecar(name, data.replace(b"\n", b"\r\n"))
    once = found.engine.reader()
    list(once.feed(found.log))
    once.sidecar(name, data)
    assert reader.facts() == once.facts()
    assert reader.calls() == once.calls()


def test_codex_before_its_records_of_usage() -> None:
    """Older rollouts hold running totals alone."""
    found = recording("codex/resume")
    data = (RECORDINGS / "codex/resume/transcript.jsonl").read_bytes().splitlines(keepends=True)
    older = b"".join(line for line in data if b"token_usage_record" not in line)
    usage = read_log(Reading(Codex(), PRICES), [found.log], [("/r", older)], found.exit, NOW)["usage"]
    assert [usage[key] for key in TOKENS] == [63066, 60060, 126]
    assert usage["provenance"] == "estimated"


def test_qwens_hidden_calls_are_this_runs_too() -> None:
    found = recording("qwen/ok")
    data = (RECORDINGS / "qwen/ok/transcript.jsonl").read_bytes()
    line = next(line for line in data.splitlines() if b"api_response" in line)
    hidden = json.loads(line)
    hidden["systemPayload"]["uiEvent"]["response_id"] = "another"
    usage = read_log(Reading(Qwen(), PRICES), [found.log], [("/t", data + lines(hidden))], found.exit, NOW)["usage"]
    assert usage["tokens_in"] == 63066 + hidden["systemPayload"]["uiEvent"]["input_token_count"]


def upto(data: bytes) -> bytes:
    """A rollout up to the last output of a tool; other transcripts as they are."""
    end = data.rfind(b'"function_call_output"')
    return data[: data.index(b"\n", end) + 1] if end >= 0 else data


def test_an_answer_under_way_makes_an_estimate() -> None:
    """The tool was done, so the model had been asked again when it was killed."""
    for name in ("claude", "codex", "gemini", "copilot", "qwen", "pi"):
        found = recording(f"{name}/ok")
        kept = found.log.splitlines(keepends=True)
        done = [number for number, line in enumerate(kept) if b"tool_result" in line or b'"item.completed"' in line
                or b"tool.execution_complete" in line or b'"tool_execution_end"' in line]  # fmt: skip
        cut = b"".join(kept[: done[-2 if name == "codex" else -1] + 1])
        sides = [(path, upto(data)) for path, data in side_files(f"{name}/ok") if "usage" not in path]
        usage = read_log(Reading(found.engine, PRICES), [cut], sides, Exit(code=None, signal=9, duration_s=1), NOW)
        assert usage["usage"]["provenance"] == "estimated", name


@pytest.mark.parametrize("name", ["claude", "codex", "copilot", "gemini", "qwen", "opencode", "pi"])
def test_a_log_of_two_runs_tells_both_or_is_no_more_than_an_estimate(name: str) -> None:
    """A wrapper that appends. The second goes on with another conversation, or with the same."""
    first, second = recording(f"{name}/ok"), recording(f"{name}/resume")
    usage = read_log(Reading(first.engine, PRICES), [first.log + second.log], (), ended(), NOW)["usage"]
    both = {key: first.truth[key] + second.truth[key] for key in TOKENS}
    assert (usage["provenance"] == "exact") is (name not in ("codex", "copilot"))
    assert usage["provenance"] == "unknown" or {key: usage[key] for key in TOKENS} == both
    if usage["cost_usd"] is not None:
        alone = [told(f"{name}/{case}")["usage"]["cost_usd"] for case in ("ok", "resume")]
        assert usage["cost_usd"] == pytest.approx(sum(alone))


@pytest.mark.parametrize("name", ["claude", "gemini"])
def test_a_log_whose_other_run_has_no_end_is_no_more_than_an_estimate(name: str) -> None:
    whole, broken = recording(f"{name}/resume"), recording(f"{name}/term_tool")
    for log in (broken.log + whole.log, whole.log + broken.log):
        usage = read_log(Reading(whole.engine, PRICES), [log], (), Exit(code=None, signal=15, duration_s=1), NOW)
        assert usage["usage"]["provenance"] == "estimated"


def test_claude_that_ends_its_turn_again_counts_on() -> None:
    """What ran in its background wakes it after its result; the next result holds the first one's figures."""
    log = recording("claude/ok").log
    end = json.loads(log.splitlines()[-1])
    answer = {"type": "assistant", "session_id": end["session_id"], "message": {
        "id": "msg_again", "model": "claude-sonnet-4-5", "content": [], "usage": {"input_tokens": 500},
    }}  # fmt: skip
    end["modelUsage"]["claude-sonnet-4-5"]["inputTokens"] += 500
    end["total_cost_usd"] += 0.0015
    usage = read_log(Reading(Claude(), PRICES), [log + lines(answer, end)], (), ended(), NOW)["usage"]
    assert [usage[key] for key in (*TOKENS, "turns", "provenance")] == [64_472, 60_060, 126, 4, "exact"]
    assert usage["cost_usd"] == pytest.approx(0.0338235)


def each_line(before: bytes, after: bytes) -> Callable[[bytes], bytes]:
    return lambda log: b"".join(before + line + after for line in log.splitlines())


WRAPPED: dict[str, Callable[[bytes], bytes]] = {
    "windows line ends": each_line(b"", b"\r\n"),
    "a mark of the byte order": lambda log: b"\xef\xbb\xbf" + log,
    "colours": each_line(b"\x1b[38;2;100;200;255m\x1b[2m", b"\x1b[0m\x1b[K\n"),
    "indented": each_line(b"  ", b"\n"),
    "the time": each_line(b"2026-11-21T04:00:00.000Z ", b"\n"),
    "a container's name": each_line(b"\x1b[36magent-1  | \x1b[0m", b"\n"),
    "a line of a megabyte": lambda log: log.replace(b"\n", b"\n" + b"x" * 1_000_000 + b"\n", 1),
    "the wrapper's own events": lambda log: b'{"type":"wrapper","text":"' + b"y" * 1_000_000 + b'"}\n' + log,
    "no last line end": lambda log: log.rstrip(b"\n"),
    "two bytes a letter": lambda log: log.decode(errors="replace").encode("utf-16"),
}


@pytest.mark.parametrize("how", WRAPPED)
@pytest.mark.parametrize(
    "case", [case for case in OUTCOMES if case.endswith(("/ok", "/badkey", "/helper", "/shortened"))]
)
def test_what_a_wrapper_does_to_a_log_changes_nothing(case: str, how: str) -> None:
    if case.startswith("aider/") and how in ("the time", "a container's name"):
        pytest.skip("its lines are plain text, known by how they begin")
    found, sides = recording(case), list(side_files(case))
    plain, wrapped = (
        read_log(Reading(found.engine, PRICES), [log], sides, found.exit, NOW)
        for log in (found.log, WRAPPED[how](found.log))
    )
    assert wrapped["usage"] == plain["usage"]
    assert wrapped["outcome"]["class"] == plain["outcome"]["class"]


CUT = [case for case in OUTCOMES if case.endswith(("/ok", "/resume", "/cut_once", "/helper", "/shortened"))]


@pytest.mark.parametrize("case", [case for case in CUT if case.partition("/")[0] not in ("aider", "mini")])
def test_a_log_that_breaks_off_anywhere_is_neither_a_success_nor_exact(case: str) -> None:
    """Up to the program's own end. Half a line is no reason to show anybody."""
    found, reader, end = recording(case), recording(case).engine.reader(), 0
    assert isinstance(reader, JsonReader)
    while not reader.ended:
        list(reader.feed(found.log[end : end + 1]))
        end += 1
    first = found.log.index(b"\n", found.log.index(b"{")) + 1
    for at in range(first, end, end // 40 + 1):
        told_of = read_log(Reading(found.engine, PRICES), [found.log[:at]], (), ended(), NOW)
        outcome, usage = told_of["outcome"], told_of["usage"]
        assert outcome["class"] == "crash", at
        assert "{" not in outcome["reason"]
        assert (usage["tokens_in"] or 0) <= found.truth["tokens_in"]
        torn = found.log[:at].rpartition(b"\n")[2]
        assert usage["provenance"] != "exact" or not torn or event_in(torn), at


def test_side_files_are_looked_for_in_the_programs_own_place() -> None:
    home = {"HOME": "/home/me"}
    session = ASSIGNMENT.session
    expected: dict[str, tuple[Engine, dict[str, str], tuple[str, ...]]] = {
        "codex": (Codex(), home, ("/home/me/.codex/sessions/*/*/*/rollout-*-{session}.jsonl",)),
        "codex moved": (Codex(), {"CODEX_HOME": "/[x]"}, ("/[[]x]/sessions/*/*/*/rollout-*-{session}.jsonl",)),
        "claude": (Claude(), home, ("/home/me/.claude/projects/*/{session}.jsonl",
                                    "/home/me/.claude/projects/*/{session}/subagents/*.jsonl")),
        "gemini": (Gemini(), home, (f"/home/me/.gemini/tmp/*/chats/session-*-{session[:8]}*.jsonl",
                                    f"/home/me/.gemini/tmp/*/chats/{session}/*.jsonl")),
        "qwen": (Qwen(), home, ("/home/me/.qwen/projects/*/chats/{session}.jsonl",)),
        "copilot": (Copilot(), home, (f"{ASSIGNMENT.folder}/copilot-usage.json",
                                      f"/home/me/.copilot/session-state/{session}/events.jsonl")),
    }  # fmt: skip
    for engine, env, globs in expected.values():
        assert engine.sidecars(ASSIGNMENT, PLACE, env) == globs


def test_a_conversations_name_leads_to_no_other_folder() -> None:
    looked: list[str] = []

    def look(pattern: str) -> list[tuple[str, bytes]]:
        looked.append(pattern)
        return []

    for session, expected in (("../../etc", []), ("a*", []), ("a-1", ["/x/a-1.jsonl"])):
        reading = Reading(Codex(), PRICES)
        list(reading.feed(lines({"type": "thread.started", "thread_id": session})))
        looked.clear()
        reading.side_files(["/x/{session}.jsonl"], look)
        assert looked == expected


@pytest.mark.parametrize("told", [5, "many", [1], {"input_tokens": "x"}, None])
def test_running_totals_that_are_none_are_passed_over(told: object) -> None:
    payload = {"type": "token_count", "info": {"total_token_usage": told}}
    rollout = Rollout(json.dumps({"type": "event_msg", "payload": payload}).encode())
    assert list(rollout.calls) == []


def test_the_assignment_s_resumed_session_is_looked_for() -> None:
    resumed = replace(ASSIGNMENT, resume_id="0f8b2c1e-aaaa")
    chats = "/h/.gemini/tmp/*/chats"
    globs = Gemini().sidecars(resumed, PLACE, {"HOME": "/h"})
    assert globs == (f"{chats}/session-*-0f8b2c1e*.jsonl", f"{chats}/0f8b2c1e-aaaa/*.jsonl")


def test_all_engines_are_here() -> None:
    assert {case.partition("/")[0] for case in OUTCOMES} <= set(ENGINES)


def test_what_aider_prints_is_an_estimate() -> None:
    usage = told("aider/ok", sides=False)["usage"]
    assert (usage["tokens_in"], usage["tokens_out"], usage["provenance"]) == (21_000, 41, "estimated")
    assert (usage["cost_usd"], usage["turns"], usage["model"]) == (0.01, 1, "openai/gpt-4.1")
    line = "Tokens: 1.2M sent, 3.4k cache hit, 512 received. Cost: $1.20 message, $2.50 session."
    log = f"Model: gpt-4.1 with diff\n{line}\n".encode()
    usage = read_log(Reading(ENGINES["aider"], PRICES), [log], (), ended(), NOW)["usage"]
    assert [usage[key] for key in ("tokens_in", "tokens_out", "cost_usd")] == [1_200_000, 512, 2.5]


def test_what_aider_got_over_is_no_failure() -> None:
    error, fine = b"litellm.RateLimitError: slow down\nRetrying in 0.2 seconds...\n", b"Tokens: 5 sent, 6 received.\n"
    for log, name in ((error, "rate_limited"), (error + fine, "ok"), (b"Model x has hit a token limit!\n", "context")):
        assert read_log(Reading(ENGINES["aider"], PRICES), [log], (), ended(), NOW)["outcome"]["class"] == name


@pytest.mark.parametrize(
    ("status", "limit", "name"),
    [
        ("Submitted", 0, "ok"), ("LimitsExceeded", 0, "budget"), ("LimitsExceeded", 3, "max_turns"),
        ("TimeExceeded", 0, "budget"), ("RepeatedFormatError", 0, "crash"), ("EOFError", 0, "no_permission"),
    ],
)  # fmt: skip
def test_how_mini_says_that_it_ended(status: str, limit: int, name: str) -> None:
    """With exit code 0, whatever it was."""
    data = json.loads((RECORDINGS / "mini/ok/trajectory.json").read_text())
    data["info"]["exit_status"] = status
    data["info"]["config"]["agent"]["step_limit"] = limit
    log = recording("mini/ok").log
    side = [("/t.json", json.dumps(data).encode())]
    found = read_log(Reading(ENGINES["mini"], PRICES), [log], side, ended(), NOW)
    assert found["outcome"]["class"] == name
    assert found["usage"]["provenance"] == "exact"


def test_how_mini_ended_stands_in_its_output_too() -> None:
    log = b"mini-swe-agent (step 2, $0.02):\nhello\n\nExit:\nLimitsExceeded\nSaved trajectory to 'x'\n"
    assert read_log(Reading(ENGINES["mini"], PRICES), [log], (), ended(), NOW)["outcome"]["class"] == "budget"


def test_a_killed_mini_lacks_its_last_step() -> None:
    data = json.loads((RECORDINGS / "mini/ok/trajectory.json").read_text())
    data["info"]["exit_status"] = ""
    side = [("/t.json", json.dumps(data).encode())]
    found = read_log(Reading(ENGINES["mini"], PRICES), [recording("mini/ok").log], side, ended(signal=15), NOW)
    assert (found["usage"]["provenance"], found["outcome"]["class"]) == ("estimated", "interrupted")


def test_openhands_after_a_resume() -> None:
    """The state holds the whole conversation: what came before this run's first call is none of its."""
    data = json.loads((RECORDINGS / "openhands/ok/base_state.json").read_text())
    agent = data["stats"]["usage_to_metrics"]["agent"]
    agent["token_usages"] = [{**one, "response_id": "earlier"} for one in agent["token_usages"]] + agent["token_usages"]
    agent["costs"] = agent["costs"] * 2
    found = recording("openhands/ok")

    def usage() -> dict[str, Any]:
        side = [("/s.json", json.dumps(data).encode())]
        return dict(read_log(Reading(ENGINES["openhands"], PRICES), [found.log], side, found.exit, NOW)["usage"])

    assert [usage()[key] for key in (*TOKENS, "cost_usd")] == [63972, 60060, 126, 0.0323235]
    assert usage()["provenance"] == "exact"
    data["stats"]["usage_to_metrics"]["condenser"]["token_usages"] = agent["token_usages"][:1]
    assert usage()["provenance"] == "estimated", "whose call that was, nobody can tell"


def test_minis_task_is_the_jobs_body(tmp_path: Path) -> None:
    """A shell writes it in a form that the program takes; YAML reads it back."""
    body = (
        '  indented: "first" {{ x }}\n\n# a comment, no comment\n\ttab: |\n- é \N{SNOWMAN}\x07\n...\n---\n%TAG\nlast\n'
    )
    (tmp_path / "prompt.md").write_text(body)
    assignment = replace(ASSIGNMENT, program="/bin/echo", folder=str(tmp_path), prompt_file=str(tmp_path / "prompt.md"))
    command = ENGINES["mini"].command(assignment, PLACE, Host())
    told = subprocess.run(command.argv, capture_output=True, text=True, check=True).stdout
    assert told.startswith(f"-c mini.yaml -c {tmp_path}/mini-task.yaml -y")
    task = tmp_path / "mini-task.yaml"
    assert yaml.safe_load(task.read_text()) == {"run": {"task": body.replace("\x07", "")}}
    assert task.stat().st_mode & 0o777 == 0o600


def test_aiders_cache_is_cleared_away_and_a_persons_is_kept(tmp_path: Path) -> None:
    aider = tmp_path / "aider"
    aider.write_text("#!/bin/sh\nmkdir -p .aider.tags.cache.v4 && echo x >.aider.tags.cache.v4/db; exit 3\n")
    aider.chmod(0o755)
    assignment = replace(ASSIGNMENT, program=str(aider))
    command = ENGINES["aider"].command(assignment, Place(cwd=str(tmp_path), root=str(tmp_path)), Host())
    cache = tmp_path / ".aider.tags.cache.v4"
    assert subprocess.run(command.argv, cwd=tmp_path).returncode == 3
    assert not cache.exists()
    cache.mkdir()
    assert subprocess.run(command.argv, cwd=tmp_path).returncode == 3
    assert (cache / "db").exists()
