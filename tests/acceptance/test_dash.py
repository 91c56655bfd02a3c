"""`aq dash`: the panel, driven as a person drives it, and what happens where there can be none."""

import asyncio
import os
import pty
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from agent_queue.cli.render_dash import sight, used
from agent_queue.core.errors import AqError
from agent_queue.dash.panel import Panel
from agent_queue.dash.sight import Line, Section, Sight

from .conftest import LIMIT_S, Agent, Aq, Jobs, begun, done


def line(job: str, *detail: str, state: str = "shipped") -> Line:
    return Line(job=job, state=state, style="", engine="claude", time="4m", used="$0.41*", attempts="2", detail=detail)


TWO = Sight(
    stages=[("inbox", 1), ("shipped", 2)], supervisor="supervisor 7: 0 of 3 slots",
    sections=[Section("WAITING", [line("waits", "waiting for it", state="high")]),
              Section("FINISHED", [line("first", "took long"), line("second", "took longer")])],
)  # fmt: skip


def driven(look: Callable[[], Sight], steps: Callable[[Panel, "Pilot[None]"], Awaitable[None]], **size: Any) -> None:
    async def run() -> None:
        panel = Panel(look, every_s=3600)
        async with panel.run_test(**size) as pilot:
            await settled(panel, pilot)
            await steps(panel, pilot)

    asyncio.run(run())


async def settled(panel: Panel, pilot: "Pilot[None]") -> None:
    """Until what was asked for is shown."""
    await panel.workers.wait_for_complete()
    await pilot.pause()


def shown(panel: Panel, name: str) -> str:
    return str(panel.query_one(f"#{name}", Static).render())


def cells(panel: Panel) -> list[list[str]]:
    table = panel.query_one(DataTable)
    return [[str(cell) for cell in table.get_row_at(row)] for row in range(table.row_count)]


def test_it_shows_stages_sections_and_figures() -> None:
    async def steps(panel: Panel, pilot: "Pilot[None]") -> None:
        assert "inbox 1  shipped 2" in shown(panel, "stages")
        assert "supervisor 7" in shown(panel, "stages")
        assert [row[1] for row in cells(panel)] == ["WAITING (1)", "waits", "FINISHED (2)", "first", "second"]
        assert cells(panel)[3] == ["shipped", "first", "claude", "4m", "$0.41*", "2"]
        assert "waiting for it" in shown(panel, "detail"), "the first job is chosen, not its heading"

    driven(lambda: TWO, steps)


@pytest.mark.parametrize(("down", "up"), [("j", "k"), ("down", "up")])
def test_j_and_k_and_the_arrows_go_from_job_to_job(down: str, up: str) -> None:
    async def steps(panel: Panel, pilot: "Pilot[None]") -> None:
        said = []
        for key in (down, down, down, up, up, up):
            await pilot.press(key)
            await pilot.pause()
            said.append(shown(panel, "detail").splitlines()[0])
        assert said == ["first", "second", "second", "first", "waits", "waits"]

    driven(lambda: TWO, steps)


def test_what_is_chosen_stays_chosen_when_the_queue_changes() -> None:
    sights = [TWO, TWO._replace(sections=TWO.sections[1:]), Sight([("inbox", 0)], "no supervisor", [])]

    async def steps(panel: Panel, pilot: "Pilot[None]") -> None:
        await pilot.press("j", "j")
        await pilot.press("r")
        await settled(panel, pilot)
        assert shown(panel, "detail").splitlines() == ["second", "took longer"]
        await pilot.press("r")
        await settled(panel, pilot)
        assert "aq add" in shown(panel, "detail")

    driven(lambda: sights.pop(0) if len(sights) > 1 else sights[0], steps)


def test_a_queue_that_cannot_be_read_is_said_and_the_panel_lives_on() -> None:
    looks = iter([AqError("no queue at /x"), TWO])

    def look() -> Sight:
        found = next(looks)
        if isinstance(found, AqError):
            raise found
        return found

    async def steps(panel: Panel, pilot: "Pilot[None]") -> None:
        assert "no queue at /x" in shown(panel, "detail")
        await pilot.press("r")
        await settled(panel, pilot)
        assert "waits" in shown(panel, "detail")

    driven(look, steps)


def test_it_fits_a_small_terminal_and_ends_at_q() -> None:
    async def steps(panel: Panel, pilot: "Pilot[None]") -> None:
        table = panel.query_one(DataTable)
        assert table.size.height >= 3
        await pilot.press("q")
        await pilot.pause()
        assert panel.return_code == 0

    driven(lambda: TWO, steps, size=(60, 12))


def test_a_real_status_becomes_what_it_shows(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    agent.tells(*begun(), done(cost=0.25))
    paid = jobs.add("paid", "# Pay\nDo it", engine="claude", review_policy="auto", ship="auto")
    failed = jobs.add("failed", "exit 3")
    waits = jobs.add("waits", "true", deps="nothing-yet")
    aq("run", "--once", check=None)
    found = sight(aq("status", "--json").json())
    lines = {line.job: (section.title, line) for section in found.sections for line in section.lines}
    assert {job: title for job, (title, _) in lines.items()} == {
        paid: lines[paid][0], failed: "NEEDS YOU", waits: "WAITING"
    }  # fmt: skip
    assert (lines[paid][1].used, lines[paid][1].attempts, lines[paid][1].engine) == ("$0.25", "1", "claude")
    assert "Pay" in lines[paid][1].detail
    assert (lines[failed][1].state, lines[failed][1].used) == ("failed", "?")
    assert "exit code 3" in lines[failed][1].detail
    assert "waiting for nothing-yet" in " ".join(lines[waits][1].detail)
    assert dict(found.stages)["inbox"] == 1


@pytest.mark.parametrize(
    ("told", "shown_"),
    [
        ({"cost_usd": 0.25, "cost_usage": "exact"}, "$0.25"),
        ({"cost_usd": 0.25, "cost_usage": "subscription"}, "$0.25*"),
        ({"cost_usd": None, "tokens_in": 80_000, "tokens_out": 4_000, "usage": "estimated"}, "84k tok*"),
        ({"cost_usd": None, "tokens_in": None, "usage": "unknown"}, "?"),
        ({"cost_usd": None, "tokens_in": None, "usage": None}, ""),
    ],
)
def test_one_column_says_what_was_used(told: dict[str, Any], shown_: str) -> None:
    assert used({"insights": told}) == shown_


def test_without_a_terminal_it_is_the_status(aq: Aq, jobs: Jobs) -> None:
    jobs.add("waits", "true")
    assert aq("dash").out.replace("0s", "") == aq("status").out.replace("0s", "")


def test_without_textual_it_names_the_extra(aq: Aq, queue: Path, repo: Path) -> None:
    code = "import sys; sys.modules['textual'] = None; from agent_queue.cli import main; main()"
    ours, theirs = pty.openpty()
    ran = subprocess.run([sys.executable, "-c", code, "dash"], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE,
                         timeout=LIMIT_S, cwd=repo, check=False)  # fmt: skip
    os.close(ours)
    os.close(theirs)
    assert ran.returncode == 69
    assert b"pip install '.[tui]'" in ran.stderr
    assert b"Traceback" not in ran.stderr
