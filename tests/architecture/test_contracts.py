"""The import contracts hold, and each of them can fail: a copy of the tree with a trespass in it is refused."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from .sources import PROJECT, SOURCE

LINT = "from importlinter.cli import lint_imports_command as lint; lint()"
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

TRESPASSES: dict[str, tuple[dict[str, str], set[str]]] = {
    "core imports os": ({"core/trespass.py": "import os"}, {CORE}),
    "core imports logging, late": ({"core/trespass.py": "def f():\n    import logging"}, {CORE}),
    "core imports ports": ({"core/trespass.py": "import agent_queue.ports"}, {FLOORS, CIRCLES}),
    "flow imports system": ({"flow/trespass.py": "from agent_queue.system import clock"}, {STORY}),
    "engines import subprocess": ({"engines/trespass.py": "import subprocess"}, {ENGINES}),
    "engines import system": ({"engines/trespass.py": "import agent_queue.system.files"}, {ENGINES}),
    "ports import os, and all above them with it": ({"ports.py": "import os"}, {PORTS, STORY, ENGINES}),
    "a door imports system": ({"cli/trespass.py": "from agent_queue.system import files"}, {DOORS}),
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
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's source and settings."""
    copy = tmp_path_factory.mktemp("tree")
    shutil.copytree(SOURCE, copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", copy)
    return copy


def broken(tree: Path) -> set[str]:
    """The contracts that do not hold in a tree."""
    ran = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--no-logo"], cwd=tree, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(tree / "src"), "COLUMNS": "400", "NO_COLOR": "1"},
    )  # fmt: skip
    verdicts = dict(re.findall(r"^(.+) (KEPT|BROKEN)\b", ran.stdout, re.MULTILINE))
    assert set(verdicts) == set(CONTRACTS), ran.stdout + ran.stderr
    return {name for name, verdict in verdicts.items() if verdict == "BROKEN"}


@pytest.fixture(scope="module")
def already(tree: Path) -> set[str]:
    return broken(tree)


def test_the_contracts_hold(already: set[str]) -> None:
    assert already == set(), "`lint-imports` shows where"


@pytest.mark.parametrize("trespass", TRESPASSES)
def test_a_trespass_breaks_its_contract(trespass: str, tree: Path, already: set[str]) -> None:
    planted, contracts = TRESPASSES[trespass]
    places = {tree / "src/agent_queue" / name: text for name, text in planted.items()}
    before = {place: place.read_text() if place.exists() else None for place in places}
    try:
        for place, text in places.items():
            place.write_text(f"{text}\n{before[place] or ''}")
        assert broken(tree) == contracts | already
    finally:
        for place, text in before.items():
            place.unlink() if text is None else place.write_text(text)


def test_every_contract_has_a_trespass() -> None:
    assert set().union(*(contracts for _, contracts in TRESPASSES.values())) == set(CONTRACTS)
