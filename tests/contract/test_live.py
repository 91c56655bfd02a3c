"""What an engine says that it tells while its program runs, by recordings of runs that were cut off."""

from pathlib import Path

import pytest

from agent_queue.core.budget import Budget, spent
from agent_queue.flow.reading import Reading
from agent_queue.system.prices import ListPrices
from agent_queue.wiring.engines import ENGINES, load

RECORDINGS = Path(__file__).parent / "recordings"
ALL = Budget(usd=1.0, tokens=1_000_000, turns=100)


SIDE_FILES = ("transcript.jsonl", "analytics.jsonl", "trajectory.json", "base_state.json")


def cut_off(name: str) -> tuple[bytes, list[Path]]:
    """The log of a run that was ended in a tool, and its side files.

    Of the programs that were recorded to their end only: two thirds of the log, and the side files, which they write
    anew after each step.
    """
    folder = RECORDINGS / name / "term_tool"
    whole = not folder.exists()
    folder = RECORDINGS / name / "ok" if whole else folder
    lines = (folder / "stdout").read_bytes().splitlines(keepends=True)
    log = b"".join(lines[: len(lines) * 2 // 3] if whole else lines)
    return log, [path for side in SIDE_FILES if (path := folder / side).exists()]


@pytest.mark.parametrize("name", ENGINES)
def test_it_tells_what_it_says_it_does(name: str) -> None:
    engine = load(name)
    assert engine is not None
    if not engine.live:
        return
    log, side_files = cut_off(name)
    reading = Reading(engine, ListPrices({}), "claude-sonnet-4-5")
    for _ in reading.feed(log):
        pass
    for side in side_files:
        reading.side_files([str(side)], lambda path: [(path, Path(path).read_bytes())])
    told = {each.name for each in spent(ALL, reading.facts()) if each.used}
    assert told >= {*engine.live}
