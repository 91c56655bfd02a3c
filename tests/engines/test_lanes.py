"""Real agent programs whose service is at its limit, or asks to slow down, and gets well by itself."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import claude_settings, codex_settings, laboratory
from .lab import Lab, until
from .model_server import HELLO, ModelServer
from .stories import WORK

pytestmark = pytest.mark.engines

SOON_S = 30


@pytest.fixture
def lab(claude_folder: Path, codex_folder: Path, service: ModelServer, tmp_path: Path) -> Iterator[Lab]:
    """Claude's, with Codex on its PATH as well."""
    for lab in laboratory("claude", claude_folder, service, tmp_path, claude_settings):
        lab.environment["PATH"] = f"{codex_folder}:{lab.environment['PATH']}"
        yield lab


def test_a_usage_limit_on_claude_while_codex_works(lab: Lab, service: ModelServer) -> None:
    reset = int(time.time()) + SOON_S
    lab.run.reset = reset
    claude = claude_settings(service.url("usage_limit@1-1", lab.name), key="CLAUDE_CODE_OAUTH_TOKEN")
    codex = codex_settings(service.url("ok", f"{lab.name}-codex"))
    (lab.root / "config.toml").write_text(f"{claude}\n{codex}\n[run]\nslots = 1\n")
    mine = [lab.add(), lab.add()]
    lab.engine = "codex"
    theirs = [lab.add(), lab.add()]
    supervisor = lab.supervise("--wait", "10m")
    (lane,) = until(lab.lanes, seconds=SOON_S)
    assert (lane["engine"], lane["parked_until"], lane["reason"]) == ("claude", reset, "usage limit")
    until(lambda: {lab.stage(job) for job in theirs} == {"review"}, seconds=SOON_S)
    assert time.time() < reset, "codex works while claude may not"
    assert {lab.stage(job) for job in mine} == {"inbox"}
    assert supervisor.wait(timeout=120) == 0
    assert {lab.stage(job) for job in mine} == {"review"}
    held = mine[0]
    began = [entry["started_at"] for entry in lab.history(held) if entry["event"] == "started"]
    assert 0 <= began[1] - reset < 1, "it starts again within a second of the reset"
    assert lab.state(held)["attempts"] == 1
    assert lab.state(held)["next_eligible"] == 0.0
    places = [json.loads((lab.root / "runs" / held / run / "place.json").read_text())["place"]["cwd"] for run in "12"]
    assert places[0] == places[1]
    assert lab.work(held)["copy.txt"] == HELLO


def test_a_service_that_asks_to_slow_down_and_then_does_not(lab: Lab) -> None:
    """The program gives up after its second try; the queue asks again when the pause is over, by itself."""
    lab.serve("rate_limited@2-3")
    job = lab.add()
    supervisor = lab.supervise("--wait", "10m")
    (lane,) = until(lab.lanes, seconds=SOON_S)
    assert lane["reason"] == "asked to slow down"
    assert supervisor.wait(timeout=120) == 0
    assert [call["outcome"] for call in lab.asked()] == ["answered", "refused", "refused", *["answered"] * 3]
    assert lab.stage(job) == "review"
    assert (lab.state(job)["run"], lab.state(job)["attempts"]) == (2, 1)
    began = [entry["started_at"] for entry in lab.history(job) if entry["event"] == "started"]
    assert 0 <= began[1] - lane["parked_until"] < 1
    assert lab.lanes() == []
    assert lab.work(job) == WORK
