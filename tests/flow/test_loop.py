"""The supervisor: what it starts and when, how it stops, when it is done."""

import json

import pytest

from agent_queue.core.job import JobId, Stage
from agent_queue.flow.report import Stopping
from agent_queue.testing.machine import job_file
from agent_queue.testing.processes import Script

from .world import World


def order(world: World) -> list[str]:
    return [start.env["AQ_JOB_ID"] for start in world.processes.started]


# What starts.


def test_slots_are_never_exceeded(world: World) -> None:
    jobs = [world.add(f"job-{number:02}", verify="true") for number in range(20)]
    for job in jobs:
        world.will(job, Script(after_s=30 + hash(job) % 7))
    world.supervise(slots=4)
    assert world.processes.most == 4
    assert {world.stage(job) for job in jobs} == {Stage.TESTING}


def test_a_free_slot_is_filled_at_once(world: World) -> None:
    for name, takes in (("a", 100), ("b", 10), ("c", 10)):
        world.add(name)
        world.will(name, Script(after_s=takes))
    world.supervise(slots=2)
    started = {name: world.past(name).state["started_at"] - world.past("a").state["started_at"] for name in "abc"}
    assert started == {"a": 0, "b": 0, "c": 10}


def test_priority_comes_first_then_age_then_the_smaller_id(world: World) -> None:
    world.add("late", priority="low")
    world.clock.advance(1)
    world.add("b")
    world.add("a")
    world.clock.advance(1)
    world.add("first", priority="critical")
    world.supervise(slots=1)
    assert order(world) == ["first", "a", "b", "late"]


def test_jobs_that_share_a_lock_never_overlap(world: World) -> None:
    for name, lock in (("a", "[db, net]"), ("b", "[db]"), ("c", "[net]"), ("d", "[other]")):
        world.add(name, lock=lock)
        world.will(name, Script(after_s=10))
    world.supervise(slots=4)
    state = {name: world.past(name).state for name in "abcd"}
    assert (state["b"]["started_at"], state["c"]["started_at"]) == (state["a"]["ended_at"], state["a"]["ended_at"])
    assert state["d"]["started_at"] == state["a"]["started_at"]


def test_a_job_that_is_refused_leaves_its_slot_and_its_lock_to_the_next(world: World) -> None:
    for name in ("a", "b"):
        world.add(name, lock="one", capabilities="has:nothing")
    for name in ("c", "d"):
        world.add(name, lock="one")
    report = world.supervise(slots=1)
    assert report is not None
    assert [world.stage(name) for name in "abcd"] == [Stage.FAILED, Stage.FAILED, Stage.REVIEW, Stage.REVIEW]
    assert report.left == []


def test_a_job_that_is_edited_as_it_starts_keeps_to_its_new_lock(world: World) -> None:
    edited = job_file("Do it.", engine="scripted", cwd="/repo", lock="db")
    world.add("a", lock="db", priority="high")
    world.add("b", lock="other")
    world.at_lock[JobId("b")] = lambda: world.machine.write(Stage.INBOX, "b.md", edited)
    world.supervise()
    assert (world.stage("a"), world.stage("b"), world.processes.most) == (Stage.REVIEW, Stage.REVIEW, 1)


def test_a_job_that_is_edited_as_it_starts_waits_for_what_it_needs_now(world: World) -> None:
    edited = job_file("Do it.", engine="scripted", cwd="/repo", deps="a")
    world.add("a", priority="high")
    world.add("b")
    world.at_lock[JobId("b")] = lambda: world.machine.write(Stage.INBOX, "b.md", edited)
    world.supervise()
    assert (world.stage("a"), world.stage("b")) == (Stage.REVIEW, Stage.INBOX)


def test_a_lock_is_held_through_the_verify(world: World) -> None:
    world.add("a", lock="db", verify="true")
    world.add("b", lock="db")
    world.will("a", Script(after_s=10))
    world.will("a", Script(after_s=20), verify=True)
    world.supervise()
    assert world.past("b").state["started_at"] - world.past("a").state["started_at"] == 30


@pytest.mark.parametrize("locks", [(None, None), ("db", "net"), ("cwd", "db")])
def test_jobs_in_place_take_turns_in_one_repository(world: World, locks: tuple[str | None, str | None]) -> None:
    for name, lock in zip("ab", locks, strict=True):
        world.add(name, workspace="in-place", lock=lock)
        world.will(name, Script(after_s=10))
    world.supervise()
    assert world.processes.most == 1
    assert [start.cwd for start in world.processes.started] == ["/repo", "/repo"]


def test_a_mutex_that_another_process_holds_is_waited_for(world: World) -> None:
    world.add(lock="db")
    held = world.view().lock(JobId("someone"), ["db"])
    assert held is not None
    world.at(30, held.close)
    world.supervise()
    assert world.stage() is Stage.REVIEW
    began = world.past().state["started_at"] - world.clock.now().timestamp() + world.clock.monotonic()
    assert 30 <= began < 31


def test_a_closed_lane_starts_nothing_until_it_opens(world: World) -> None:
    world.lanes["scripted"] = "paused"
    world.add("a")
    world.add("b", engine="other")
    report = world.supervise()
    assert report is not None
    assert (world.stage("a"), world.stage("b")) == (Stage.INBOX, Stage.REVIEW)
    assert report.left == ["a: waits: scripted: paused"]
    world.lanes.clear()
    world.supervise()
    assert world.stage("a") is Stage.REVIEW


def test_all_lanes_can_be_closed(world: World) -> None:
    world.lanes["*"] = "paused"
    world.add()
    world.supervise()
    assert world.stage() is Stage.INBOX


def test_a_dependency_is_waited_for(world: World) -> None:
    world.add("a", deps="b")
    world.add("b", verify="true", ship="auto")
    world.add("c", deps="nobody")
    report = world.supervise()
    assert report is not None
    assert order(world) == ["b", "b", "a"]
    assert (world.stage("a"), world.stage("c")) == (Stage.REVIEW, Stage.INBOX)
    assert report.left == ["c: waits: waiting for nobody (no job is called that)"]


def test_only_one_engine_runs_when_that_is_asked_for(world: World) -> None:
    world.add("a")
    world.add("b", engine="other")
    world.add("c", engine="other", retry="{max: 1, backoff: 1h}")
    world.will("c", Script(code=1))
    world.supervise(slots=1, only_engine="other")
    assert (world.stage("a"), world.stage("b"), world.stage("c")) == (Stage.INBOX, Stage.REVIEW, Stage.REVIEW)


def test_a_job_of_another_engine_is_not_waited_for(world: World) -> None:
    world.add("a", retry="{max: 1, backoff: 5h}")
    world.add("b", engine="other")
    world.will("a", Script(code=1))
    world.signal(5, "SIGINT")
    world.supervise()
    report = world.supervise(only_engine="other")
    assert report is not None
    assert world.clock.monotonic() < 3600
    assert [line for line in report.left if line.startswith("a: waits: not before")]


def test_a_job_of_another_engine_that_could_run_is_listed(world: World) -> None:
    world.add("a")
    report = world.supervise(only_engine="other")
    assert report is not None
    (line,) = report.left
    assert line.startswith("a: waits: ")
    assert "None" not in line


# New files while it runs.


def test_a_job_added_while_it_runs_is_started(world: World) -> None:
    world.add("a")
    world.will("a", Script(after_s=60))
    world.at(10, lambda: world.add("b"))
    world.supervise()
    assert world.past("b").state["started_at"] - world.past("a").state["started_at"] == 10


def test_an_invalid_file_holds_up_nobody_and_is_listed(world: World) -> None:
    world.add("a")
    world.machine.write(Stage.INBOX, "Bad name.md", b"")
    world.machine.write(Stage.INBOX, "bad.md", b"---\npriority: urgent\n---\nx\n")
    report = world.supervise()
    assert report is not None
    assert (report.failed, world.stage("a")) == (0, Stage.REVIEW)
    assert sorted(line.split(":")[1] for line in report.left) == [" Bad name.md", " bad.md"]


def test_a_file_mended_while_it_runs_is_started(world: World) -> None:
    world.add("a")
    world.will("a", Script(after_s=60))
    world.machine.write(Stage.INBOX, "b.md", b"---\npriority: urgent\n---\nx\n")
    whole = b"---\nengine: scripted\ncwd: /repo\n---\nx\n"
    world.at(10, lambda: world.machine.write(Stage.INBOX, "b.md", whole))
    world.supervise()
    assert world.stage("b") is Stage.REVIEW


def test_no_news_of_a_file_is_lost_at_the_moment_of_a_rescan(world: World) -> None:
    world.add("a")
    world.will("a", Script(after_s=60))
    edits = []
    for tenth in range(1, 500):
        world.at(tenth / 10, lambda: edits.append(world.machine.write(Stage.FAILED, "notes.md", b"")))
    world.supervise()
    assert world.looked_at.count(edits[0]) == len(edits) == 499


def test_a_file_that_vanishes_before_its_claim_is_nobodys_loss(world: World) -> None:
    world.add("a")
    world.add("b")
    world.will("a", Script(after_s=10, does=lambda _: world.machine.remove(Stage.INBOX, "b.md")))
    report = world.supervise(slots=1)
    assert report is not None
    assert order(world) == ["a"]
    assert world.queue.job(JobId("b")) is None


# How it stops.


def test_the_first_interrupt_waits_for_what_runs(world: World) -> None:
    world.add("a", verify="true")
    world.add("b")
    world.will("a", Script(after_s=60))
    world.signal(10, "SIGINT")
    report = world.supervise(slots=1, once=False)
    assert report is not None
    assert (world.stage("a"), world.stage("b")) == (Stage.TESTING, Stage.INBOX)
    assert world.loop is not None
    assert world.loop.stopping is Stopping.DRAIN


@pytest.mark.parametrize("signals", [("SIGTERM",), ("SIGINT", "SIGINT"), ("SIGINT", "SIGTERM")])
def test_stopped_now_agents_are_stopped_and_their_jobs_wait_uncharged(world: World, signals: tuple[str, ...]) -> None:
    world.add("a")
    world.add("b", retry="{max: 1, backoff: 1h}")
    world.will("a", Script(after_s=None, stop_code=0))
    world.will("b", Script(after_s=None, stop_s=None))
    world.signal(10, *signals)
    report = world.supervise(once=False)
    assert report is not None
    assert report.failed == 0
    for name in "ab":
        past = world.past(name)
        assert (world.stage(name), world.result(name)) == (Stage.INBOX, "held")
        assert (past.run, past.attempts, past.next_eligible) == (1, 0, 0)
    assert world.clock.monotonic() == 20, "the grace time, and no more"
    assert world.lies_free("a", "b")
    assert world.workspaces.messages == []
    world.supervise()
    assert (world.stage("a"), world.past("a").run) == (Stage.REVIEW, 2)


def test_work_is_saved_when_an_agent_is_stopped(world: World) -> None:
    world.add()
    world.will("a", Script(after_s=None))
    world.at(5, lambda: world.workspaces.trees["/trees/a"].update(half=b"done"))
    world.signal(10, "SIGTERM")
    world.supervise(once=False)
    assert world.workspaces.branches["aq/wip/a"][-1]["half"] == b"done"
    assert world.workspaces.messages == ["aq wip: a (shutdown)"]


def test_an_agent_that_was_to_start_when_it_was_stopped_does_not_start(world: World) -> None:
    """The signal comes between the claim and the start, while the worktree is made."""
    world.add()
    world.signal(0, "SIGTERM")
    world.supervise(once=False)
    assert (world.stage(), world.past().attempts, world.way()) == (Stage.INBOX, 0, ["begin", "hold"])
    assert world.starts() == []


def test_a_job_that_just_ended_when_all_was_stopped_is_verified_by_the_next_supervisor(world: World) -> None:
    """The signal comes while the work of an agent that ended well is being saved."""
    world.add(verify="true")
    world.will("a", Script(after_s=10))
    world.workspaces.meanwhile["keep"] = lambda: world.events.signal("SIGTERM")
    world.supervise(once=False)
    assert (world.stage(), world.way(), world.clock.monotonic()) == (Stage.REVIEW, ["begin", "advance"], 10)
    assert world.starts(verify=True) == []
    world.supervise()
    assert world.stage() is Stage.TESTING


def test_whoever_wants_a_job_that_has_ended_gets_it_while_others_run(world: World) -> None:
    copied = lambda _: world.machine.write(Stage.REVIEW, "copied.md", b"")  # noqa: E731
    jobs: dict[str, tuple[dict[str, str], Script]] = {
        "good": ({}, Script()), "verified": ({"verify": "true"}, Script()), "bad": ({}, Script(code=1)),
        "gone": ({"cwd": "/gone"}, Script()), "held": ({}, Script(output=b"held 999 limit\n")),
        "copied": ({}, Script(does=copied)), "dragged": ({}, Script(after_s=None)),
    }  # fmt: skip
    for name, (keys, script) in jobs.items():
        world.add(name, **keys)
        world.will(name, script)
    world.add("runs")
    world.will("runs", Script(after_s=100))
    world.at(10, lambda: world.machine.move("dragged.md", Stage.BUILDING, Stage.FAILED))
    free: list[str] = []
    world.at(50, lambda: free.extend(name for name in (*jobs, "runs") if world.lies_free(name)))
    world.supervise(slots=9)
    assert free == list(jobs)


def test_draining_does_not_spin_when_the_time_of_a_waiting_job_comes(world: World) -> None:
    world.add("a", retry="{max: 1, backoff: 30s}")
    world.add("b")
    world.will("a", Script(code=1))
    world.will("b", Script(after_s=600))
    world.signal(10, "SIGINT")
    world.supervise(once=False)
    assert (world.stage("a"), world.stage("b")) == (Stage.INBOX, Stage.REVIEW)


def test_detached_agents_run_on_and_the_next_supervisor_adopts_them(world: World) -> None:
    world.add("a", verify="true")
    world.add("b")
    world.will("a", Script(after_s=100, output=b"fact turns 3\n"))
    world.signal(10, "SIGHUP")
    report = world.supervise(slots=1, once=False)
    assert report is not None
    assert (world.clock.monotonic(), world.stage("a"), world.stage("b")) == (10, Stage.BUILDING, Stage.INBOX)
    assert not world.lies_free("a"), "its shim keeps it alive"
    world.supervise()
    assert len(world.starts("a")) == 1, "it was adopted, not started again"
    assert (world.stage("a"), world.past("a").state["turns"]) == (Stage.TESTING, 3)
    assert world.past("a").state["duration_s"] == 100
    assert (world.past("a").attempts, world.stage("b")) == (1, Stage.REVIEW)
    assert "a: adopted, still running" in world.told


def test_a_detached_verify_runs_on_and_is_adopted(world: World) -> None:
    world.add(verify="true")
    world.will("a", Script(after_s=5))
    world.will("a", Script(after_s=100), verify=True)
    world.signal(10, "SIGHUP")
    world.supervise(once=False)
    assert (world.stage(), world.clock.monotonic()) == (Stage.REVIEW, 10)
    world.supervise()
    assert (world.stage(), len(world.starts(verify=True))) == (Stage.TESTING, 1)


def test_a_verify_stopped_by_a_shutdown_is_done_again_by_the_next_supervisor(world: World) -> None:
    world.add(verify="true")
    world.will("a", Script(after_s=5))
    world.will("a", Script(after_s=None, stop_code=0), verify=True)
    world.signal(10, "SIGTERM")
    world.supervise(once=False)
    assert (world.stage(), world.way()) == (Stage.REVIEW, ["begin", "advance"])
    assert world.lies_free("a")
    world.supervise()
    assert (world.stage(), world.way()) == (Stage.TESTING, ["begin", "advance", "advance"])
    assert (len(world.starts()), len(world.starts(verify=True))) == (1, 2)
    assert (world.past().attempts, world.past().recoveries) == (1, 0)


def test_a_job_that_ends_while_it_drains_is_verified_still(world: World) -> None:
    world.add(verify="true")
    world.will("a", Script(after_s=60))
    world.will("a", Script(after_s=60), verify=True)
    world.signal(10, "SIGINT")
    world.supervise(once=False)
    assert (world.stage(), world.clock.monotonic()) == (Stage.TESTING, 120)


# When it is done.


def test_once_ends_at_once_with_nothing_to_do(world: World) -> None:
    report = world.supervise()
    assert report is not None
    assert (report.left, world.clock.monotonic()) == ([], 0)


def test_once_waits_for_every_retry(world: World) -> None:
    world.add(retry="{max: 2, backoff: 2h}")
    world.will("a", Script(code=1), Script(code=1), Script(code=1))
    report = world.supervise()
    assert report is not None
    assert (report.failed, world.result()) == (1, "retries_exhausted")
    assert 2 * 7200 < world.clock.monotonic() < 2 * 7200 + 60


def test_once_does_what_came_while_it_ran(world: World) -> None:
    world.add("a")
    world.will("a", Script(after_s=5, does=lambda _: world.add("b")))
    world.will("b", Script(after_s=5, does=lambda _: world.add("c")))
    world.supervise()
    assert {world.stage(name) for name in "abc"} == {Stage.REVIEW}


def test_without_once_it_waits_for_work(world: World) -> None:
    world.at(1000, lambda: world.add("a"))
    world.signal(2000, "SIGINT")
    world.supervise(once=False)
    assert (world.stage(), world.clock.monotonic()) == (Stage.REVIEW, 2000)


def test_jobs_of_one_age_are_done_by_id(world: World) -> None:
    names = [f"job-{number:03}" for number in range(40)]
    for name in reversed(names):
        world.add(name)
    world.supervise(slots=1)
    assert order(world) == names


def test_what_happened_is_told_but_not_what_an_agent_said(world: World) -> None:
    world.add(verify="true", body="My secret prompt.")
    world.will("a", Script(output=b"my secret answer\n"))
    world.supervise()
    said = "\n".join(world.told)
    assert "a: inbox -> building" in said
    assert "a: review -> testing" in said
    journal = json.dumps(world.entries())
    assert "secret" not in said + journal
