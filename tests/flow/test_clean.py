"""Putting away what finished jobs left: of no job that is not finished, and one trouble holds up no other job."""

from agent_queue.core.errors import AqError
from agent_queue.core.job import JobId, Stage
from agent_queue.flow import requests
from agent_queue.flow.clean import clean

from .world import World

A, B = JobId("a"), JobId("b")


def shipped(world: World, *names: str) -> None:
    for name in names:
        world.add(name)
    world.supervise()
    with world.caller() as tools:
        for name in names:
            requests.promote(tools, JobId(name))
            requests.ship(tools, JobId(name))


def test_a_job_that_a_person_puts_back_meanwhile_keeps_its_runs(world: World) -> None:
    shipped(world, "a", "b")
    world.at_lock[A] = lambda: world.machine.move("a.md", Stage.SHIPPED, Stage.INBOX)
    with world.caller() as tools:
        assert clean(tools, keep=0, branches=False).archived == [B]
    assert "runs/a/1/outcome.json" in world.machine.files
    assert "runs/b/1/outcome.json" not in world.machine.files


def test_a_job_that_cannot_be_put_away_is_left_with_the_reason(world: World) -> None:
    shipped(world, "a", "b")
    world.machine.write(Stage.SHIPPED, "a.md", b"---\npriority: urgent\n---\nx\n")
    with world.caller() as tools:
        found = clean(tools, keep=0, branches=True)
    assert found.archived == [B]
    assert [left.partition(":")[0] for left in found.left] == [A]
    assert "priority" in found.left[0]


def test_a_workspace_that_cannot_be_closed_is_left_with_the_reason(world: World) -> None:
    shipped(world, "a")
    world.workspaces.refusals["close"] = AqError("git refused")
    with world.caller() as tools:
        found = clean(tools, keep=0, branches=False)
    assert (found.archived, found.left) == ([], ["a: git refused"])
