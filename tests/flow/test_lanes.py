"""Engines whose service or program is in trouble: their jobs wait uncharged, all others run on."""

from dataclasses import replace

import pytest

from agent_queue.core.fields import seconds
from agent_queue.core.job import Stage
from agent_queue.core.lanes import hours
from agent_queue.core.settings import EngineSettings
from agent_queue.core.settings_lanes import LaneSettings
from agent_queue.testing.engine import ScriptedEngine
from agent_queue.testing.processes import Script

from .world import World

LIMIT = Script(output=b"held 3600 usage limit\n", code=1)
SLOW_DOWN = Script(output=b"broke rate_limited 429\n", code=1)
CRASH = Script(code=1)


def started(world: World, job: str) -> list[float]:
    """When its runs began, seconds since the world did."""
    start = world.clock.now().timestamp() - world.clock.monotonic()
    return [entry["started_at"] - start for entry in world.entries(job, "started")]


def test_one_engines_limit_holds_its_jobs_and_no_others(world: World) -> None:
    world.add("a")
    world.add("b")
    world.will("a", LIMIT)
    for number in range(5):
        world.add(f"c-{number}", engine="other")
    world.supervise(slots=1, wait_s=7200)
    assert {world.stage(job) for job in ("a", "b", "c-0", "c-4")} == {Stage.REVIEW}
    assert started(world, "a") == [0, 3601]
    assert started(world, "b") == [3602]
    assert max(started(world, f"c-{number}")[0] for number in range(5)) < 60
    assert (world.past("a").attempts, world.past("a").run) == (1, 2)


def test_a_job_goes_on_in_the_same_place_at_the_second_of_the_reset(world: World) -> None:
    world.add()
    world.will("a", LIMIT)
    world.supervise(wait_s=7200)
    first, second = world.starts()
    assert (first.cwd, second.cwd) == ("/trees/a", "/trees/a")
    (hold,) = [entry for entry in world.entries("a", "move") if entry["move"] == "hold"]
    assert (hold["lane"], started(world, "a")) == ("scripted", [0, 3601])
    assert hold["next_eligible"] == pytest.approx(world.entries("a", "started")[1]["started_at"])


def test_a_parked_lane_survives_its_supervisor(world: World) -> None:
    world.add()
    world.will("a", LIMIT)
    world.signal(60, "SIGINT")
    world.supervise(once=False)
    world.supervise(wait_s=7200)
    assert started(world, "a") == [0, 3601]


def test_a_person_who_opens_a_lane_has_its_jobs_start(world: World) -> None:
    world.add()
    world.will("a", LIMIT)
    world.at(100, lambda: world.parked.forget("scripted"))
    world.supervise(wait_s=7200)
    assert 100 <= started(world, "a")[1] <= 105


def test_why_names_the_lane_and_its_reset(world: World) -> None:
    world.add("a")
    world.add("b")
    world.will("a", LIMIT)
    report = world.supervise(slots=1)
    assert report is not None
    assert report.held == 2
    told = "waits: not before 2026-03-01 13:00:01 UTC (scripted: usage limit)"
    assert sorted(report.left) == [f"a: {told}", f"b: {told}"]


def test_what_closes_and_opens_is_told_once(world: World) -> None:
    world.add()
    world.will("a", LIMIT)
    world.supervise(wait_s=7200)
    told = [line for line in world.told if line.startswith("scripted")]
    assert told == ["scripted: starts no jobs until 2026-03-01 13:00:01: usage limit", "scripted: starts jobs again"]


def test_a_service_that_asks_to_slow_down_is_asked_again_later_and_later(world: World) -> None:
    world.clock.dice = 0.0
    world.add()
    world.will("a", *[SLOW_DOWN] * 4)
    world.supervise(wait_s=7200)
    assert started(world, "a") == [0, 31, 92, 213, 454]
    assert (world.stage(), world.past().attempts, world.past().run) == (Stage.REVIEW, 1, 5)


def test_after_a_pause_one_job_tries_the_lane_before_the_others(world: World) -> None:
    world.clock.dice = 0.0
    for job in "abc":
        world.add(job)
        world.will(job, replace(SLOW_DOWN, after_s=5), Script(after_s=500))
    world.supervise(wait_s=7200)
    again = sorted(started(world, job)[1] for job in "abc")
    assert again == [35, 95, 95]


def test_a_hold_without_an_end_ends(world: World) -> None:
    world = World(max_hold_s=3600.0)
    world.add()
    world.will("a", *[Script(output=b"broke quota no credit\n", code=1)] * 99)
    report = world.supervise(wait_s=99_999)
    assert report is not None
    assert (world.stage(), world.result(), report.failed) == (Stage.FAILED, "held_too_long", 1)
    assert 3600 <= world.clock.monotonic() <= 2 * 3600 + 60
    assert "no end in sight: no credit" in world.file(f"runs/a/{world.past().run}/outcome.json")


def test_a_known_reset_is_waited_for_however_long_it_takes(world: World) -> None:
    world = World(max_hold_s=60.0)
    world.add()
    world.will("a", *[LIMIT] * 30)
    world.supervise(wait_s=999_999)
    assert (world.stage(), world.past().run) == (Stage.REVIEW, 31)


def test_a_broken_engine_fails_no_more_than_three_jobs(world: World) -> None:
    names = [f"job-{number:02}" for number in range(12)]
    for name in names:
        world.add(name)
        world.will(name, *[CRASH] * 99)
    world.add("fine", engine="other")
    report = world.supervise(slots=5, wait_s=4000)
    assert report is not None
    assert [world.stage(name) for name in names].count(Stage.FAILED) == 3
    assert {world.past(name).attempts for name in names if world.stage(name) is Stage.INBOX} == {0}
    assert world.stage("fine") is Stage.REVIEW
    tries = [name for name in names if len(world.starts(name)) > 0]
    assert len(tries) > 6, "another job tries it every time"


def test_an_engine_that_works_again_does_all_that_waited(world: World) -> None:
    names = [f"job-{number}" for number in range(8)]
    for name in names:
        world.add(name)
    broken = 5
    for name in names[:broken]:
        world.will(name, CRASH)
    world.supervise(slots=1, wait_s=99_999)
    assert [world.stage(name) for name in names] == [Stage.FAILED] * 3 + [Stage.REVIEW] * 5


def test_scripts_of_jobs_break_no_engine(world: World) -> None:
    world.engines["shell"] = ScriptedEngine("shell")
    world.installed.add("shell")
    for number in range(6):
        world.add(f"job-{number}", engine="shell")
        world.will(f"job-{number}", CRASH)
    report = world.supervise()
    assert report is not None
    assert report.failed == 6


def test_a_fallback_goes_on_with_the_work_of_a_held_job(world: World) -> None:
    world.settings = replace(world.settings, engines={"other": EngineSettings(model="theirs", args=("-x",))})
    world.add(fallback="[missing, other]", model="mine", args="[-y]")
    edit = lambda _: world.workspaces.trees["/trees/a"].update(half=b"done")  # noqa: E731
    world.will("a", replace(LIMIT, does=edit))
    world.supervise()
    first, second = world.starts()
    assert (world.stage(), world.clock.monotonic() < 60) == (Stage.REVIEW, True)
    assert (first.argv[0], second.argv) == ("/bin/scripted", ("/bin/other", "-x"))
    assert (first.cwd, second.cwd) == ("/trees/a", "/trees/a")
    assert world.workspaces.branches["aq/wip/a"][-1]["half"] == b"done"
    assert world.past().state["engine"] == "other"


def test_a_fallback_is_no_choice_while_the_engine_is_open(world: World) -> None:
    world.add(fallback="other")
    world.supervise()
    assert [start.argv[0] for start in world.starts()] == ["/bin/scripted"]


def test_a_job_whose_fallbacks_are_closed_too_waits_for_the_first_to_open(world: World) -> None:
    world.add(fallback="other")
    world.will("a", LIMIT, Script(output=b"held 600 limit\n", code=1))
    world.supervise(wait_s=7200)
    assert started(world, "a") == [0, 1, 602]
    assert [start.argv[0] for start in world.starts()] == ["/bin/scripted", "/bin/other", "/bin/other"]


def test_a_class_takes_its_next_engine_while_the_first_is_parked(world: World) -> None:
    for name in ("claude", "codex"):
        world.engines[name] = ScriptedEngine(name)
        world.installed.add(name)
    for job in "ab":
        world.machine.write(Stage.INBOX, f"{job}.md", b"---\nengine-class: agentic-coder\ncwd: /repo\n---\nx\n")
    world.will("a", LIMIT)
    world.supervise(slots=1)
    assert [start.argv[0] for start in world.processes.started] == ["/bin/claude", "/bin/codex", "/bin/codex"]


def test_a_class_of_which_all_are_parked_waits(world: World) -> None:
    world.engines["claude"] = ScriptedEngine("claude")
    world.installed.add("claude")
    world.machine.write(Stage.INBOX, "a.md", b"---\nengine-class: agentic-coder\ncwd: /repo\n---\nx\n")
    world.will("a", LIMIT)
    world.supervise(wait_s=7200)
    assert started(world, "a") == [0, 3601]


def test_an_account_is_a_lane_of_its_own(world: World) -> None:
    world.settings = replace(world.settings, engines={"scripted": EngineSettings(account="home")})
    world.add()
    world.will("a", LIMIT)
    world.supervise()
    assert list(world.parked.lanes) == ["scripted@home"]
    world.settings = replace(world.settings, engines={"scripted": EngineSettings(account="work")})
    world.supervise()
    assert (world.stage(), world.clock.monotonic() < 60) == (Stage.REVIEW, True)


def test_hours_keep_the_day_for_the_person(world: World) -> None:
    world.settings = replace(world.settings, lanes={"scripted": LaneSettings(hours=hours("22:00-06:00"))})
    world.add("a")
    world.add("b", engine="other")
    world.supervise(wait_s=99_999)
    assert started(world, "a") == [seconds("10h")]
    assert started(world, "b") == [0]


def test_a_job_judged_again_after_a_crash_parks_its_lane_once(world: World) -> None:
    world.clock.dice = 0.0
    world.add()
    world.will("a", replace(SLOW_DOWN, after_s=10), Script())
    world.at(10, lambda: setattr(world.machine, "writes_left", 4))
    for _ in range(20):
        if world.supervise(wait_s=600) is not None:
            break
    assert (world.stage(), world.past().attempts) == (Stage.REVIEW, 1)
    assert len(world.starts()) == 2
