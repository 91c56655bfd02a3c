"""The import contracts hold, and each of them can fail: a copy of the tree with a trespass in it is refused."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from .sources import PROJECT, SOURCE

CONTRACTS = [
    contract["name"]
    for contract in tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
]


def named(beginning: str) -> str:
    """The one contract whose name begins so."""
    (name,) = [name for name in CONTRACTS if name.startswith(beginning)]
    return name


FLOORS, CORE, STORY = named("Floors"), named("The core"), named("The story")
ENGINES, PORTS, DOORS, CIRCLES = named("Engines"), named("The ports"), named("Doors"), named("No circles")
TRACKERS = named("Trackers")
DEMO = named("The demonstration")

TRESPASSES: dict[str, tuple[dict[str, str], set[str]]] = {
    "core imports os": ({"core/trespass.py": "import os"}, {CORE}),
    "core imports logging, late": ({"core/trespass.py": "def f():\n    import logging"}, {CORE}),
    "core imports ports": ({"core/trespass.py": "import agent_queue.ports"}, {FLOORS, CIRCLES}),
    "flow imports system": ({"flow/trespass.py": "from agent_queue.system import clock"}, {STORY}),
    "engines import subprocess": ({"engines/trespass.py": "import subprocess"}, {ENGINES}),
    "engines import system": ({"engines/trespass.py": "import agent_queue.system.files"}, {ENGINES}),
    "trackers import system": ({"trackers/trespass.py": "import agent_queue.system.http"}, {TRACKERS}),
    "trackers bring their own client": ({"trackers/trespass.py": "import httpx2"}, {TRACKERS}),
    "ports import os, and all above them with it": ({"ports.py": "import os"}, {PORTS, STORY, ENGINES, TRACKERS}),
    "a door imports system": ({"cli/trespass.py": "from agent_queue.system import files"}, {DOORS}),
    "the panel imports queues": ({"dash/trespass.py": "from agent_queue.queues import glance"}, {DOORS}),
    "the demonstration skips the door": ({"demo/trespass.py": "from agent_queue.flow import requests"}, {DEMO}),
    "two rooms import each other": (
        {"engines/trespass.py": "import agent_queue.queues", "queues/trespass.py": "import agent_queue.engines"},
        {FLOORS, CIRCLES},
    ),
    "two files import each other": (
        {"core/one.py": "import agent_queue.core.other", "core/other.py": "import agent_queue.core.one"},
        {CIRCLES},
    ),
    "a module on no floor": ({"stray.py": ""}, {FLOORS}),
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The contracts that do not hold: in a copy of the tree as it is, under '', and with each trespass in it."""
    copy = tmp_path_factory.mktemp("tree")
    shutil.copytree(SOURCE, copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", copy)
    ran = subprocess.run(
        [sys.executable, Path(__file__).with_name("lint_copies.py")], cwd=copy, capture_output=True, text=True,
        input=json.dumps({"": {}, **{name: planted for name, (planted, _) in TRESPASSES.items()}}), timeout=120,
        env={**os.environ, "COLUMNS": "400", "NO_COLOR": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    verdicts: dict[str, dict[str, str]] = json.loads(ran.stdout)
    assert all(set(each) == set(CONTRACTS) for each in verdicts.values()), verdicts
    return {name: {rule for rule, verdict in each.items() if verdict == "BROKEN"} for name, each in verdicts.items()}


def test_the_contracts_hold(broken: dict[str, set[str]]) -> None:
    assert broken[""] == set(), "`lint-imports` shows where"


@pytest.mark.parametrize("trespass", TRESPASSES)
def test_a_trespass_breaks_its_contract(trespass: str, broken: dict[str, set[str]]) -> None:
    _, contracts = TRESPASSES[trespass]
    assert broken[trespass] == contracts | broken[""]


def test_every_contract_has_a_trespass() -> None:
    assert set().union(*(contracts for _, contracts in TRESPASSES.values())) == set(CONTRACTS)
