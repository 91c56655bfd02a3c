"""Budgets in flight: a run is watched while it goes on, and ends when what it may use is used."""

import json
from typing import Any

import pytest

from agent_queue.core.job import Stage
from agent_queue.core.outcome import StopReason
from agent_queue.testing.engine import ScriptedEngine
from agent_queue.testing.processes import Script

from .world import World


def talk(world: World, *said: tuple[float, str], after_s: float = 100.0, **script: Any) -> None:
    """An agent that says these lines, each so many seconds after its start."""
    world.will("a", Script(after_s=after_s, **script))
    log = "runs/a/1/agent.log"
    for when, line in said:
        world.at(
            when, lambda line=line: world.machine.store(log, (world.machine.read(log) or b"") + f"{line}\n".encode())
        )


def live(world: World, run: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.file(f"runs/a/{run}/live.json"))
    return found


@pytest.mark.parametrize(
    ("budget", "lines", "said"),
    [
        ("{tokens: 100}", ["fact tokens_in 60", "fact tokens_in 120"], "120 of budget.tokens 100"),
        ("{turns: 2}", ["fact turns 1", "fact turns 2", "fact turns 3"], "3 of budget.turns 2"),
        ("{usd: 2}", ["fact cost_usd 1", "fact cost_usd 2"], "$2.0000 of budget.usd $2"),
    ],
)
def test_a_budget_that_is_used_up_stops_the_run(world: World, budget: str, lines: list[str], said: str) -> None:
    world.add(budget=budget)
    talk(world, *((10.0 * number, line) for number, line in enumerate(lines, 1)))
    world.supervise()
    assert (world.stage(), world.result()) == (Stage.FAILED, "budget_exceeded")
    (ended,) = world.entries("a", "ended")
    assert ended["stop"] == "budget"
    assert ended["duration_s"] < 10 * len(lines) + 2, "stopped at once, with half a second to obey"
    assert world.past().state["wip_commit"], "its work is saved"
    assert f"stopped: {said}" in json.loads(world.file("runs/a/1/outcome.json"))["reason"]
    assert any(f"a: stopping it: {said}" in line for line in world.told)


def test_within_its_budget_a_run_goes_on(world: World) -> None:
    world.add(budget="{tokens: 100, turns: 5, usd: 3}")
    talk(world, (5, "fact tokens_in 99"), (6, "fact turns 5"), (7, "fact cost_usd 2"))
    world.supervise()
    assert (world.stage(), world.past().state["tokens_in"]) == (Stage.REVIEW, 99)
    assert world.processes.asked == []


def test_at_four_fifths_it_is_said_once(world: World) -> None:
    world.add(budget="{tokens: 100}")
    talk(world, (5, "fact tokens_in 79"), (6, "fact tokens_in 80"), (7, "fact tokens_in 90"))
    world.supervise()
    assert [line for line in world.told if "budget" in line] == ["a: 80%: 80 of budget.tokens 100"]
    assert live(world)["budget"] == [{"name": "tokens", "limit": 100, "used": 90, "share": 0.9}]


def test_budget_exceeded_runs_again_only_when_retry_names_it(world: World) -> None:
    world.add(budget="{tokens: 100}", retry="{max: 1, on: [budget_exceeded]}")
    talk(world, (5, "fact tokens_in 100"))
    world.supervise()
    assert (world.stage(), world.past().run) == (Stage.REVIEW, 2)


def test_a_supervisor_that_takes_a_run_over_reads_it_from_its_first_byte(world: World) -> None:
    world.add(budget="{tokens: 100}")
    talk(world, (5, "fact tokens_in 60"), (5, "fact turns 2"), (30, "fact tokens_out 40"))
    world.die(10)
    assert world.supervise() is None
    assert live(world)["tokens_in"] == 60
    world.supervise()
    assert world.result() == "budget_exceeded"
    assert world.past().state["turns"] == 2
    assert world.processes.asked[-1] == ("runs/a/1", StopReason.BUDGET)


def test_an_engine_that_tells_nothing_says_so_at_the_start_and_strict_refuses_it(world: World) -> None:
    world.engines["scripted"] = ScriptedEngine(live=("turns",))
    world.add("a", budget="{usd: 1, turns: 9}")
    world.add("b", budget="{usd: 1, strict: true}")
    world.add("c", budget="{turns: 9, strict: true}")
    world.supervise()
    said = "budget.usd cannot be kept: scripted does not tell while it runs what it uses"
    assert f"a: {said}" in world.told
    assert world.stage("a") is Stage.REVIEW
    assert (world.stage("b"), world.result("b"), world.starts("b")) == (Stage.FAILED, "budget_exceeded", [])
    assert said in json.loads(world.file("runs/b/1/outcome.json"))["reason"]
    assert world.stage("c") is Stage.REVIEW


@pytest.mark.parametrize(("strict", "stage"), [("true", Stage.FAILED), ("false", Stage.REVIEW)])
def test_a_price_that_nobody_knows_is_too_much_only_when_strict(world: World, strict: str, stage: Stage) -> None:
    world.add(budget=f"{{usd: 1, strict: {strict}}}")
    talk(world, (5, "fact tokens_in 60"))
    world.supervise()
    assert world.stage() is stage
    assert any("budget.usd: nobody can tell how much is used" in line for line in world.told)


def test_the_agents_own_limit_of_turns_is_the_budget_s(world: World) -> None:
    world.add("a", budget="{turns: 3}")
    world.add("b")
    for job in ("a", "b"):
        world.will(job, Script(code=1, output=b"broke max_turns the limit of turns was reached\n"))
    world.supervise()
    assert (world.result("a"), world.result("b")) == ("budget_exceeded", "max_turns")


def test_without_a_budget_what_is_used_so_far_is_shown(world: World) -> None:
    world.add()
    talk(world, (5, "fact tokens_in 60"), (40, "fact tokens_in 90"))
    world.at(30, lambda: world.told.append(str(live(world)["tokens_in"])))
    world.supervise()
    assert "60" in world.told
    assert live(world)["tokens_in"] == 90


@pytest.mark.parametrize(("after", "told"), [(0.5, 0.5), (20.0, 20.0), (300.0, 300.0)])
def test_the_time_to_the_first_output_is_journaled(world: World, after: float, told: float) -> None:
    world.add()
    world.will("a", Script(after_s=600))
    world.at(after, lambda: world.machine.store("runs/a/1/agent.log", b"hello\n"))
    world.at(after + 60, lambda: world.machine.store("runs/a/1/agent.log", b"hello\nagain\n"))
    world.supervise()
    assert world.past().state["first_output_s"] == pytest.approx(told, rel=0.01)


def test_a_run_that_prints_nothing_has_no_first_output(world: World) -> None:
    world.add()
    world.supervise()
    assert "first_output_s" not in world.past().state


def test_who_came_late_does_not_guess_when_it_printed_first(world: World) -> None:
    world.add()
    talk(world, (50, "hello"), (80, "again"))
    world.at(49, lambda: None)
    world.die(48)
    world.supervise()
    world.clock.advance(20)
    world.supervise()
    assert "first_output_s" not in world.past().state


def test_a_supervisor_that_takes_over_keeps_what_the_first_saw(world: World) -> None:
    world.add()
    talk(world, (10, "hello"))
    world.die(50)
    world.supervise()
    world.supervise()
    assert world.past().state["first_output_s"] == pytest.approx(10, rel=0.01)


def test_a_side_file_that_cannot_be_read_ends_nothing(world: World) -> None:
    """It is the program's own: it may vanish between a look at its folder and the reading."""

    def gone(pattern: str) -> list[tuple[str, bytes]]:
        raise FileNotFoundError(pattern)

    engine = ScriptedEngine()
    engine.sidecars = lambda *_: ("/home/somebody/*.jsonl",)  # type: ignore[method-assign]
    world.engines["scripted"] = engine
    world.side_files = gone
    world.add(budget="{tokens: 100}")
    talk(world, (5, "fact tokens_in 60"), (9, "fact tokens_in 120"))
    world.supervise()
    assert (world.result(), world.past().state["tokens_in"]) == ("budget_exceeded", 120)
