"""Work is saved while an agent works: on a beat, paced to what it costs, and by whoever watches."""

import pytest

from agent_queue.core.errors import AqError
from agent_queue.core.job import Stage
from agent_queue.testing.processes import Script

from .world import World


def beaten(world: World) -> list[bytes | None]:
    """What the file `work` held at each beat."""
    return [tree.get("work") for _, tree in world.workspaces.beats]


def working(world: World, *, until_s: int, from_s: int = 0) -> None:
    """The agent writes the time into the file `work`, every second."""
    tree = world.workspaces.trees

    def write(second: int) -> None:
        tree["/trees/a"]["work"] = str(second).encode()

    for second in range(from_s + 1, until_s):
        world.at(second, lambda second=second: write(second))


def test_work_is_saved_on_a_beat(world: World) -> None:
    world.add("a")
    world.will("a", Script(after_s=190))
    working(world, until_s=190)
    world.supervise()
    assert beaten(world) == [b"60", b"120", b"180"]
    assert world.stage() is Stage.REVIEW
    assert world.entries("a", "beat") == [], "a beat is no news"


@pytest.mark.parametrize(("every", "count"), [(10.0, 18), (None, 0)])
def test_how_often_is_a_setting(every: float | None, count: int) -> None:
    world = World(checkpoint_every_s=every)
    world.add("a")
    world.will("a", Script(after_s=185))
    world.supervise()
    assert len(world.workspaces.beats) == count


def test_a_slow_beat_costs_a_hundredth_of_the_time(world: World) -> None:
    world.add("a")
    world.will("a", Script(after_s=1000))
    working(world, until_s=1000)
    world.workspaces.takes_s["beat"] = 4.0
    world.supervise()
    assert beaten(world) == [b"64", b"468", b"872"], "400 seconds from the end of one to the beginning of the next"


def test_nothing_is_saved_outside_of_git(world: World) -> None:
    world.add("a", cwd="/plain")
    world.will("a", Script(after_s=190))
    world.supervise()
    assert world.workspaces.beats == []


def test_in_place_work_is_saved_too(world: World) -> None:
    world.add("a", workspace="in-place")
    world.will("a", Script(after_s=70))
    world.supervise()
    assert [job for job, _ in world.workspaces.beats] == ["a"]


def test_an_adopted_run_beats_as_well(world: World) -> None:
    world.add("a")
    world.will("a", Script(after_s=200))
    world.die(100)
    assert world.supervise() is None
    assert len(world.workspaces.beats) == 1
    world.supervise()
    assert len(world.workspaces.beats) == 2
    assert world.stage() is Stage.REVIEW


def test_a_beat_that_fails_is_said_once_and_ends_nothing(world: World) -> None:
    world.add("a")
    world.will("a", Script(after_s=300))
    world.workspaces.refusals["beat"] = AqError("no space")
    world.supervise()
    assert [line for line in world.told if "no space" in line] == [
        "a: its work could not be saved while it runs: no space"
    ]
    assert world.stage() is Stage.REVIEW


def test_silence_is_noticed_between_beats(world: World) -> None:
    world = World(stall_stop_s=30.0, checkpoint_every_s=7.0)
    world.add("a")
    world.will("a", Script(after_s=None, output=b"once\n"))
    world.supervise()
    assert world.result() == "stalled"
    assert len(world.workspaces.beats) == 4
