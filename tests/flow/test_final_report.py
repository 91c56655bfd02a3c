"""A job that fails for good says why, where its work is and what to do; one that repeats itself is stopped early."""

from dataclasses import replace

from agent_queue.core.job import Stage
from agent_queue.core.run import Start
from agent_queue.testing.processes import Script

from .world import World

REPEAT = "{max: 9, on: [verify_failed, crash], stop_on_repeat: true}"


def test_a_job_that_always_fails_the_same_way_stops_after_two_attempts(world: World) -> None:
    world.add(verify="make test", retry=REPEAT)
    for number in range(9):
        world.will("a", Script(code=1, output=f"FAILED in {number}.3s\n".encode()), verify=True)
    world.supervise()
    assert (world.stage(), world.result(), world.past().attempts) == (Stage.FAILED, "retries_exhausted", 2)
    report = world.file("runs/a/2/report.md")
    assert "twice the same failure, and nothing changed in between" in report
    assert "| 1 | scripted |" in report
    assert "| 2 | scripted |" in report


def test_a_job_that_still_changes_something_goes_on(world: World) -> None:
    def edit(start: Start) -> None:
        world.workspaces.trees["/trees/a"].update({start.folder: b"more"})

    world.add(verify="make test", retry=REPEAT)
    world.will("a", *[Script(does=edit)] * 4)
    world.will("a", *[Script(code=1)] * 4, verify=True)
    world.supervise()
    assert world.past().attempts == 5, "four that changed something, one that did not and went well"
    assert world.stage() is Stage.TESTING


def test_a_job_that_fails_in_another_way_goes_on(world: World) -> None:
    world.add(verify="make test", retry=REPEAT)
    for name in "abcd":
        world.will("a", Script(code=1, output=f"FAILED {name}\n".encode()), verify=True)
    world.supervise()
    assert (world.past().attempts, world.stage()) == (5, Stage.TESTING)


def test_without_being_asked_to_stop_every_retry_is_honoured(world: World) -> None:
    world.add(retry="{max: 3, on: [crash]}")
    world.will("a", *[Script(code=1)] * 9)
    world.supervise()
    assert world.past().attempts == 4
    assert all("fingerprint" not in entry for entry in world.entries())


def test_after_a_requeue_the_first_failure_counts_as_the_first(world: World) -> None:
    world.add(retry=REPEAT)
    world.will("a", *[Script(code=1)] * 9)
    world.supervise()
    world.machine.move("a.md", Stage.FAILED, Stage.INBOX)
    world.supervise()
    assert (world.past().run, world.past().attempts) == (4, 2)


def test_a_failure_without_retries_has_a_report(world: World) -> None:
    world.add()
    world.will("a", Script(output=b"broke auth not logged in\n", code=1))
    world.supervise()
    report = world.file("runs/a/1/report.md")
    assert report.startswith("# a: auth_failed\n\nnot logged in\n")
    assert "Log in to the agent program once by hand" in report
    assert "runs/a/1/agent.log" in report


def test_no_report_stands_where_nothing_has_failed(world: World) -> None:
    world.add("good")
    world.add("gone", cwd="/gone")
    world.add("again", retry="{max: 1}")
    world.will("again", Script(code=1))
    world.supervise()
    assert world.stage("gone") is Stage.FAILED
    assert not [path for path in world.machine.files if path.endswith("report.md")]


def test_a_report_quotes_no_secret(world: World) -> None:
    world.environment["API_TOKEN"] = "canary-4711-canary"
    world.add()
    world.will("a", replace(Script(code=1), output=b"broke crash key canary-4711-canary refused\n"))
    world.supervise()
    assert "canary" not in world.file("runs/a/1/report.md")
