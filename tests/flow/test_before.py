"""What the next attempt is told, and with which conversation it goes on: every way back to the inbox."""

from typing import Any

import pytest

from agent_queue.core.errors import BusyError
from agent_queue.core.job import JobId, Stage
from agent_queue.flow import requests
from agent_queue.testing.processes import Script

from .world import World

RETRY = "{max: 3, on: [crash, timeout, verify_failed, context]}"


def preface(world: World, run: int, name: str = "a") -> str:
    return world.file(f"runs/{name}/{run}/preface.md")


def wrote(world: World, name: str = "a", **file: bytes) -> None:
    """What the agent does to its files, one second before its end."""
    world.workspaces.trees[f"/trees/{name}"].update(file)


def test_a_failed_verify_is_told_with_the_end_of_its_output(world: World) -> None:
    world.add(verify="make test", retry=RETRY)
    world.will("a", Script(does=lambda _: wrote(world, fix=b"half")))
    world.will("a", Script(code=1, output=b"\x1b[31mE   assert 41 == 42\x1b[0m\n"), verify=True)
    world.supervise()
    assert world.stage() is Stage.TESTING
    told = preface(world, 2)
    assert told.startswith(
        "This is attempt 2 of 4 at the task below, its run number 2.\n\nRun 1 failed with `verify_failed`"
    )
    assert "    E   assert 41 == 42\n" in told
    assert " fix | changed" in told
    assert world.file("runs/a/2/prompt.md") == f"{told}\n---\n\nDo it.\n"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (Script(code=7), "`crash`: the agent ended without success, or with a code nobody knows (exit code 7)."),
        (Script(signal=9), "(signal 9)."),
        (Script(output=b"broke timeout it says so\n"), "Run 1 failed with `timeout`"),
        (Script(output=b"held 60 a limit\n"), "Run 1 was broken off, by no fault of its own"),
    ],
)
def test_how_the_last_run_ended_is_told_in_our_words(world: World, script: Script, words: str) -> None:
    world.add(retry=RETRY)
    world.will("a", script)
    world.supervise(wait_s=3600)
    assert words in preface(world, 2)
    assert "it says so" not in preface(world, 2)
    assert "a limit\n" not in preface(world, 2)


def test_a_timeout_is_told(world: World) -> None:
    world.add(timeout="5s", retry=RETRY)
    world.will("a", Script(after_s=60))
    world.supervise()
    assert "stopped when its time was over" in preface(world, 2)


def test_a_shutdown_is_told_and_not_charged(world: World) -> None:
    world.add()
    world.will("a", Script(after_s=60))
    world.signal(1, "SIGTERM")
    world.supervise()
    world.supervise()
    assert "This is attempt 1 of 1 at the task below, its run number 2." in preface(world, 2)
    assert "the queue was shut down" in preface(world, 2)
    assert "a person put" not in preface(world, 2)


def test_the_death_of_the_machine_is_told(world: World) -> None:
    world.add()
    world.will("a", Script(after_s=60))
    world.die(1)
    world.supervise()
    world.processes.reboot()
    world.supervise()
    assert "died under it" in preface(world, 2)


def test_a_person_who_puts_it_back_is_told_of(world: World) -> None:
    world.add()
    world.supervise()
    with world.caller() as tools:
        requests.reject(tools, JobId("a"))
        requests.requeue(tools, JobId("a"))
    world.supervise()
    assert "a person rejected what it did. Then a person put the task back to be tried again." in preface(world, 2)


def test_a_fresh_start_is_told_and_goes_on_with_nothing(world: World) -> None:
    world.add()
    world.will("a", Script(output=b"fact resume_id c-1\n"))
    world.supervise()
    with world.caller() as tools:
        requests.requeue(tools, JobId("a"), fresh=True)
    world.supervise()
    assert "asked to begin again" in preface(world, 2)
    assert [start.argv for start in world.starts()] == [("/bin/scripted",)] * 2


def test_a_failure_is_told_also_after_a_hold(world: World) -> None:
    world.add(verify="make test", retry=RETRY)
    world.will("a", Script(), Script(output=b"held 60 limit\n"))
    world.will("a", Script(code=1, output=b"red\n"), verify=True)
    world.supervise(wait_s=3600)
    told = preface(world, 3)
    assert "Run 1 failed with `verify_failed`" in told
    assert "Run 2 was broken off" in told
    assert "    red\n" in told


def test_what_the_service_broke_is_not_told_as_a_failure_of_the_run(world: World) -> None:
    world.add()
    world.will("a", *[Script(output=b"broke rate_limited slow\n")] * 2)
    world.supervise(wait_s=3600)
    told = preface(world, 3)
    assert "Run 2 was broken off, by no fault of its own" in told
    assert "Run 1" not in told
    assert "rate_limited" not in told


def test_a_busy_workspace_that_was_never_made_is_told(world: World) -> None:
    world.add()
    world.workspaces.refusals["open"] = BusyError("somebody is there")
    world.at(60, world.workspaces.refusals.clear)
    world.supervise(wait_s=3600)
    assert "Run 1 ended before its agent was started." in preface(world, 2)


def resumed(world: World) -> list[Any]:
    return [start.argv[2] if "--resume" in start.argv else None for start in world.starts()]


def test_a_retry_goes_on_with_the_conversation_and_says_so(world: World) -> None:
    world.add(retry=RETRY)
    world.will("a", Script(code=1, output=b"fact resume_id c-1\n"))
    world.supervise()
    assert resumed(world) == [None, "c-1"]
    assert "your own conversation" in preface(world, 2)
    assert world.past().state["resume_id"] == "c-1"


def test_a_refused_conversation_costs_no_attempt_and_the_failure_is_still_told(world: World) -> None:
    world.add(verify="make test", retry="{max: 1, on: [verify_failed]}")
    world.will("a", Script(output=b"fact resume_id c-1\n"), Script(code=1, output=b"unknown\n"))
    world.will("a", Script(code=1, output=b"red\n"), verify=True)
    report = world.supervise()
    assert report is not None
    assert (report.failed, report.held, world.stage()) == (0, 0, Stage.TESTING)
    assert resumed(world) == [None, "c-1", None]
    assert world.past().attempts == 2
    told = preface(world, 3)
    assert "This is attempt 2 of 2 at the task below, its run number 3." in told
    assert "Run 1 failed with `verify_failed`" in told
    assert "Run 2" not in told
    assert "    red\n" in told
    assert "your own conversation" not in told


def test_a_conversation_refused_while_it_was_stopped_is_a_stop(world: World) -> None:
    world.add(timeout="5s", retry=RETRY)
    world.will("a", Script(code=1, output=b"fact resume_id c-1\n"), Script(after_s=60, output=b"unknown\n"))
    world.supervise()
    assert [entry.get("failure") for entry in world.entries("a", "move") if entry["move"] == "retry"] == [
        "crash", "timeout"
    ]  # fmt: skip


def test_another_engine_or_another_place_begins_a_conversation_of_its_own(world: World) -> None:
    world.add("a", retry=RETRY, engine="scripted")
    world.add("b", cwd="/repo/sub")
    world.will("a", Script(code=1, output=b"fact resume_id c-1\n"))
    world.will("b", Script(output=b"fact resume_id c-2\n"))
    world.supervise()
    with world.caller() as tools:
        requests.requeue(tools, JobId("a"))
        requests.requeue(tools, JobId("b"))
    for name, old, new in (("a", b"engine: scripted", b"engine: other"), ("b", b"/repo/sub", b"/repo")):
        path = f"inbox/{name}.md"
        world.machine.write(Stage.INBOX, f"{name}.md", world.machine.files[path].data.replace(old, new))
    world.supervise()
    assert "--resume" not in world.starts("a")[-1].argv
    assert "--resume" not in world.starts("b")[-1].argv


def test_a_conversation_belongs_to_the_engine_that_ran_last(world: World) -> None:
    """The other engine was killed before it said which conversation it was in: there is none to go on with."""
    world.add(retry=RETRY)
    world.will("a", Script(code=1, output=b"fact resume_id c-1\n"))
    world.supervise()
    state = world.past().state
    assert (state["engine"], state["resume_id"]) == ("scripted", "c-1")
    with world.caller() as tools:
        requests.requeue(tools, JobId("a"))
    data = world.machine.files["inbox/a.md"].data.replace(b"engine: scripted", b"engine: other")
    world.machine.write(Stage.INBOX, "a.md", data)
    world.supervise()
    assert world.past().state["resume_id"] is None
