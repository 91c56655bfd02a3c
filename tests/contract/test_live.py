"""What an engine says that it tells while its program runs, by recordings of runs that were cut off in a tool."""

from pathlib import Path

import pytest

from agent_queue.core.budget import Budget, spent
from agent_queue.flow.reading import Reading
from agent_queue.system.prices import ListPrices
from agent_queue.wiring.engines import ENGINES, load

RECORDINGS = Path(__file__).parent / "recordings"
SIDES = ("transcript.jsonl", "trajectory.json", "analytics.jsonl")
ONE_ANSWER = ("aider",)
"""It runs no tools in which it could be cut off: it is asked once, and tells before it ends."""
ALL = Budget(usd=1.0, tokens=1_000_000, turns=100)


@pytest.mark.parametrize("name", ENGINES)
def test_it_tells_what_it_says_it_does(name: str) -> None:
    engine, folder = load(name), RECORDINGS / name / ("ok" if name in ONE_ANSWER else "term_tool")
    assert engine is not None
    if not engine.live:
        return
    reading = Reading(engine, ListPrices({}), "claude-sonnet-4-5")
    for _ in reading.feed((folder / "stdout").read_bytes()):
        pass
    sides = [str(folder / side) for side in SIDES if (folder / side).exists()]
    reading.side_files(sides, lambda path: [(path, Path(path).read_bytes())])
    told = {each.name for each in spent(ALL, reading.facts()) if each.used}
    assert told >= {*engine.live}
