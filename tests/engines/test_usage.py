"""What each real program's run used, against what the model service charged for it.

make test-engines ARGS='tests/engines/test_usage.py -k gemini'    one program alone
"""

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .conftest import CLAUDE, CODEX, claude_settings, codex_settings, laboratory
from .install import Package, installed
from .lab import Lab, until
from .model_server import ModelServer

pytestmark = pytest.mark.engines


@dataclass(frozen=True, kw_only=True)
class Program:
    """One agent program, and what makes it talk to the model service."""

    package: Package
    model: str
    settings: Callable[[str], str]
    files: Callable[[str], dict[str, str]] = lambda _: {}
    killed_in: str = "tool_sleep@2-2"
    """The mode in which it is killed; one program refuses to sleep."""
    tells_all: bool = True
    """Whether a run that was killed in a tool tells its last call."""
    writes: tuple[str, bytes] | None = None
    """The transcripts of a program that writes them with a delay, and what stands there for each answer: its id, or a
    word of which two are enough."""
    proxied: bool = True
    """False for a program that knows a proxy and not what to ask without it: it then has none."""
    tells_limit: bool = False
    """False for a program that waits for a limit's end without a word."""
    helper: str | None = "exact"
    """How sure its figures are when a helper of its worked too; None for a program that has no helpers."""
    killed_helper: str | None = "exact"
    """The same for one that is killed while its helper's tool runs; None for one that refuses to sleep."""
    shortens: str | None = "full@1-1"
    """The mode in which it shortens the conversation; None where that is hard to bring about."""
    shortened: str = "exact"
    """How sure its figures are then."""


def toml(engine: str, env: dict[str, str], args: tuple[str, ...] = ()) -> str:
    lines = [f"[engines.{engine}]", f"args = {json.dumps(args)}", f"[engines.{engine}.env]"]
    return "\n".join([*lines, *(f"{name} = {json.dumps(value)}" for name, value in env.items())])


def patient_codex(url: str) -> str:
    """Told to try once more, it gives up at the first 429."""
    return codex_settings(url).replace("_retries=1", "_retries=4")


def copilot_settings(url: str) -> str:
    return toml("copilot", {
        "COPILOT_PROVIDER_BASE_URL": f"{url}/v1", "COPILOT_PROVIDER_API_KEY": "dummy", "COPILOT_OFFLINE": "true",
        "COPILOT_PROVIDER_TYPE": "openai", "COPILOT_PROVIDER_WIRE_API": "responses",
    }, ("--disable-client-telemetry",))  # fmt: skip


def gemini_settings(url: str) -> str:
    return toml("gemini", {"GEMINI_API_KEY": "dummy", "GOOGLE_GEMINI_BASE_URL": url})


def opencode_settings(url: str) -> str:
    own = {"provider": {"anthropic": {"options": {"baseURL": f"{url}/v1", "apiKey": "dummy"}}}, "autoupdate": False}
    return toml("opencode", {"OPENCODE_CONFIG_CONTENT": json.dumps(own), "OPENCODE_DISABLE_LSP_DOWNLOAD": "1"})


def pi_settings(url: str) -> str:
    return toml("pi", {"ANTHROPIC_API_KEY": "dummy"}, ("--provider", "anthropic"))


def qwen_settings(url: str) -> str:
    base = ("--openai-base-url", f"{url}/v1", "--openai-api-key", "dummy")
    return toml("qwen", {}, ("--auth-type", "openai", *base))


def gemini_files(_: str) -> dict[str, str]:
    own = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": {"usageStatisticsEnabled": False}}
    return {".gemini/settings.json": json.dumps(own)}


def pi_files(url: str) -> dict[str, str]:
    return {".pi/agent/models.json": json.dumps({"providers": {"anthropic": {"baseUrl": url}}})}


def qwen_files(_: str) -> dict[str, str]:
    own = {"privacy": {"usageStatisticsEnabled": False}, "general": {"disableAutoUpdate": True}}
    return {".qwen/settings.json": json.dumps(own)}


PROGRAMS = {
    "claude": Program(
        package=CLAUDE, model="claude-sonnet-4-5", settings=claude_settings, tells_limit=True, shortens=None,
        writes=(".claude/projects/*/**/*.jsonl", rb'"id":"(msg_[^"]+)"[^\n]*"stop_reason":"tool_use"'),
    ),
    "codex": Program(package=CODEX, model="gpt-5.1-codex", settings=patient_codex),
    "copilot": Program(
        package=Package("@github/copilot", "1.0.102", "copilot", node=20), model="gpt-5.1", settings=copilot_settings,
        tells_limit=True, writes=(".copilot/session-state/*/events.jsonl", b"session.usage_record"),
    ),
    "gemini": Program(
        package=Package("@google/gemini-cli", "0.61.0", "gemini", node=20), model="gemini-2.5-pro",
        settings=gemini_settings, files=gemini_files, tells_limit=True, shortens=None,
    ),
    "opencode": Program(
        package=Package("opencode-ai", "1.18.33", "opencode"), model="anthropic/claude-sonnet-4-5",
        settings=opencode_settings, tells_all=False, helper="estimated", killed_helper="unknown",
    ),
    "pi": Program(
        package=Package("@mariozechner/pi-coding-agent", "0.73.1", "pi", node=20), model="claude-sonnet-4-5",
        settings=pi_settings, files=pi_files, helper=None, killed_helper=None, shortens="full", shortened="estimated",
    ),
    "qwen": Program(
        package=Package("@qwen-code/qwen-code", "0.15.10", "qwen", node=20), model="gpt-4.1", settings=qwen_settings,
        files=qwen_files, killed_in="hang@2-2", tells_all=False, proxied=False, killed_helper=None,
    ),
}  # fmt: skip


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> Program:
    return PROGRAMS[request.param]


@pytest.fixture
def lab(program: Program, service: ModelServer, tmp_path: Path) -> Iterator[Lab]:
    name = program.package.program
    folder = installed(program.package)
    for found in laboratory(name, folder, service, tmp_path, program.settings, program.files):
        if not program.proxied:
            del found.environment["HTTP_PROXY"], found.environment["HTTPS_PROXY"]
        yield found


def runs(lab: Lab, job: str) -> list[dict[str, Any]]:
    """What the journal says of each run's end."""
    return [entry for entry in lab.history(job) if entry["event"] == "ended"]


def told(lab: Lab, job: str) -> dict[str, int]:
    """The sum over all runs."""
    return {key: sum(run.get(key, 0) for run in runs(lab, job)) for key in lab.charged()}


def run(lab: Lab, *, code: int = 0) -> None:
    """The queue, to its end; some of these programs take a minute for a run."""
    supervisor = lab.supervise()
    assert supervisor.wait(timeout=240) == code


def written(lab: Lab, program: Program) -> bool:
    """The answers are on the disk."""
    if program.writes is None:
        return True
    pattern, sign = program.writes
    found = [re.findall(sign, path.read_bytes()) for path in lab.home.glob(pattern)]
    if re.compile(sign).groups:
        return len({answer for told in found for answer in told}) >= len(lab.asked())
    return any(len(told) >= 2 for told in found)


def test_a_run_that_goes_well(lab: Lab, program: Program) -> None:
    lab.serve("ok")
    job = lab.add(model=program.model)
    run(lab)
    (ended,) = runs(lab, job)
    assert told(lab, job) == lab.charged()
    assert (ended["usage"], ended["turns"], ended["tool_calls"]) == ("exact", len(lab.asked()), 2)
    assert ended["model"] == program.model
    assert 0.001 < ended["cost_usd"] < 0.1


def test_a_run_that_is_killed_and_the_one_that_goes_on(lab: Lab, program: Program) -> None:
    """The conversation holds both runs then: each counts for itself."""
    lab.serve(program.killed_in)
    job = lab.add(model=program.model, retry={"max": 1, "on": ["crash"]})
    supervisor = lab.supervise()
    if program.killed_in.startswith("hang"):
        until(lambda: len(lab.asked()) == 2, seconds=120)
    else:
        until(lab.sleepers, seconds=120)
    until(lambda: written(lab, program), seconds=60)
    os.kill(lab.agent(job), signal.SIGKILL)
    until(lambda: runs(lab, job), seconds=60)
    lab.service.let_go(lab.name)
    assert supervisor.wait(timeout=240) == 0
    assert lab.processes() == []
    first, second = runs(lab, job)
    assert second["usage"] == "exact"
    assert first["usage"] == ("exact" if program.tells_all else "estimated")
    if program.tells_all:
        assert told(lab, job) == lab.charged()
    else:
        assert 0 < first["tokens_in"] <= lab.charged()["tokens_in"] - second["tokens_in"]
    assert second["resume_id"] == first["resume_id"]


def agrees(lab: Lab, job: str, sure: str) -> None:
    """To the token where it says so; else it tells less, and never more."""
    (ended,) = runs(lab, job)
    assert ended["usage"] == sure
    if sure == "exact":
        assert told(lab, job) == lab.charged()
    else:
        assert told(lab, job)["tokens_in"] < lab.charged()["tokens_in"]


def test_a_helper_is_paid_for_too(lab: Lab, program: Program) -> None:
    """Another agent, with a conversation of its own, which the program's own output may not tell of."""
    if program.helper is None:
        pytest.skip(f"{lab.engine} has no helpers")
    lab.serve("helper")
    job = lab.add(model=program.model)
    run(lab)
    assert lab.stage(job) == "review"
    assert len(lab.asked()) > 4
    agrees(lab, job, program.helper)


def test_a_run_that_is_killed_while_its_helper_works(lab: Lab, program: Program) -> None:
    if program.killed_helper is None:
        pytest.skip(f"{lab.engine} has no helpers, or none that sleeps")
    lab.serve("helper_sleep")
    job = lab.add(model=program.model)
    supervisor = lab.supervise()
    until(lab.sleepers, seconds=120)
    until(lambda: written(lab, program), seconds=60)
    os.kill(lab.agent(job), signal.SIGKILL)
    assert supervisor.wait(timeout=60) == 1
    assert lab.processes() == []
    agrees(lab, job, program.killed_helper)


def test_what_it_takes_to_shorten_a_conversation_is_paid_for_too(lab: Lab, program: Program) -> None:
    if program.shortens is None:
        pytest.skip(f"{lab.engine} does not shorten so small a conversation, whatever the service says of its size")
    lab.serve(program.shortens)
    job = lab.add(model=program.model)
    run(lab)
    assert len(lab.run.calls) > 3
    agrees(lab, job, program.shortened)


def test_a_refused_key_costs_nothing_and_is_named(lab: Lab, program: Program) -> None:
    lab.serve("bad_key")
    job = lab.add(model=program.model)
    run(lab, code=1)
    assert lab.state(job)["failure"] == "auth"
    assert told(lab, job) == lab.charged()


def test_a_usage_limit_gives_the_job_back(lab: Lab, program: Program) -> None:
    if not program.tells_limit:
        pytest.skip(f"{lab.engine} tells when the limit ends, as test_codex.py shows, or waits for that without a word")
    lab.serve("usage_limit")
    job = lab.add(model=program.model)
    run(lab, code=75)
    assert (lab.stage(job), lab.state(job)["result"]) == ("inbox", "held")
    assert told(lab, job) == lab.charged()


def test_a_refusal_that_it_gets_over(lab: Lab, program: Program) -> None:
    lab.serve("rate_limited@1-1")
    job = lab.add(model=program.model)
    run(lab)
    assert lab.stage(job) == "review"
    assert next(call["outcome"] for call in lab.asked()) != "answered"
    assert told(lab, job) == lab.charged()
    assert runs(lab, job)[0]["usage"] == "exact"
