"""What a run used, from whatever printed it to the journal; and `aq read-log`, which reads any log in the same way."""

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import SESSION, Agent, Aq, Jobs, begun, done

RECORDINGS = Path(__file__).parent.parent / "contract/recordings"
FIGURES = ("tokens_in", "tokens_cached", "tokens_out", "cost_usd", "turns", "tool_calls", "model", "usage")
LINE = "AQ_USAGE tokens_in=100 tokens_cached=60 tokens_out=7 cost_usd=0.5 turns=3 tool_calls=2 model=my-model exact"


def state(aq: Aq, job: str) -> dict[str, Any]:
    return dict(aq("show", job, "--json").json()["state"])


def insights(aq: Aq, job: str) -> dict[str, Any]:
    (row,) = [row for row in aq("status", "--json").json()["jobs"] if row["id"] == job]
    return dict(row["insights"])


def test_a_known_usage_line_gives_figures_in_the_journal(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("told", f"echo working\necho '{LINE}'")
    aq("run", "--once")
    found = state(aq, job)
    assert [found[key] for key in FIGURES] == [100, 60, 7, 0.5, 3, 2, "my-model", "exact"]
    assert (found["cost_basis"], insights(aq, job)["tokens_in"]) == ("reported", 100)


def test_a_stub_in_place_of_a_program_may_tell_too(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    agent.plays("""cat >/dev/null; echo 'AQ_USAGE {"tokens_in": 1000000, "tokens_out": 0}'""")
    job = jobs.add("stub", "Do it.", engine="claude", model="claude-sonnet-4-5")
    aq("run", "--once")
    found = state(aq, job)
    assert (found["tokens_in"], found["usage"], found["model"]) == (1_000_000, "estimated", "claude-sonnet-4-5")
    assert found["cost_basis"] == "computed"
    assert found["cost_usd"] > 1


def test_the_programs_own_figures_outrank_the_line(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    agent.tells(*begun(), done(tokens_in=1200, cost=0.25), then=f"echo '{LINE}'")
    job = jobs.add("own", "Do it.", engine="claude")
    aq("run", "--once")
    found = state(aq, job)
    assert [found[key] for key in ("tokens_in", "cost_usd", "model", "turns")] == [1200, 0.25, "claude-test-1", 1]


def test_no_usage_is_marked_and_nothing_breaks(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("quiet", "true")
    aq("run", "--once")
    found = state(aq, job)
    assert found["usage"] == "unknown"
    assert not found.keys() & set(FIGURES) - {"usage"}
    assert insights(aq, job)["tokens_in"] is None
    assert jobs.stage(job) == "review"


def test_two_runs_of_100_and_50_tokens_are_150_for_the_job(aq: Aq, jobs: Jobs) -> None:
    script = "if [ -e once ]; then echo AQ_USAGE tokens_in=50; else touch once; echo AQ_USAGE tokens_in=100; exit 3; fi"
    job = jobs.add("twice", script, retry="{max: 1, on: [crash]}", workspace="in-place")
    aq("run", "--once")
    assert insights(aq, job)["tokens_in"] == 150
    assert state(aq, job)["tokens_in"] == 50


def test_a_price_of_ones_own(aq: Aq, jobs: Jobs, queue: Path) -> None:
    with (queue / "config.toml").open("a") as file:
        file.write('\n[prices."my-model"]\ninput = 2.0\noutput = 10.0\n')
    job = jobs.add("priced", "echo AQ_USAGE tokens_in=1000000 tokens_out=100000 model=my-model")
    aq("run", "--once")
    assert state(aq, job)["cost_usd"] == 3.0


def test_a_transcript_is_found_by_the_name_that_the_output_tells(aq: Aq, jobs: Jobs, home: Path) -> None:
    """codex says what it used in a file whose name it tells on its first line, also when it is killed."""
    thread = "01a1fc35-8358-7fa0-80c5-77f2a164771c"
    rollout = home / ".codex/sessions/2026/11/21" / f"rollout-2026-11-21T03-45-27-{thread}.jsonl"
    rollout.parent.mkdir(parents=True)
    rollout.write_bytes((RECORDINGS / "codex/term_tool/transcript.jsonl").read_bytes())
    program = home / "codex"
    program.write_text(f"#!/bin/sh\ncat >/dev/null\ncat {RECORDINGS}/codex/term_tool/stdout\nkill -9 $$\n")
    program.chmod(0o755)
    job = jobs.add("killed", "Do it.", engine="codex")
    aq("run", "--once", check=1, env={"CODEX_BIN": str(program)})
    found = state(aq, job)
    assert [found[key] for key in FIGURES] == [42033, 40030, 83, 0.0083375, 2, 2, "gpt-5.1-codex", "exact"]
    assert found["exit"] == -9


def read_log(aq: Aq, *arguments: object, **options: Any) -> dict[str, Any]:
    return aq("read-log", *arguments, **options).json()


def test_read_log_of_a_run_that_went_well(aq: Aq) -> None:
    found = read_log(aq, "claude", RECORDINGS / "claude/ok/stdout", "--exit", 0, "--json")
    assert found["outcome"] == {"kind": "done", "class": "ok", "reason": "", "resets_at": None}
    assert found["usage"] == {
        "model": "claude-sonnet-4-5", "tokens_in": 63972, "tokens_cached": 60060, "tokens_out": 126,
        "cost_usd": 0.0323235, "turns": 3, "tool_calls": 2, "cost_basis": "reported", "provenance": "exact",
    }  # fmt: skip
    assert found["resume_id"]


def test_read_log_takes_side_files_by_what_is_in_them(aq: Aq, tmp_path: Path) -> None:
    side = tmp_path / "whatever.txt"
    side.write_bytes((RECORDINGS / "copilot/resume/transcript.jsonl").read_bytes())
    log = RECORDINGS / "copilot/resume/stdout"
    assert read_log(aq, "copilot", log)["usage"]["provenance"] == "unknown"
    both = read_log(aq, "copilot", log, "--sidecar", RECORDINGS / "copilot/resume/usage.json", "--sidecar", side)
    assert (both["usage"]["tokens_in"], both["usage"]["provenance"]) == (63066, "exact")


@pytest.mark.parametrize(
    ("case", "code", "kind", "name"),
    [
        ("codex/usage_limit", 1, "held", "usage_limit"), ("pi/badkey", 0, "broke", "auth"),
        ("qwen/err500", 0, "broke", "overloaded"), ("gemini/ctx", 144, "broke", "context"),
        ("claude/ratelimit", 1, "broke", "rate_limited"), ("claude/max_turns", 1, "broke", "max_turns"),
        ("claude/max_budget", 1, "broke", "budget"), ("claude/no_yolo", 0, "broke", "no_permission"),
        ("codex/int_tool", 1, "broke", "interrupted"), ("claude/int_tool", 0, "broke", "interrupted"),
        ("codex/term_tool", -15, "broke", "interrupted"),
        ("opencode/credit", 1, "broke", "quota"), ("gemini/cut_once", 1, "broke", "crash"),
    ],
)  # fmt: skip
def test_read_log_names_the_outcome(aq: Aq, case: str, code: int, kind: str, name: str) -> None:
    found = read_log(aq, case.partition("/")[0], RECORDINGS / case / "stdout", "--exit", code)["outcome"]
    assert (found["kind"], found["class"]) == (kind, name)
    assert found["reason"]
    assert (found["resets_at"] is not None) == (kind == "held")


def test_read_log_says_whose_log_it_is(aq: Aq) -> None:
    """Qwen Code's events look like those of Claude Code, and mean other figures."""
    for engine, case in (("codex", "claude/ok"), ("claude", "qwen/ok"), ("qwen", "claude/json"), ("shell", "pi/ok")):
        found = read_log(aq, engine, RECORDINGS / case / "stdout")
        assert (found["outcome"]["class"], found["usage"]["provenance"]) == ("unknown", "unknown"), case
        assert case.partition("/")[0] in found["outcome"]["reason"]


def test_read_log_takes_windows_line_ends_colours_and_standard_input(aq: Aq) -> None:
    plain = (RECORDINGS / "claude/ok/stdout").read_bytes()
    painted = b"".join(b"\x1b[2m" + line + b"\x1b[0m\r\n" for line in plain.splitlines())
    for data in (plain, painted, plain.replace(b"\n", b"\r\n"), b"\xef\xbb\xbfnpm warn\n" + plain.rstrip(b"\n")):
        assert read_log(aq, "claude", "-", input=data)["usage"]["tokens_in"] == 63972


def test_read_log_of_nonsense_says_so_without_a_traceback(aq: Aq, tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    for data in (b"", b"\x00\xff" * 5000, b'{"type":"result"', b"[" * 100_000):
        noise.write_bytes(data)
        found = read_log(aq, "claude", noise, "--exit", 3, "--sidecar", noise)
        assert (found["outcome"]["class"], found["usage"]["provenance"]) == ("crash", "unknown")
    assert "no engine is called 'clod'" in aq("read-log", "clod", noise, check=2).err
    assert "missing" in aq("read-log", "claude", tmp_path / "missing", check=2).err
    aq("read-log", "claude", noise, "--sidecar", tmp_path / "missing", check=2)


def test_read_log_needs_no_queue(aq: Aq, tmp_path: Path) -> None:
    found = read_log(aq, "shell", "-", input=LINE, env={"AGENT_QUEUE_ROOT": str(tmp_path / "nowhere")})
    assert found["usage"]["tokens_in"] == 100
    assert not (tmp_path / "nowhere").exists()


def test_no_word_of_the_output_is_journaled(aq: Aq, jobs: Jobs, queue: Path) -> None:
    told = json.dumps({"tokens_in": 1, "model": "my model says hello", "usage": "hello", "cost_basis": "hello"})
    job = jobs.add("words", f"echo 'AQ_USAGE {told}'; echo 'AQ_USAGE hello={SESSION} tokens_in=2'")
    aq("run", "--once")
    assert "hello" not in (queue / "journal" / f"{job}.jsonl").read_text()
    assert state(aq, job)["tokens_in"] == 2
