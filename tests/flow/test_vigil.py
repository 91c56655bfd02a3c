"""Signs of life, and what one job may take of the machine."""

from dataclasses import replace

import pytest

from agent_queue.core.job import Stage
from agent_queue.core.limits import Limits, Vitals
from agent_queue.testing.processes import Script

from .world import World

SILENT = Script(after_s=3000, output=b"once\n")


def quiet_world(stop: float | None = 600.0) -> World:
    world = World(stall_stop_s=stop)
    world.add()
    world.will("a", SILENT)
    return world


def test_silence_without_any_other_sign_of_life_is_a_stall() -> None:
    world = quiet_world()
    world.supervise()
    assert (world.stage(), world.result()) == (Stage.FAILED, "stalled")
    assert 600 <= world.clock.monotonic() < 620
    assert "a: no output, work or change of a file for 600 s; stopping it" in world.told


def test_cpu_time_is_a_sign_of_life() -> None:
    world = quiet_world()
    world.vitals = lambda _: Vitals(cpu_s=world.clock.monotonic() * 0.5, memory=0)
    world.supervise()
    assert (world.stage(), world.clock.monotonic()) == (Stage.REVIEW, 3000)


def test_the_little_that_a_waiting_program_uses_is_none() -> None:
    world = quiet_world()
    world.vitals = lambda _: Vitals(cpu_s=world.clock.monotonic() * 0.01, memory=0)
    world.supervise()
    assert world.result() == "stalled"


def test_a_change_of_a_file_is_a_sign_of_life() -> None:
    world = quiet_world()
    for minute in range(0, 50, 5):
        world.at(60 * minute, lambda at=60 * minute: world.edits.append(world.clock.now().timestamp()))
    world.supervise()
    assert (world.stage(), world.clock.monotonic()) == (Stage.REVIEW, 3000)


def test_files_that_changed_long_ago_are_none() -> None:
    world = quiet_world()
    world.edits.append(world.clock.now().timestamp() - 1)
    world.supervise()
    assert world.result() == "stalled"


def test_without_stall_stop_nothing_is_stopped_and_the_record_marks_it() -> None:
    world = quiet_world(None)
    world.supervise()
    assert world.stage() is Stage.REVIEW
    assert '"life_at"' in world.file("runs/a/1/vitals.json")


def test_a_job_that_grows_past_the_limit_is_stopped_as_out_of_memory() -> None:
    world = World()
    world.settings = replace(world.settings, limits=Limits(memory=1 << 30))
    for name in "ab":
        world.add(name)
        world.will(name, Script(after_s=500))
    grown = {"runs/a/1": 0.1, "runs/b/1": 0.001}
    world.vitals = lambda folder: Vitals(cpu_s=0, memory=int(grown[folder] * world.clock.monotonic() * (1 << 30)))
    world.supervise()
    assert (world.stage("a"), world.result("a")) == (Stage.FAILED, "out_of_memory")
    assert world.stage("b") is Stage.REVIEW
    assert "over [limits] memory (1GB)" in "".join(world.told)
    assert "Raise `[limits] memory`" in world.file("runs/a/1/report.md")


def test_a_strained_machine_starts_nothing_and_says_why(world: World) -> None:
    world.add()
    world.strain = "only 3MB of memory free"
    report = world.supervise()
    assert report is not None
    assert (world.stage(), report.held) == (Stage.INBOX, 1)
    assert report.left == ["a: waits: scripted: only 3MB of memory free"] or "only 3MB" in report.left[0]


@pytest.mark.parametrize("once", [True, False])
def test_it_goes_on_when_the_machine_has_room_again(world: World, once: bool) -> None:
    world.add()
    world.strain = "load 99"
    world.at(60, lambda: setattr(world, "strain", None))
    world.signal(600, "SIGINT")
    world.supervise(once=once, wait_s=500)
    assert world.stage() is Stage.REVIEW
    assert 60 <= world.past().state["started_at"] - (world.clock.now().timestamp() - world.clock.monotonic()) <= 66


def test_the_log_is_kept_within_its_limit(world: World) -> None:
    world.settings = replace(world.settings, limits=Limits(log=5 << 20))
    world.add(verify="true")
    world.will("a", Script(after_s=60))
    world.will("a", Script(after_s=60), verify=True)
    world.supervise()
    assert {(path.rpartition("/")[2], most) for path, most in world.capped} == {
        ("agent.log", 5 << 20),
        ("verify.log", 5 << 20),
    }
