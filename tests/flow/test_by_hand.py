"""A person moves files while aq works with them. The person wins, and the journal says so."""

import pytest

from agent_queue.core.job import JobId, Stage
from agent_queue.testing.processes import Script

from .world import World

OTHERS = [stage for stage in Stage if stage is not Stage.BUILDING]


@pytest.mark.parametrize("target", OTHERS)
def test_a_running_job_that_is_dragged_away_is_stopped(world: World, target: Stage) -> None:
    world.add(verify="true", ship="auto")
    world.add("b")
    world.will("a", Script(after_s=1000, stop_code=0), Script(after_s=20))
    world.will("b", Script(after_s=60))
    world.at(10, lambda: world.machine.move("a.md", Stage.BUILDING, target))
    world.supervise()
    first = world.starts()[0]
    assert world.processes.stopped(first.folder) == "by_hand"
    assert world.way()[:2] == ["begin", "by_hand"]
    assert world.lies_free("a")
    if target is Stage.INBOX:
        assert (world.stage(), world.way()) == (
            Stage.SHIPPED,
            ["begin", "by_hand", "begin", "advance", "advance", "ship"],
        )
        assert (world.past().run, world.past().attempts) == (2, 1)
        return
    expected = Stage.SHIPPED if target is Stage.TESTING else target
    assert (world.stage(), len(world.starts())) == (expected, 1)
    assert world.past().stage is expected


@pytest.mark.parametrize("target", [*OTHERS, None])
def test_the_work_of_an_adopted_run_that_is_taken_away_is_saved(world: World, target: Stage | None) -> None:
    world.add()
    world.will("a", Script(after_s=1000, stop_code=0), Script(after_s=20))
    world.signal(10, "SIGHUP")
    world.supervise(once=False)
    if target is None:
        world.at(10, lambda: world.machine.remove(Stage.BUILDING, "a.md"))
    else:
        world.at(10, lambda: world.machine.move("a.md", Stage.BUILDING, target))
    world.supervise()
    ended = [entry for entry in world.queue.history(JobId("a")) if entry["event"] == "ended"]
    assert ended[0]["stop"] == "by_hand"
    assert ended[0]["wip_commit"]
    assert world.lies_free("a")
    if target not in (None, Stage.INBOX):
        assert world.stage() is target


def test_a_running_job_whose_file_is_deleted_leaves_nothing_behind(world: World) -> None:
    world.add()
    world.will("a", Script(after_s=60))
    world.at(10, lambda: world.machine.remove(Stage.BUILDING, "a.md"))
    report = world.supervise()
    assert report is not None
    assert world.processes.stopped(world.starts()[0].folder) == "by_hand"
    assert world.queue.job(world.starts()[0].env["AQ_JOB_ID"]) is None  # type: ignore[arg-type]
    assert world.lies_free("a")


@pytest.mark.parametrize("target", OTHERS)
def test_what_was_dragged_away_while_nobody_looked_is_stopped_by_the_next_supervisor(
    world: World, target: Stage
) -> None:
    world.add()
    world.will("a", Script(after_s=1000, stop_code=0))
    world.signal(10, "SIGHUP")
    world.supervise(once=False)
    world.machine.move("a.md", Stage.BUILDING, target)
    world.supervise()
    assert world.processes.stopped(world.starts()[0].folder) == "by_hand"
    assert len([line for line in world.told if f"moved by hand to {target}; stopping" in line]) == 1
    assert world.way()[:2] == ["begin", "by_hand"]
    assert world.lies_free("a")


@pytest.mark.parametrize("target", [Stage.INBOX, Stage.BUILDING, Stage.TESTING, Stage.SHIPPED, Stage.FAILED])
def test_a_job_dragged_away_under_its_verify_is_stopped(world: World, target: Stage) -> None:
    world.add(verify="true")
    world.will("a", Script(after_s=5))
    world.will("a", Script(after_s=1000), verify=True)
    world.at(10, lambda: world.machine.move("a.md", Stage.REVIEW, target))
    world.supervise()
    assert world.processes.stopped("runs/a/1/verify/1") == "by_hand"
    assert world.way()[:3] == ["begin", "advance", "by_hand"]
    assert world.lies_free("a")
    match target:
        case Stage.INBOX:
            assert (world.stage(), world.past().run) == (Stage.TESTING, 2)
        case Stage.BUILDING:
            assert world.way()[3:] == ["begin", "recover", "begin", "advance", "advance"]
        case _:
            assert world.stage() is target


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("origin", [Stage.REVIEW, Stage.TESTING, Stage.SHIPPED, Stage.FAILED])
def test_a_job_that_rests_and_is_put_back_runs_again(world: World, origin: Stage, running: bool) -> None:
    keys = {Stage.TESTING: {"verify": "true"}, Stage.SHIPPED: {"verify": "true", "ship": "auto"}}.get(origin, {})
    world.add(**keys)
    world.will("a", Script(code=origin is Stage.FAILED), Script())
    world.supervise()
    assert world.stage() is origin
    if running:
        world.add("b")
        world.will("b", Script(after_s=60))
        world.at(10, lambda: world.machine.move("a.md", origin, Stage.INBOX))
    else:
        world.machine.move("a.md", origin, Stage.INBOX)
    world.supervise()
    past = world.past()
    assert (past.run, past.attempts) == (2, 1)
    assert past.life == (2 if origin is Stage.SHIPPED else 1)
    assert past.state["wip_branch"] == ("aq/wip/a+2" if origin is Stage.SHIPPED else "aq/wip/a")
    assert world.way()[-2 if not keys else -4 if origin is Stage.SHIPPED else -3] == "begin"


def test_a_job_dragged_into_review_waits_for_a_person(world: World) -> None:
    world.add(verify="true", review_policy="auto", deps="nobody")
    world.machine.move("a.md", Stage.INBOX, Stage.REVIEW)
    world.supervise()
    assert (world.stage(), world.processes.started) == (Stage.REVIEW, [])


def test_a_job_dragged_into_testing_ships_when_it_says_so(world: World) -> None:
    world.add("a", ship="auto", deps="nobody")
    world.add("b")
    world.will("b", Script(after_s=60))
    world.at(10, lambda: world.machine.move("a.md", Stage.INBOX, Stage.TESTING))
    world.supervise()
    assert world.stage("a") is Stage.SHIPPED


def test_a_waiting_job_dragged_into_building_is_charged_and_comes_back(world: World) -> None:
    world.add("a", deps="nobody")
    world.add("b")
    world.will("b", Script(after_s=60))
    world.at(10, lambda: world.machine.move("a.md", Stage.INBOX, Stage.BUILDING))
    world.supervise()
    assert (world.stage("a"), world.way("a")) == (Stage.INBOX, ["begin", "recover"])
    assert (world.past("a").attempts, world.past("a").recoveries) == (1, 1)


def test_a_file_moved_at_the_moment_of_its_settling_stays_where_the_person_put_it(world: World) -> None:
    world.add("a")
    world.will("a", Script(after_s=60, does=lambda _: world.machine.move("a.md", Stage.BUILDING, Stage.TESTING)))
    report = world.supervise()
    assert report is not None
    assert world.stage() is Stage.TESTING
    assert world.past().stage is Stage.TESTING
    assert world.lies_free("a")


def cut_short(target: str) -> World:
    """A world whose supervisor died between the journal's word that a job goes to `target` and the rename."""
    for left in range(100):
        world = World()
        world.add("a")
        world.will("a", Script(code=1))
        world.machine.writes_left = left
        assert world.supervise() is None
        last = world.entries("a")[-1:]
        if last and last[0].get("to") == target:
            return world
    raise AssertionError(target)


def test_a_move_that_a_person_overtook_is_not_carried_out() -> None:
    """The person is quicker than the rename, and slower than the journal."""
    world = cut_short("failed")
    assert (world.stage(), world.past().unfinished) == (Stage.BUILDING, True)
    world.machine.move("a.md", Stage.BUILDING, Stage.TESTING)
    world.supervise()
    assert (world.stage(), world.past().stage, world.past().kind) == (Stage.TESTING, Stage.TESTING, "by_hand")


@pytest.mark.parametrize(
    ("target", "way"), [("building", ["begin", "recover", "begin", "fail"]), ("failed", ["begin", "fail"])]
)
def test_a_move_that_nobody_overtook_is_finished(target: str, way: list[str]) -> None:
    world = cut_short(target)
    world.supervise()
    assert (world.stage(), world.way()) == (Stage.FAILED, way)
    assert not world.past().unfinished


def test_a_job_dragged_away_and_back_has_been_cancelled(world: World) -> None:
    world.add("a")
    world.will("a", Script(after_s=60), Script(after_s=5))
    world.at(10, lambda: world.machine.move("a.md", Stage.BUILDING, Stage.FAILED))
    world.at(10.2, lambda: world.machine.move("a.md", Stage.FAILED, Stage.BUILDING))
    world.supervise()
    assert (world.stage(), world.result()) == (Stage.FAILED, "cancelled")
    assert world.lies_free("a")


def test_a_copy_in_another_stage_disturbs_nobody(world: World) -> None:
    world.add("a")
    world.will("a", Script(after_s=60))
    world.at(10, lambda: world.machine.write(Stage.FAILED, "a.md", b"my copy"))
    report = world.supervise()
    assert report is not None
    assert world.stage() is Stage.REVIEW
    assert any("duplicate id" in line for line in report.left)


def test_a_copy_where_the_job_should_go_is_never_written_over(world: World) -> None:
    world.add("a")
    world.will("a", Script(after_s=60))
    world.at(10, lambda: world.machine.write(Stage.REVIEW, "a.md", b"my copy"))
    world.supervise()
    assert world.machine.read("review/a.md") == b"my copy"
    assert world.machine.read("building/a.md") is not None
    assert world.lies_free("a")
    world.supervise()
    assert world.machine.read("review/a.md") == b"my copy"
