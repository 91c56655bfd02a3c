"""What a person asks for, with and without a supervisor at work."""

from collections.abc import Callable
from typing import Any

import pytest

from agent_queue.core.errors import AqError, BusyError, IllegalMoveError, UsageError
from agent_queue.core.job import JobId, Stage
from agent_queue.core.lifecycle import Move, begin
from agent_queue.flow import requests
from agent_queue.flow.tools import Tools
from agent_queue.testing.processes import Script

from .world import Beside, World

A = JobId("a")


def cancel(tools: Tools, wait: Any) -> Stage:
    return requests.cancel(tools, A, wait)


def beside(world: World, after_s: float, deed: Callable[[Tools, Any], Any] = cancel) -> Beside:
    return Beside(world, deed, after_s=after_s)


# Names.


def test_a_job_is_named_by_any_part_that_only_it_has(world: World) -> None:
    for name in ("20260301-1200__fix-login", "20260301-1201__fix-logout", "20260301-1201__fix-log"):
        world.add(name)
    assert requests.named(world.queue, "LOGIN") == "20260301-1200__fix-login"
    assert requests.named(world.queue, "20260301-1201__fix-log") == "20260301-1201__fix-log", "an id is itself"
    with pytest.raises(UsageError, match="could be 2 jobs"):
        requests.named(world.queue, "1201")
    with pytest.raises(UsageError, match="no job is called nothing"):
        requests.named(world.queue, "nothing")


@pytest.mark.parametrize("name", ["", "*", "../inbox/only", "inbox/only", "only.md"])
def test_nothing_and_no_name_mean_no_job_not_even_the_only_one(world: World, name: str) -> None:
    world.add("only")
    with pytest.raises(UsageError, match="no job is called"):
        requests.named(world.queue, name)


# Moves.


def test_the_human_gates(world: World) -> None:
    world.add()
    world.supervise()
    with world.caller() as tools:
        with pytest.raises(IllegalMoveError, match="lies in review"):
            requests.ship(tools, A)
        assert requests.promote(tools, A).target is Stage.TESTING
        with pytest.raises(IllegalMoveError, match="lies in testing"):
            requests.promote(tools, A)
        assert requests.ship(tools, A).target is Stage.SHIPPED
        for move in (requests.ship, requests.reject, requests.requeue, requests.promote):
            with pytest.raises(IllegalMoveError, match="lies in shipped"):
                move(tools, A)
        with pytest.raises(IllegalMoveError):
            requests.cancel(tools, A, world.patience)
    assert world.way() == ["begin", "advance", "promote", "ship"]
    assert world.lies_free("a")


@pytest.mark.parametrize("keys", [{}, {"verify": "true"}])
def test_reject_and_requeue(world: World, keys: dict[str, str]) -> None:
    world.add(**keys)
    world.supervise()
    with world.caller() as tools:
        assert requests.reject(tools, A).target is Stage.FAILED
        assert world.result() == "rejected"
        with pytest.raises(IllegalMoveError, match="lies in failed"):
            requests.reject(tools, A)
        assert requests.requeue(tools, A).target is Stage.INBOX
    assert (world.past().attempts, world.past().run) == (0, 1)
    world.supervise()
    assert (world.stage(), world.past().run) == (Stage.TESTING if keys else Stage.REVIEW, 2)


def test_a_fresh_start_leaves_the_old_branch_aside(world: World) -> None:
    world.add()
    world.will("a", Script(does=lambda _: world.workspaces.trees["/trees/a"].update(old=b"1")))
    world.supervise()
    with world.caller() as tools:
        requests.requeue(tools, A, fresh=True)
    world.supervise()
    assert world.workspaces.branches["aq/old/a/1"][-1] == {"README": b"hello", "old": b"1"}
    assert world.workspaces.branches["aq/wip/a"][-1] == {"README": b"hello"}
    with world.caller() as tools:
        requests.requeue(tools, A)
    world.supervise()
    assert sorted(world.workspaces.branches) == ["aq/old/a/1", "aq/wip/a"], "only the next run begins afresh"


@pytest.mark.parametrize("move", [requests.promote, requests.ship, requests.reject, requests.requeue])
def test_a_move_of_a_job_in_work_answers_busy(world: World, move: Callable[[Tools, JobId], Move]) -> None:
    world.add(verify="true")
    world.will("a", Script(after_s=100))
    world.will("a", Script(after_s=100), verify=True)
    running = beside(world, 50, lambda tools, _: move(tools, A))
    verifying = beside(world, 150, lambda tools, _: move(tools, A))
    world.supervise()
    for caller, word in ((running, "running"), (verifying, "verifying")):
        assert isinstance(caller.error, BusyError)
        assert word in str(caller.error)
    assert world.stage() is Stage.TESTING


def test_a_job_whose_verify_is_still_to_come_is_not_promoted(world: World) -> None:
    world.add(verify="true")
    world.will("a", Script(after_s=5))
    world.will("a", Script(after_s=None), verify=True)
    world.signal(10, "SIGTERM")
    world.supervise()
    assert world.stage() is Stage.REVIEW
    with world.caller() as tools, pytest.raises(BusyError, match="verifying"):
        requests.promote(tools, A)


def test_a_move_first_finishes_what_a_crash_cut_short(world: World) -> None:
    world.add(deps="nobody")
    world.queue.note(A, begin(world.job()).entry())
    with world.caller() as tools, pytest.raises(IllegalMoveError, match="lies in building"):
        requests.requeue(tools, A)
    assert world.stage() is Stage.BUILDING


def test_a_move_by_hand_while_nobody_looked_comes_first_in_the_journal(world: World) -> None:
    world.add(verify="true")
    world.will("a", Script())
    world.supervise()
    world.machine.move("a.md", Stage.TESTING, Stage.REVIEW)
    requests.promote(world.tools(world.queue), A)
    requests.ship(world.tools(world.queue), A)
    assert world.way()[-3:] == ["by_hand", "promote", "ship"]


def test_a_move_of_a_file_that_is_gone_says_so(world: World) -> None:
    with world.caller() as tools, pytest.raises(UsageError, match="no job is called a"):
        requests.reject(tools, A)


def test_a_promotion_is_gone_on_from_by_the_supervisor(world: World) -> None:
    world.add("a", ship="auto")
    world.add("b")
    world.will("b", Script(after_s=100))
    promoted = beside(world, 50, lambda tools, _: requests.promote(tools, A))
    world.supervise()
    assert promoted.error is None
    assert (world.stage("a"), world.way("a")) == (Stage.SHIPPED, ["begin", "advance", "promote", "ship"])


# Cancel.


def test_a_waiting_job_is_cancelled_at_once(world: World) -> None:
    world.add()
    with world.caller() as tools:
        assert requests.cancel(tools, A, world.patience) is Stage.FAILED
    assert (world.result(), world.way(), world.clock.monotonic()) == ("cancelled", ["cancel"], 0)
    world.supervise()
    assert world.processes.started == []


@pytest.mark.parametrize("keys", [{}, {"verify": "true"}])
def test_a_resting_job_is_cancelled_at_once(world: World, keys: dict[str, str]) -> None:
    world.add(**keys)
    world.supervise()
    with world.caller() as tools:
        assert requests.cancel(tools, A, world.patience) is Stage.FAILED
    assert (world.result(), world.way()[-1]) == ("cancelled", "cancel")


@pytest.mark.parametrize("retry", ["none", "{max: 9, on: [crash, timeout]}"])
@pytest.mark.parametrize("stop_code", [0, 1, None])
def test_a_running_job_is_cancelled(world: World, stop_code: int | None, retry: str) -> None:
    world.add(verify="true", retry=retry)
    world.will("a", Script(after_s=None, stop_s=3, stop_code=stop_code))
    caller = beside(world, 50)
    report = world.supervise()
    caller.end()
    assert report is not None
    assert (caller.error, caller.value) == (None, Stage.FAILED)
    assert (world.stage(), world.result(), report.failed) == (Stage.FAILED, "cancelled", 1)
    assert (world.way(), world.past().state["duration_s"]) == (["begin", "fail"], 53)
    assert world.workspaces.branches["aq/wip/a"], "its work stays on its branch"


def test_a_verifying_job_is_cancelled(world: World) -> None:
    world.add(verify="true", retry="{max: 9}")
    world.will("a", Script(after_s=10))
    world.will("a", Script(after_s=None, stop_code=0), verify=True)
    caller = beside(world, 50)
    world.supervise()
    caller.end()
    assert (caller.error, caller.value) == (None, Stage.FAILED)
    assert (world.stage(), world.result(), world.way()) == (Stage.FAILED, "cancelled", ["begin", "advance", "fail"])


def test_a_running_job_without_a_supervisor_is_cancelled_by_the_caller(world: World) -> None:
    world.add()
    world.will("a", Script(after_s=None, stop_s=3))
    world.die(10)
    world.supervise()
    with world.caller() as tools:
        assert requests.cancel(tools, A, world.patience) is Stage.FAILED
    assert (world.result(), world.lies_free("a")) == ("cancelled", True)
    assert world.past().state["wip_branch"] == "aq/wip/a"


def test_a_verifying_job_without_a_supervisor_is_cancelled_by_the_caller(world: World) -> None:
    world.add(verify="true")
    world.will("a", Script(after_s=5))
    world.will("a", Script(after_s=None), verify=True)
    world.die(10)
    world.supervise()
    with world.caller() as tools:
        assert requests.cancel(tools, A, world.patience) is Stage.FAILED
    assert (world.result(), len(world.starts(verify=True))) == ("cancelled", 1)


@pytest.mark.parametrize("recorded", [True, False])
def test_a_job_that_ended_unseen_is_cancelled_all_the_same(world: World, recorded: bool) -> None:
    world.add(verify="true", retry="{max: 9}")
    world.will("a", Script(after_s=20, recorded=recorded))
    world.die(10)
    world.supervise()
    world.clock.advance(100)
    with world.caller() as tools:
        assert requests.cancel(tools, A, world.patience) is Stage.FAILED
    assert (world.result(), world.processes.left) == ("cancelled", [])
    assert world.starts(verify=True) == []


@pytest.mark.parametrize(("backoff", "starts"), [("1m", 1), ("0s", 2)])
def test_a_job_stopped_for_another_reason_is_cancelled_all_the_same(world: World, backoff: str, starts: int) -> None:
    """Its timeout came first, and asks for a retry: that retry is cancelled."""
    world.add(timeout="20s", retry=f"{{max: 9, backoff: {backoff}, on: [timeout]}}")
    world.will("a", Script(after_s=None, stop_s=5))
    caller = beside(world, 22)
    world.supervise()
    caller.end()
    assert (caller.error, caller.value) == (None, Stage.FAILED)
    assert (world.stage(), world.result(), len(world.starts())) == (Stage.FAILED, "cancelled", starts)


def test_a_job_that_a_shutdown_stops_is_cancelled_all_the_same(world: World) -> None:
    world.add(verify="true")
    world.will("a", Script(after_s=5))
    world.will("a", Script(after_s=None, stop_s=5), verify=True)
    world.signal(10, "SIGTERM")
    world.at(11, lambda: None)
    caller = beside(world, 12)
    world.supervise()
    caller.end()
    assert (caller.error, caller.value, world.stage()) == (None, Stage.FAILED, Stage.FAILED)
    assert len(world.starts(verify=True)) == 1


def test_a_job_that_is_just_being_claimed_is_cancelled(world: World) -> None:
    world.add()
    world.will("a", Script(after_s=None))
    held = world.view().lock(A)
    assert held is not None
    caller = beside(world, 0)
    world.at(0.05, held.close)
    world.supervise()
    caller.end()
    assert (caller.error, caller.value, world.stage()) == (None, Stage.FAILED, Stage.FAILED)
    assert world.machine.read("runs/a/0/stop.json") is None


def test_a_job_between_its_agent_and_its_verify_is_cancelled(world: World) -> None:
    """The agent ended well, and its work is being saved, when the person cancels."""
    world.add(verify="true")
    world.will("a", Script(after_s=10))
    world.will("a", Script(after_s=None), verify=True)
    caller = beside(world, 10)
    world.supervise()
    caller.end()
    assert (caller.error, caller.value, world.stage()) == (None, Stage.FAILED, Stage.FAILED)
    assert world.result() == "cancelled"


def test_a_claim_that_never_came_to_a_start_is_cancelled(world: World) -> None:
    world.add()
    world.queue.note(A, begin(world.job()).entry())
    with world.caller() as tools:
        assert requests.cancel(tools, A, world.patience) is Stage.FAILED
    assert (world.result(), world.processes.started) == ("cancelled", [])


def test_an_agent_that_does_not_end_keeps_the_caller_waiting_for_a_while(world: World) -> None:
    world = World(stop_grace_s=600.0)
    world.add()
    world.will("a", Script(after_s=None, stop_s=None))
    caller = beside(world, 10)
    world.supervise()
    caller.end()
    assert isinstance(caller.error, BusyError)
    assert "has not ended yet" in str(caller.error)
    assert (world.stage(), world.result()) == (Stage.FAILED, "cancelled")


def test_a_cancel_writes_its_wish_once(world: World) -> None:
    world.add()
    world.will("a", Script(after_s=None, stop_s=5))
    caller = beside(world, 10)
    world.supervise()
    caller.end()
    assert world.processes.asked == [("runs/a/1", "cancel")]


def test_the_error_of_a_workspace_does_not_keep_a_job_from_being_cancelled(world: World) -> None:
    world.workspaces.refusals["keep"] = AqError("disk full")
    world.add()
    world.will("a", Script(after_s=None))
    caller = beside(world, 10)
    world.supervise()
    caller.end()
    assert (caller.value, world.result()) == (Stage.FAILED, "cancelled")


def test_a_job_whose_last_move_was_not_marked_as_done_is_cancelled(world: World) -> None:
    """The supervisor died after the rename, before the journal's word that it is done."""
    for left in range(100):
        world = World()
        world.add(verify="true")
        world.machine.writes_left = left
        world.supervise()
        if world.stage() is Stage.REVIEW:
            break
    assert world.past().unfinished
    with world.caller() as tools:
        assert requests.cancel(tools, A, world.patience) is Stage.FAILED
