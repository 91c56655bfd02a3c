"""What the next supervisor makes of what the last one, or the machine, left behind."""

import pytest

from agent_queue.core.job import JobId, Stage
from agent_queue.core.lifecycle import begin
from agent_queue.core.outcome import StopReason
from agent_queue.core.run import Start
from agent_queue.flow.recover import recover_all, settle_alone
from agent_queue.testing.processes import Script

from .world import World


def test_an_agent_outlives_its_supervisor_and_is_adopted(world: World) -> None:
    world.add(verify="true")
    world.will("a", Script(after_s=100))
    world.die(10)
    assert world.supervise() is None
    assert (world.stage(), world.lies_free("a")) == (Stage.BUILDING, False)
    world.supervise()
    assert (world.stage(), len(world.starts()), world.past().attempts) == (Stage.TESTING, 1, 1)
    assert (world.past().state["duration_s"], world.past().recoveries) == (100, 0)


def test_an_agent_that_ended_while_no_supervisor_lived_is_judged_by_its_record(world: World) -> None:
    world.add(verify="true")
    world.will("a", Script(after_s=100, output=b"fact turns 4\n"))
    world.die(10)
    world.supervise()
    world.clock.advance(1000)
    world.supervise()
    assert (world.stage(), world.past().state["turns"], world.past().state["duration_s"]) == (Stage.TESTING, 4, 100)
    assert (len(world.starts()), world.past().attempts, world.past().recoveries) == (1, 1, 0)
    assert "a: ended while no supervisor lived; going on from its record" in world.told


def test_a_deadline_is_kept_without_a_supervisor(world: World) -> None:
    world.add(timeout="1m")
    world.will("a", Script(after_s=None, stop_code=0))
    world.die(10)
    world.supervise()
    world.clock.advance(1000)
    world.supervise()
    assert (world.stage(), world.result(), world.past().state["exit"]) == (Stage.FAILED, "timeout", 0)


def test_a_mutex_stays_taken_while_an_adopted_agent_runs(world: World) -> None:
    world.add("a", lock="db")
    world.add("b", lock="db")
    world.will("a", Script(after_s=100))
    world.die(10)
    world.supervise()
    world.supervise()
    assert world.past("b").state["started_at"] >= world.past("a").state["ended_at"]


def test_an_adopted_job_takes_a_slot(world: World) -> None:
    world.add("a")
    world.add("b")
    world.will("a", Script(after_s=100))
    world.die(10)
    world.supervise(slots=1)
    world.supervise(slots=1)
    assert world.processes.most == 1


def test_the_death_of_the_shim_is_a_recovery_whatever_retry_says(world: World) -> None:
    world.add(retry="none")
    world.will(
        "a", Script(after_s=50, recorded=False, does=lambda _: world.workspaces.trees["/trees/a"].update(x=b"1"))
    )
    world.supervise()
    assert world.way() == ["begin", "recover", "begin", "advance"]
    assert (world.past().recoveries, world.past().attempts, world.past().run) == (1, 2, 2)
    assert world.processes.left == [], "its agent was swept before another one started"
    assert world.workspaces.branches["aq/wip/a"][-1]["x"] == b"1"
    assert world.workspaces.messages == ["aq wip: a (its shim died)"]


def test_the_death_of_the_machine_is_a_recovery(world: World) -> None:
    world.add()
    world.will("a", Script(after_s=100))
    world.die(10)
    world.supervise()
    world.processes.reboot()
    world.supervise()
    assert (world.stage(), world.way()) == (Stage.REVIEW, ["begin", "recover", "begin", "advance"])
    assert "a: left in building by a crash; recovering" in world.told


def test_a_job_that_kills_the_machine_ends(world: World) -> None:
    world = World(max_recoveries=2)
    world.add(retry="{max: 100}")
    world.will("a", *[Script(recorded=False)] * 10)
    report = world.supervise()
    assert report is not None
    assert (report.failed, world.stage(), world.result()) == (1, Stage.FAILED, "crash")
    assert world.way() == ["begin", "recover", "begin", "recover", "begin", "fail"]
    assert "it did so 3 times" in world.file("runs/a/3/outcome.json")


def test_a_requeue_forgets_the_recoveries(world: World) -> None:
    world = World(max_recoveries=0)
    world.add()
    world.will("a", Script(recorded=False))
    world.supervise()
    world.machine.move("a.md", Stage.FAILED, Stage.INBOX)
    world.supervise()
    assert (world.stage(), world.past().recoveries) == (Stage.REVIEW, 0)


def test_a_claim_that_was_only_announced_is_finished(world: World) -> None:
    world.add()
    world.queue.note(JobId("a"), begin(world.job()).entry())
    world.supervise()
    assert (world.stage(), world.past().run) == (Stage.REVIEW, 2)
    assert (world.way(), len(world.starts())) == (["begin", "recover", "begin", "advance"], 1)


def test_a_file_in_building_without_a_claim_is_charged_once(world: World) -> None:
    world.machine.write(Stage.BUILDING, "a.md", b"---\nengine: scripted\ncwd: /repo\n---\nx\n")
    world.supervise()
    assert world.way() == ["begin", "recover", "begin", "advance"]
    assert (world.stage(), world.past().attempts, world.past().recoveries) == (Stage.REVIEW, 2, 1)


def test_a_file_dropped_into_building_while_it_runs_is_charged_once(world: World) -> None:
    world.add("b")
    world.will("b", Script(after_s=60))
    file = b"---\nengine: scripted\ncwd: /repo\n---\nx\n"
    world.at(10, lambda: world.machine.write(Stage.BUILDING, "a.md", file))
    world.supervise()
    assert (world.stage(), world.way()) == (Stage.REVIEW, ["begin", "recover", "begin", "advance"])


def test_a_shutdown_under_a_verify_that_the_machine_then_lost_is_verified_again(world: World) -> None:
    world.add(verify="true")
    world.will("a", Script(after_s=5))
    world.will("a", Script(after_s=100), verify=True)
    world.die(10)
    world.supervise()
    world.processes.reboot()
    world.supervise()
    assert (world.stage(), world.way()) == (Stage.TESTING, ["begin", "advance", "advance"])
    assert (len(world.starts()), len(world.starts(verify=True))) == (1, 2)
    assert (world.past().recoveries, world.past().attempts) == (1, 1)


def test_a_verify_that_kills_the_machine_ends(world: World) -> None:
    world = World(max_recoveries=1)
    world.add(verify="true")
    world.will("a", *[Script(recorded=False)] * 10, verify=True)
    world.supervise()
    assert (world.stage(), world.result()) == (Stage.FAILED, "crash")
    assert len(world.starts(verify=True)) <= 3
    assert world.processes.left == []


def test_a_verify_that_ended_while_no_supervisor_lived_is_judged(world: World) -> None:
    world.add(verify="true")
    world.will("a", Script(after_s=5))
    world.will("a", Script(after_s=100, code=1), verify=True)
    world.die(10)
    world.supervise()
    world.clock.advance(500)
    world.supervise()
    assert (world.stage(), world.result(), len(world.starts(verify=True))) == (Stage.FAILED, "verify_failed", 1)


def test_a_verify_that_never_began_is_done(world: World) -> None:
    world.add(verify="true")
    world.will("a", Script(after_s=5))
    world.die(5)
    world.supervise()
    world.supervise()
    assert (world.stage(), len(world.starts(verify=True))) == (Stage.TESTING, 1)


def test_an_unreadable_file_does_not_stop_its_run_from_being_judged(world: World) -> None:
    world.add()
    world.will("a", Script(after_s=100))
    world.die(10)
    world.supervise()
    world.machine.write(Stage.BUILDING, "a.md", b"---\npriority: [\n---\nx\n")
    world.add("b")
    world.supervise()
    assert (world.stage("a"), world.stage("b")) == (Stage.REVIEW, Stage.REVIEW)


@pytest.mark.parametrize("stall", [None, 600.0])
def test_a_shim_that_dies_between_the_look_and_the_watch_is_noticed(stall: float | None) -> None:
    world = World(stall_stop_s=stall)
    world.add()
    world.will("a", Script(after_s=10, recorded=False))
    world.die(5)
    world.supervise()
    tell = world.told.append

    def told(line: str) -> None:
        tell(line)
        if "adopted" in line:
            world.clock.advance(10)  # the shim dies right here

    world.tell = told
    world.supervise()
    assert (world.stage(), world.past().recoveries) == (Stage.REVIEW, 1)


def test_a_lock_that_a_helper_process_still_holds_is_waited_for(world: World) -> None:
    """git, run for the job by a supervisor that died, holds the job's lock until it ends."""
    world.add()
    world.will("a", Script(after_s=10))
    world.die(5)
    world.supervise()
    world.clock.advance(10)
    helper = world.view().lock(JobId("a"))
    assert helper is not None
    world.at(30, helper.close)
    world.supervise()
    assert (world.stage(), world.clock.monotonic() >= 45) == (Stage.REVIEW, True)
    assert len(world.starts()) == 1


def test_a_stop_that_no_shim_obeyed_still_counts(world: World) -> None:
    world.add()
    world.will("a", Script(after_s=100))
    world.die(10)
    world.supervise()
    world.processes.ask_stop("runs/a/1", StopReason.TIMEOUT)
    world.processes.reboot()
    world.supervise()
    assert (world.stage(), world.result()) == (Stage.FAILED, "timeout")


@pytest.mark.parametrize("late", [False, True], ids=["before it is told", "before it has the lock"])
def test_a_job_that_another_process_settled_is_gone_on_from(world: World, late: bool) -> None:
    """`aq cancel`, come too late, judges an agent that ended well, and is quicker than the supervisor."""
    job = JobId("a")

    def elsewhere() -> None:
        with world.caller() as tools:
            assert settle_alone(tools, job)

    def quicker(_: Start) -> None:
        if late:
            world.at_lock[job] = elsewhere
        else:
            world.at(0, elsewhere)

    world.add(verify="true")
    world.will("a", Script(after_s=100, does=quicker))
    world.die(10)
    world.supervise()
    world.supervise()
    assert (world.stage(), world.way()) == (Stage.TESTING, ["begin", "advance", "advance"])
    assert (len(world.starts()), len(world.starts(verify=True))) == (1, 1)


# `aq recover`: the same, by hand, starting nothing.


def test_recover_settles_what_has_ended_and_leaves_what_lives(world: World) -> None:
    for name, takes in (("done", 20), ("lives", 1000), ("lost", 1000)):
        world.add(name, verify="true")
        world.will(name, Script(after_s=takes))
    world.die(10)
    world.supervise()
    world.clock.advance(50)
    folder = world.starts("lost")[0].folder
    world.processes._gone(world.processes._live[folder])
    with world.caller() as tools:
        first = recover_all(tools)
        assert recover_all(tools) == [row for row in first if row.alive]
    assert [(row.job, row.stage, row.alive) for row in first] == [
        ("done", Stage.REVIEW, False), ("lives", Stage.BUILDING, True), ("lost", Stage.INBOX, False)
    ]  # fmt: skip
    assert world.processes.most == 3
    assert len(world.processes.started) == 3
    world.supervise()
    assert {world.stage(name) for name in ("done", "lives", "lost")} == {Stage.TESTING}


def test_recover_leaves_a_verify_that_was_cut_short_to_the_next_supervisor(world: World) -> None:
    world.add(verify="true")
    world.will("a", Script(after_s=5))
    world.will("a", Script(after_s=None), verify=True)
    world.signal(10, "SIGTERM")
    world.supervise()
    with world.caller() as tools:
        recover_all(tools)
    assert (world.stage(), world.way(), len(world.starts(verify=True))) == (Stage.REVIEW, ["begin", "advance"], 1)


def test_recover_finishes_a_claim_and_gives_the_job_back(world: World) -> None:
    world.add()
    world.queue.note(JobId("a"), begin(world.job()).entry())
    with world.caller() as tools:
        (row,) = recover_all(tools)
        assert recover_all(tools) == []
    assert (row.stage, world.way(), world.starts()) == (Stage.INBOX, ["begin", "recover"], [])
