"""One run, from the inbox to where its ending leads it: every path of the table of stages."""

import json

import pytest

from agent_queue.core.errors import AqError
from agent_queue.core.job import JobId, Stage
from agent_queue.core.outcome import Exit, Failure
from agent_queue.core.preface import RULE
from agent_queue.flow.admit import admit
from agent_queue.flow.run_one import work
from agent_queue.testing.engine import ScriptedEngine
from agent_queue.testing.processes import FakeProcesses, Script

from .world import World


def test_a_job_goes_from_the_inbox_to_review(world: World) -> None:
    job = world.add("a", "Mend it.")
    world.will("a", Script(after_s=60, output=b"hello\nfact tokens_in 7\nfact model m\n"))
    report = world.supervise()
    assert report is not None
    assert (report.failed, report.held, report.left) == (0, 0, [])
    assert (world.stage(), world.result(), world.way()) == (Stage.REVIEW, "review", ["begin", "advance"])
    assert world.lies_free("a")
    state = world.past().state
    assert (state["run"], state["attempts"], state["engine"], state["exit"]) == (1, 1, "scripted", 0)
    assert (state["tokens_in"], state["model"], state["duration_s"]) == (7, "m", 60)
    assert state["ended_at"] - state["started_at"] == 60
    assert (state["wip_branch"], state["wip_base"]) == ("aq/wip/a", state["wip_commit"])
    assert [entry["event"] for entry in world.entries()] == ["move", "moved", "started", "ended", "move", "moved"]
    assert world.queue.file(job).body == "Mend it.\n", "the person's file is never edited"


def test_an_agent_is_given_its_place_its_prompt_and_its_limits(world: World) -> None:
    world.add("a", "Mend it.", args="[--fast]", timeout="2h", cwd="/repo/sub")
    world.supervise()
    (start,) = world.starts()
    assert start.argv == ("/bin/scripted", "--fast")
    assert start.cwd == "/trees/a/sub"
    assert (start.deadline_s, start.deadline_why, start.grace_s) == (7200, "timeout", 10)
    assert start.stdin == "runs/a/1/prompt.md"
    preface = world.file("runs/a/1/preface.md")
    assert world.file(start.stdin) == f"{preface}{RULE}Mend it.\n"
    assert "on the branch aq/wip/a" in preface
    assert {name: start.env[name] for name in ("AQ_JOB_ID", "PATH", "SCRIPTED_KEY")} == {
        "AQ_JOB_ID": "a", "PATH": "/bin", "SCRIPTED_KEY": "k"
    }  # fmt: skip
    assert "SECRET" not in start.env
    assert start.env["AQ_RUN"]
    assert json.loads(world.file("runs/a/1/dropped.json")) == ["SECRET"]
    assert json.loads(world.file("runs/a/1/manifest.json"))["timeout"] == {"value": "2h", "origin": "job"}
    assert json.loads(world.file("runs/a/1/outcome.json"))["kind"] == "done"


@pytest.mark.parametrize(
    ("timeout", "wall", "limit", "why"),
    [
        ("1h", "2h", 3600, "timeout"),
        ("2h", "1h", 3600, "wall"),
        ("1h", "1h", 3600, "timeout"),
        (None, "1m", 60, "wall"),
    ],
)
def test_the_earlier_limit_counts_and_the_timeout_names_a_draw(
    world: World, timeout: str | None, wall: str, limit: float, why: str
) -> None:
    world.add(**({"timeout": timeout} if timeout else {}), budget=f"{{wall: {wall}}}")
    world.supervise()
    assert [(start.deadline_s, start.deadline_why) for start in world.starts()] == [(limit, why)]


def test_verify_decides_between_testing_and_failed(world: World) -> None:
    world.add("good", verify="make test")
    world.add("bad", verify="[make test, make lint]")
    world.will("bad", Script(code=3), verify=True)
    report = world.supervise()
    assert report is not None
    assert report.failed == 1
    assert (world.stage("good"), world.result("good")) == (Stage.TESTING, "testing")
    assert (world.stage("bad"), world.result("bad")) == (Stage.FAILED, "verify_failed")
    assert world.way("good") == ["begin", "advance", "advance"]
    assert (world.past("good").state["verify_exit"], world.past("bad").state["verify_exit"]) == (0, 3)
    (verify,) = world.starts("bad", verify=True)
    assert verify.argv[-2:] == ("make test", "make lint")
    assert (verify.cwd, verify.deadline_s) == ("/trees/bad", 1800)
    assert verify.env["AQ_RUN"] == world.starts("bad")[0].env["AQ_RUN"]
    assert "SCRIPTED_KEY" not in verify.env
    assert world.lies_free("good", "bad")


@pytest.mark.parametrize("failing", range(1, 6))
def test_a_verifys_record_that_cannot_be_read_once_breaks_nothing_off(
    world: World, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """No room for one more open file, say: the record is there, and one look in its time finds none."""
    world.add(verify="make test")
    reads, exit_of = [0], FakeProcesses.exit

    def once_none(self: FakeProcesses, folder: str) -> Exit | None:
        reads[0] += "/verify/" in folder
        return None if "/verify/" in folder and reads[0] == failing else exit_of(self, folder)

    monkeypatch.setattr(FakeProcesses, "exit", once_none)
    world.supervise()
    assert (world.stage(), world.result()) == (Stage.TESTING, "testing")


def test_review_policy_auto_promotes_without_a_verify(world: World) -> None:
    world.add(review_policy="auto")
    world.supervise()
    assert (world.stage(), world.result()) == (Stage.TESTING, "testing")


def test_review_policy_auto_does_not_skip_a_verify(world: World) -> None:
    world.add(review_policy="auto", verify="make test")
    world.will("a", Script(code=1), verify=True)
    world.supervise()
    assert (world.stage(), world.result()) == (Stage.FAILED, "verify_failed")


@pytest.mark.parametrize(("keys", "stage"), [({"verify": "true"}, Stage.SHIPPED), ({}, Stage.REVIEW)])
def test_ship_auto_ships_what_came_to_testing(world: World, keys: dict[str, str], stage: Stage) -> None:
    world.add(ship="auto", **keys)
    world.supervise()
    assert (world.stage(), world.result()) == (stage, stage)


def test_a_crash_is_final_without_a_retry(world: World) -> None:
    world.add()
    world.will("a", Script(code=2, output=b"oops\n"))
    report = world.supervise()
    assert report is not None
    assert (report.failed, world.stage(), world.result()) == (1, Stage.FAILED, "crash")
    assert (world.past().state["exit"], world.past().attempts) == (2, 1)
    assert json.loads(world.file("runs/a/1/outcome.json"))["reason"] == "exit code 2"


def test_a_signal_is_a_crash(world: World) -> None:
    world.add()
    world.will("a", Script(signal=11))
    world.supervise()
    assert (world.result(), world.past().state["exit"]) == ("crash", -11)


def test_an_agent_that_the_kernel_killed_for_want_of_memory_is_out_of_memory(world: World) -> None:
    world.add()
    world.will("a", Script(signal=9, oom_kills=2))
    world.supervise()
    assert (world.stage(), world.result(), world.past().state["exit"]) == (Stage.FAILED, "out_of_memory", -9)


def test_an_agent_that_cannot_be_started_crashes(world: World) -> None:
    world.add()
    world.will("a", Script(error="Permission denied: /bin/scripted"))
    world.supervise()
    assert (world.stage(), world.result(), world.past().state["exit"]) == (Stage.FAILED, "crash", 127)
    assert "Permission denied" in world.file("runs/a/1/outcome.json")


def test_a_retry_waits_its_backoff_and_counts_attempts(world: World) -> None:
    world.add(retry="{max: 2, backoff: 5m}")
    world.will("a", Script(code=1), Script(code=1), Script())
    world.supervise()
    assert (world.stage(), world.way()) == (Stage.REVIEW, ["begin", "retry"] * 2 + ["begin", "advance"])
    assert [start.folder for start in world.starts()] == ["runs/a/1", "runs/a/2", "runs/a/3"]
    assert len({start.env["AQ_RUN"] for start in world.starts()}) == 3, "a marker names one run only"
    begun, ended = ([entry[key] for entry in world.entries() if key in entry] for key in ("started_at", "ended_at"))
    assert [start - end for start, end in zip(begun[1:], ended, strict=False)] == [300, 300]
    assert (world.past().run, world.past().attempts) == (3, 3)


def test_an_exponential_backoff_doubles(world: World) -> None:
    world.clock.dice = 0.0
    world.add(retry="{max: 3, backoff: exp}")
    world.will("a", *[Script(code=1)] * 4)
    world.supervise()
    begun, ended = ([entry[key] for entry in world.entries() if key in entry] for key in ("started_at", "ended_at"))
    assert [start - end for start, end in zip(begun[1:], ended, strict=False)] == [30, 60, 120]
    assert world.result() == "retries_exhausted"


def test_retries_end(world: World) -> None:
    world.add(retry="{max: 1}")
    world.will("a", Script(code=1), Script(code=1), Script())
    report = world.supervise()
    assert report is not None
    assert (report.failed, world.stage(), world.result()) == (1, Stage.FAILED, "retries_exhausted")
    assert len(world.starts()) == 2, "max: 1 is at most two attempts"


def test_only_what_is_named_is_retried(world: World) -> None:
    world.add(retry="{max: 3, on: [timeout]}")
    world.will("a", Script(code=1))
    world.supervise()
    assert (world.result(), len(world.starts())) == ("crash", 1)


def test_a_failed_verify_is_retried_from_the_inbox(world: World) -> None:
    world.add(retry="{max: 1, on: [verify_failed]}", verify="make test")
    world.will("a", Script(code=1), verify=True)
    world.supervise()
    assert world.way() == ["begin", "advance", "retry", "begin", "advance", "advance"]
    assert (world.stage(), world.past().attempts) == (Stage.TESTING, 2)
    assert [start.folder for start in world.starts(verify=True)] == ["runs/a/1/verify/1", "runs/a/2/verify/1"]


def test_a_hold_gives_the_attempt_back_and_waits_for_its_reset(world: World) -> None:
    world.add()
    world.will("a", Script(output=b"held 3600 usage limit\n", code=1))
    report = world.supervise(wait_s=7200)
    assert report is not None
    assert (world.stage(), world.way()) == (Stage.REVIEW, ["begin", "hold", "begin", "advance"])
    assert (world.past().run, world.past().attempts) == (2, 1)
    first, second = (entry["started_at"] for entry in world.entries("a", "started"))
    assert second - first == 3601


def test_once_does_not_wait_for_a_hold_it_was_not_told_to_wait_for(world: World) -> None:
    world.add()
    world.will("a", Script(output=b"held 3600 usage limit\n", code=1))
    report = world.supervise(wait_s=600)
    assert report is not None
    assert (report.held, report.failed, world.stage(), world.result()) == (1, 0, Stage.INBOX, "held")
    assert world.past().attempts == 0
    assert [line for line in report.left if line.startswith("a: waits: not before 2026-03-01 13:00:01")]


def test_an_outcome_that_the_engine_reads_is_kept(world: World) -> None:
    world.add()
    world.will("a", Script(output=b"broke context too long\n", code=1))
    world.supervise()
    assert (world.stage(), world.result()) == (Stage.FAILED, "context")
    assert world.entries("a", "move")[-1]["failure"] == Failure.CONTEXT


def test_a_long_log_is_read_whole(world: World) -> None:
    world.add()
    output = b"x" * 100 + b"\n"
    world.will("a", Script(output=output * 30_000 + b"fact turns 9\nbroke context too long\n", code=1))
    world.supervise()
    assert (world.past().state["turns"], world.result()) == (9, "context")


@pytest.mark.parametrize("code", [0, 1])
def test_a_timeout_stays_a_timeout_whatever_exit_code_comes_after_it(world: World, code: int) -> None:
    world.add(timeout="90s")
    world.will("a", Script(after_s=None, stop_s=3, stop_code=code))
    world.supervise()
    assert (world.stage(), world.result()) == (Stage.FAILED, "timeout")
    assert (world.past().state["exit"], world.past().state["duration_s"]) == (code, 93)
    assert world.entries("a", "ended")[0]["stop"] == "timeout"


def test_an_agent_that_ignores_a_stop_is_killed_after_the_grace(world: World) -> None:
    world.add(timeout="90s", budget="{wall: 1m}")
    world.will("a", Script(after_s=None, stop_s=None))
    world.supervise()
    assert (world.result(), world.past().state["exit"], world.past().state["duration_s"]) == ("budget_exceeded", -9, 70)


def test_a_budget_is_final_unless_retry_names_it(world: World) -> None:
    world.add("a", budget="{wall: 1m}", retry="{max: 1}")
    world.add("b", budget="{wall: 1m}", retry="{max: 1, on: [budget_exceeded]}")
    world.will("a", Script(after_s=None))
    world.will("b", Script(after_s=None))
    world.supervise()
    assert (world.stage("a"), world.result("a")) == (Stage.FAILED, "budget_exceeded")
    assert (world.stage("b"), world.past("b").run) == (Stage.REVIEW, 2)


def test_a_silent_agent_is_stopped_when_that_is_asked_for(world: World) -> None:
    world = World(stall_stop_s=600.0)
    world.add("quiet")
    world.add("talks")
    world.add("silent", engine="other")
    world.engines["other"] = ScriptedEngine("other", silent=True)
    for job, every in (("quiet", None), ("talks", 500.0), ("silent", None)):
        world.will(job, Script(after_s=3000, output=b"words\n", every_s=every))
    world.supervise()
    assert (world.stage("quiet"), world.result("quiet")) == (Stage.FAILED, "stalled")
    assert 600 <= world.past("quiet").state["duration_s"] < 610
    assert (world.stage("talks"), world.stage("silent")) == (Stage.REVIEW, Stage.REVIEW)


def test_silence_alone_stops_nobody_by_default(world: World) -> None:
    world.add()
    world.will("a", Script(after_s=10_000))
    world.supervise()
    assert world.stage() is Stage.REVIEW


# Before the agent.


def test_a_cwd_that_is_gone_fails_the_job_in_the_inbox(world: World) -> None:
    world.add(cwd="/gone", retry="{max: 5, on: [setup_failed]}")
    report = world.supervise()
    assert report is not None
    assert (report.failed, world.stage(), world.result(), world.way()) == (1, Stage.FAILED, "setup_failed", ["fail"])
    assert (world.past().run, world.past().attempts, world.starts()) == (0, 0, [])
    assert any("/gone is not there" in line for line in world.told)


def test_no_engine_fails_the_job_in_the_inbox(world: World) -> None:
    world.installed.clear()
    world.add("a")
    world.add("b", engine="nobody")
    world.supervise()
    for job in ("a", "b"):
        assert (world.stage(job), world.result(job), world.past(job).run) == (Stage.FAILED, "no_engine", 0)
    assert world.processes.started == []
    assert any("scripted is not installed (scripted is made of words" in line for line in world.told)
    assert any("no adapter is called nobody" in line for line in world.told)
    assert world.lies_free("a", "b")


@pytest.mark.parametrize("once", [True, False])
def test_what_is_refused_takes_no_slot_from_others(world: World, once: bool) -> None:
    for name in "abcde":
        world.add(name, engine="nobody")
    world.add("f")
    if not once:
        world.signal(1, "SIGINT")
    report = world.supervise(slots=2, once=once)
    assert report is not None
    assert (report.failed, report.left) == (5, [])
    assert world.stage("f") is Stage.REVIEW


def test_an_engine_that_vanishes_after_the_claim_fails_the_job(world: World) -> None:
    world.add()
    with world.caller() as tools:
        (row,) = tools.queue.look().waiting
        admitted = admit(row, tools)
        assert isinstance(admitted, tuple)
        move, run = admitted
        tools.queue.settle([move])
        run.job = world.job()
        world.installed.clear()
        with pytest.raises(StopIteration) as end:
            next(work(run, tools))
    assert (end.value.value.target, end.value.value.result) == (Stage.FAILED, "no_engine")
    assert world.processes.started == []


def test_a_setup_that_fails_is_charged_and_may_be_retried(world: World) -> None:
    world.workspaces.refusals["open"] = AqError("no space for a worktree", hint="free some")
    world.add("a")
    world.add("b", retry="{max: 1, backoff: 1m, on: [setup_failed]}")
    world.at(30, world.workspaces.refusals.clear)
    world.supervise()
    assert (world.stage("a"), world.result("a"), world.past("a").attempts) == (Stage.FAILED, "setup_failed", 1)
    assert "no space for a worktree (free some)" in world.file("runs/a/1/outcome.json")
    assert (world.stage("b"), world.past("b").run) == (Stage.REVIEW, 2)
    assert (world.starts("a"), len(world.starts("b"))) == ([], 1)
    assert world.lies_free("a", "b")


@pytest.mark.parametrize("verify", [False, True])
def test_a_machine_that_can_start_no_more_processes_fails_the_job_and_not_the_supervisor(
    world: World, verify: bool
) -> None:
    world.add("a", verify="true")
    world.add("b")
    world.will("a", Script(refused=OSError(11, "Resource temporarily unavailable")), verify=verify)
    world.supervise()
    assert (world.stage("a"), world.result("a"), world.stage("b")) == (Stage.FAILED, "setup_failed", Stage.REVIEW)
    assert "Resource temporarily unavailable" in world.file("runs/a/1/outcome.json")


# After the agent.


REFUSALS = (AqError("git commit-tree: disk full"), OSError(28, "disk full", "git commit-tree"))


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda error: type(error).__name__)
def test_work_that_cannot_be_saved_is_no_success(world: World, refusal: AqError | OSError) -> None:
    world.workspaces.refusals["keep"] = refusal
    world.add("good")
    world.add("bad")
    world.will("bad", Script(code=1))
    world.supervise()
    assert (world.stage("good"), world.result("good")) == (Stage.FAILED, "setup_failed")
    assert "could not be saved on its branch: git commit-tree: disk full" in world.file("runs/good/1/outcome.json")
    assert (world.stage("bad"), world.result("bad")) == (Stage.FAILED, "crash")
    sentence = "its work could not be saved on its branch: git commit-tree: disk full"
    assert f"bad: {sentence}" in world.told, "it is said whatever else ended the run"
    assert json.loads(world.file("runs/bad/1/saved.json")) == {"not_saved": [sentence]}
    assert next(entry for entry in world.view().history(JobId("bad")) if entry["event"] == "ended")["not_saved"] == 1


def test_a_run_goes_on_from_what_the_last_one_left(world: World) -> None:
    world.add(retry="{max: 1}")
    world.will(
        "a",
        Script(code=1, does=lambda _: world.workspaces.trees["/trees/a"].update(one=b"1")),
        Script(does=lambda _: world.workspaces.trees["/trees/a"].update(two=b"2")),
    )
    world.supervise()
    assert world.workspaces.branches["aq/wip/a"][-1] == {"README": b"hello", "one": b"1", "two": b"2"}
    assert world.workspaces.messages == ["aq wip: a (exit code 1)", "aq wip: a (exit code 0)"]
    assert world.past().state["files_changed"] == 2


def test_a_job_outside_of_git_has_no_branch(world: World) -> None:
    world.add(cwd="/plain", verify="true")
    world.supervise()
    assert world.stage() is Stage.TESTING
    assert "wip_branch" not in world.past().state
    assert "a: wip: cwd not a git repo" in world.told
    assert [start.cwd for start in world.processes.started] == ["/plain", "/plain"]


def test_a_torn_record_of_a_run_is_no_record(world: World) -> None:
    job = world.add()
    world.will("a", Script(after_s=60))
    world.die(30)
    assert world.supervise() is None
    world.processes.reboot()
    world.machine.store(world.queue.run_folder(job, 1).path_of("place.json"), b'{"place": {"cw')
    world.supervise()
    assert (world.stage(), world.way()) == (Stage.REVIEW, ["begin", "recover", "begin", "advance"])


def test_ids_of_jobs_are_those_of_their_files(world: World) -> None:
    assert world.add("20260301-1200__fix-login") == JobId("20260301-1200__fix-login")
    world.supervise()
    assert world.starts("20260301-1200__fix-login")[0].folder == "runs/20260301-1200__fix-login/1"
