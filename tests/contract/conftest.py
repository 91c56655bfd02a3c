"""For every contract: a failing assertion of a shipped contract shows its values too."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from .agents import Agents

_SHIPPED = ("queue_rules", "queue_rules_look", "queue_rules_moves", "engine_contract")
pytest.register_assert_rewrite(*(f"agent_queue.testing.{name}" for name in _SHIPPED))


@pytest.fixture(params=["started", "forked"])
def agents(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Agents]:
    """Agents whose shims are started as programs, and the same forked from a warm parent."""
    agents = Agents(tmp_path / "agents")
    with agents.processes.warm() if request.param == "forked" else nullcontext():
        yield agents
    agents.close()
