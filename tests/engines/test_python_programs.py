"""The agent programs that come from PyPI: what their runs used, against what the model service charged for it.

make test-engines ARGS='tests/engines/test_python_programs.py -k mini'    one program alone
"""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import laboratory
from .install import PythonPackage, installed_from_pypi
from .lab import Lab, until
from .model_server import HELLO, ModelServer
from .test_usage import run, runs, toml

pytestmark = pytest.mark.engines

OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
"""The library by which all three speak with model services fetches its price list otherwise."""


@dataclass(frozen=True, kw_only=True)
class Program:
    package: PythonPackage
    settings: Callable[[str], str]
    model: str = "anthropic/claude-sonnet-4-5"
    wrote: tuple[str, ...] = ("copy.txt", "hello.txt")
    untold: tuple[str, ...] = ()
    """Figures that it does not tell."""
    killed_in: str = "tool_sleep"
    killed: str = "estimated"
    """How sure the figures are of a run that was killed."""


def mini(url: str) -> str:
    patience = {"MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT": "3"}
    return toml("mini", {"ANTHROPIC_API_KEY": "dummy", "ANTHROPIC_API_BASE": url, **patience, **OFFLINE})


def aider(url: str) -> str:
    return toml("aider", {"OPENAI_API_KEY": "dummy", "OPENAI_API_BASE": f"{url}/v1", **OFFLINE})


def openhands(url: str) -> str:
    return toml("openhands", {"LLM_API_KEY": "dummy", "LLM_BASE_URL": url, **OFFLINE})


PROGRAMS = {
    "mini": Program(package=PythonPackage("mini-swe-agent", "2.4.6", "mini", with_=("mcp",)), settings=mini),
    "aider": Program(
        package=PythonPackage("aider-chat", "0.86.2", "aider"), settings=aider, model="openai/gpt-4.1",
        wrote=("hello.txt",), untold=("tokens_cached",), killed_in="hang", killed="unknown",
    ),
    "openhands": Program(
        package=PythonPackage("openhands", "1.16.0", "openhands"), settings=openhands, killed="unknown"
    ),
}  # fmt: skip


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> Program:
    return PROGRAMS[request.param]


@pytest.fixture
def lab(program: Program, service: ModelServer, tmp_path: Path) -> Iterator[Lab]:
    name, folder = program.package.program, installed_from_pypi(program.package)
    yield from laboratory(name, folder, service, tmp_path, program.settings)


def agrees(lab: Lab, job: str, program: Program) -> None:
    """Each figure that it tells, to the token."""
    (ended,) = runs(lab, job)
    charged = {key: value for key, value in lab.charged().items() if key not in program.untold}
    assert {key: ended[key] for key in charged} == charged
    assert ended["usage"] == "exact"


@pytest.mark.parametrize("mode", ["ok", "rate_limited@1-1"], ids=["well", "429 and then well"])
def test_a_run_that_goes_well(lab: Lab, program: Program, mode: str) -> None:
    lab.serve(mode)
    job = lab.add(model=program.model)
    run(lab)
    assert lab.stage(job) == "review"
    assert lab.work(job) == {"README.md": "a repository", **dict.fromkeys(program.wrote, HELLO)}
    agrees(lab, job, program)
    (ended,) = runs(lab, job)
    assert (ended["model"], ended["turns"]) == (program.model, lab.run.truth()["totals"]["main"]["calls"])
    assert 0.001 < ended["cost_usd"] < 0.1


def test_a_refused_key_costs_nothing_and_is_named(lab: Lab, program: Program) -> None:
    lab.serve("bad_key")
    job = lab.add(model=program.model)
    run(lab, code=1)
    state = lab.state(job)
    assert (state["failure"], state["result"]) == ("auth", "auth_failed")
    assert not any(state.get(key) for key in lab.charged())


def test_a_run_that_is_killed_leaves_no_process_and_claims_no_more_than_it_knows(lab: Lab, program: Program) -> None:
    lab.serve(program.killed_in)
    job = lab.add(model=program.model)
    supervisor = lab.supervise()
    if program.killed_in == "hang":
        until(lab.asked, seconds=120)
    else:
        until(lab.sleepers, seconds=120)
    os.kill(lab.agent(job), signal.SIGKILL)
    assert supervisor.wait(timeout=60) == 1
    assert lab.processes() == []
    (ended,) = runs(lab, job)
    assert (lab.state(job)["result"], ended["usage"]) == ("crash", program.killed)
    assert ended.get("tokens_in", 0) <= lab.charged()["tokens_in"]
