"""The commands that only read: they tell the truth, to people and to programs, and they change nothing."""

import ctypes
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent_queue.cli import COMMANDS
from agent_queue.core.manifest import KEYS
from agent_queue.core.settings import Durability
from agent_queue.flow.doctor import Finding, Level, examine

from .conftest import AQ, LIMIT_S, Agent, Aq, Jobs, begun, done, wait_for

JOB_KEYS = {
    "id", "stage", "title", "engine", "profile", "priority", "run", "attempts", "result", "age_s", "invalid",
    "waiting_for", "next_eligible", "tracker_item", "tracker_echoed", "insights",
}  # fmt: skip
INSIGHTS = {
    "duration_s", "tokens_in", "tokens_cached", "tokens_out", "cost_usd", "usage", "cost_usage", "files_changed",
    "lines_added", "lines_deleted",
}  # fmt: skip
STAGES = ["inbox", "building", "review", "testing", "shipped", "failed"]
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
UNTIL_THERE = "while [ ! -e {} ]; do sleep 0.05; done"


def found(aq: Aq, job: str) -> dict[str, object]:
    """One job of the status."""
    (row,) = [row for row in aq("status", "--json").json()["jobs"] if row["id"] == job]
    return dict(row)


def section(text: str, title: str) -> list[str]:
    """The lines below a heading of the status."""
    lines = text.splitlines()
    begin = next((number for number, line in enumerate(lines) if line.startswith(title)), None)
    if begin is None:
        return []
    rest = lines[begin + 1 :]
    return rest[: rest.index("")] if "" in rest else rest


@pytest.fixture
def supervisor(aq: Aq, queue: Path) -> "Iterator[subprocess.Popen[bytes]]":
    with aq.started("run") as process:
        wait_for((queue / ".aq/supervisor.json").exists, "the supervisor")
        yield process


# status


def test_an_empty_queue_says_what_to_do(aq: Aq, queue: Path) -> None:
    said = aq("status").out
    assert "aq add" in said
    assert "aq run" in said


def test_without_a_queue_it_says_how_to_make_one(aq: Aq) -> None:
    assert "aq init" in aq("status", check=1).err


def test_the_json_has_the_contract_s_shape(aq: Aq, queue: Path, jobs: Jobs) -> None:
    good = jobs.add("good", "# A good one\necho x > x.txt", verify="test -f x.txt", tracker_item="T-1")
    jobs.add("fails", "exit 3")
    aq("run", "--once", check=1)
    jobs.add("waits", "true", priority="high")
    (queue / "inbox/no good.md").write_text("nothing")
    value = aq("status", "--json").json()
    assert set(value) == {"schema_version", "root", "counts", "supervisor", "outbox", "lanes", "jobs"}
    assert (value["schema_version"], value["root"], value["supervisor"], value["lanes"]) == (1, str(queue), None, [])
    assert list(value["counts"]) == STAGES
    assert value["counts"] == {"inbox": 2, "building": 0, "review": 0, "testing": 1, "shipped": 0, "failed": 1}
    for row in value["jobs"]:
        assert set(row) - {"reason"} == JOB_KEYS
        assert set(row["insights"]) == INSIGHTS
    (row,) = [row for row in value["jobs"] if row["id"] == good]
    assert (row["stage"], row["title"], row["engine"], row["result"]) == ("testing", "A good one", "shell", "testing")
    assert (row["run"], row["attempts"], row["tracker_item"], row["invalid"]) == (1, 1, "T-1", None)
    assert (row["insights"]["files_changed"], row["insights"]["lines_added"]) == (1, 1)


def test_it_is_readable_at_80_columns(aq: Aq, queue: Path, jobs: Jobs) -> None:
    long = "a-name-that-goes-on-" * 4
    jobs.add(long, f"# {'A title that does not fit into any line of a terminal. ' * 3}\ntrue")
    jobs.add("wide", "# 日本語の題名はとても長いので一行には入りません、ええ、本当に入らないのです\ntrue")
    aq("run", "--once")
    jobs.add(long, f"# {'Another such title. ' * 9}\ntrue", lock="a-lock-with-a-name-that-is-long-as-well")
    for name in ("20990101-0000__by-hand", "what is this", "x" * 140):
        (queue / f"inbox/{name}.md").write_text("---\npriority: whatever this may be, it is no priority\n---\nx")
    said = aq("status").out
    assert {heading for heading in ("NEEDS YOU", "WAITING") if f"{heading} (" in said} == {"NEEDS YOU", "WAITING"}
    from unicodedata import east_asian_width

    for line in said.splitlines():
        assert sum(2 if east_asian_width(c) in "WF" else 1 for c in line) <= 80, line


def test_what_needs_a_person_stands_first(aq: Aq, queue: Path, jobs: Jobs) -> None:
    tested = jobs.add("tested", "true", verify="true")
    reviewed = jobs.add("reviewed", "true")
    broke = jobs.add("broke", "echo it was the cable >&2; exit 4")
    dropped = jobs.add("dropped", "true")
    aq("cancel", dropped)
    aq("run", "--once", check=1)
    (queue / "inbox/Fix login.md").write_text("x")
    said = aq("status").out
    assert said.index("NEEDS YOU (4)") < said.index("RECENT")
    needs = section(said, "NEEDS YOU")
    firsts = [line.split()[:2] for line in needs if line[2:3].strip() and ":" not in line]
    assert firsts == [["testing", tested], ["review", reviewed], ["failed", broke], ["invalid", "Fix"]]
    assert any("it was the cable" in line for line in needs)
    assert "rename it to Fix-login.md" in re.sub(r"\s+", " ", "\n".join(needs))
    assert section(said, "RECENT")[0].split()[:2] == ["cancelled", dropped]


def test_an_invalid_file_says_line_column_and_what_is_wrong(aq: Aq, queue: Path) -> None:
    (queue / "inbox/job.md").write_text("---\nengine: shell\ncwd: /\ntimeout: soon\n---\ntrue\n")
    row = found(aq, "job")
    assert str(row["invalid"]).startswith("job.md:4:10: timeout: ")
    assert row["waiting_for"] == []


def test_control_characters_of_a_title_reach_no_terminal(aq: Aq, queue: Path) -> None:
    text = "---\nengine: shell\ncwd: /\n---\n# \x1b]0;owned\x07Red \x1b[31malert\u202e \x9b1m\ntrue\n"
    (queue / "inbox/job.md").write_text(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", aq("status", "--wide").out)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", aq("show", "job").out)


def test_why_each_job_waits(aq: Aq, queue: Path, jobs: Jobs, repo: Path, supervisor: object) -> None:
    gate = repo / "gate"
    running = jobs.add("runs", UNTIL_THERE.format(gate), lock="the-database")
    jobs.wait(running, "building")
    wait_for(lambda: found(aq, running)["doing"] == "running", "the agent")
    locked = jobs.add("locked", "true", lock="the-database")
    needs = jobs.add("needs", "true", deps="[something-else]")
    aq("pause", "claude")
    paused = jobs.add("paused", "true", engine="claude")
    again = jobs.add("again", "exit 1", retry="{max: 3, backoff: 1h}")
    wait_for(lambda: found(aq, again)["next_eligible"], "the retry")
    value = aq("status", "--json").json()
    reasons = {row["id"]: row["waiting_for"] for row in value["jobs"] if row["stage"] == "inbox"}
    assert reasons[locked] == ["lock the-database is in use"]
    assert "something-else" in reasons[needs][0]
    assert reasons[paused] == ["claude: paused"]
    assert reasons[again][0].startswith("not before ")
    assert value["lanes"] == [{"engine": "claude", "parked_until": None, "reason": "paused"}]
    assert value["supervisor"]["running"] == 1
    said = aq("status").out
    assert "lock the-database is in use" in said
    assert "aq resume claude" in said
    aq("pause")
    assert found(aq, locked)["waiting_for"] == ["shell: paused"]
    assert "all engines: paused; `aq resume` undoes it" in aq("status").out
    gate.touch()


def test_jobs_wait_in_the_order_of_service_and_long_lists_are_cut(aq: Aq, jobs: Jobs) -> None:
    ids = [jobs.add(f"job-{number}", "true") for number in range(12)]
    urgent = jobs.add("urgent", "true", priority="critical")
    shown = section(aq("status").out, "WAITING (13)")
    assert [line.split()[0] for line in shown[:3]] == [urgent, *ids[:2]]
    assert "no supervisor" in shown[0]
    assert shown[-1].strip().startswith("and 5 more")
    assert len(section(aq("status", "--wide").out, "WAITING")) == 13


def test_a_running_job_shows_its_engine_and_its_silence(
    aq: Aq, jobs: Jobs, repo: Path, agent: Agent, supervisor: object
) -> None:
    gate = repo / "gate"
    agent.tells(*begun(), then=UNTIL_THERE.format(gate))
    job = jobs.add("thinks", "Think", engine="claude")
    wait_for(lambda: found(aq, job).get("silent_s"), "its first words")
    row = found(aq, job)
    assert (row["stage"], row["engine"], row["doing"], row["stalled"]) == ("building", "claude", "running", False)
    assert f"running    {job}" in aq("status").out
    patience = {"AGENT_QUEUE_STALL_MIN": "0.001"}
    said = aq("status", env=patience).out
    assert f"stalled    {job}" in said
    assert "claude, " in said
    gate.touch()


def test_an_engine_that_may_be_silent_is_never_marked(aq: Aq, jobs: Jobs, repo: Path, supervisor: object) -> None:
    gate = repo / "gate"
    job = jobs.add("chore", UNTIL_THERE.format(gate))
    wait_for(lambda: found(aq, job).get("silent_s") or 0, "its start")  # type: ignore[arg-type]
    assert f"running    {job}" in aq("status", env={"AGENT_QUEUE_STALL_MIN": "0.001"}).out
    gate.touch()


def test_a_job_under_verify_says_so(aq: Aq, jobs: Jobs, repo: Path, supervisor: object) -> None:
    gate = repo / "gate"
    job = jobs.add("checked", "true", verify=json.dumps(UNTIL_THERE.format(gate)))
    wait_for(lambda: found(aq, job).get("doing") == "verifying", "its verify")
    said = aq("status").out
    assert any(line.split()[:2] == ["verifying", job] for line in section(said, "RUNNING"))
    assert not section(said, "NEEDS YOU")
    gate.touch()
    jobs.wait(job, "testing")


def test_an_end_that_nobody_saw_waits_for_a_supervisor(aq: Aq, queue: Path, jobs: Jobs, repo: Path) -> None:
    gate = repo / "gate"
    with aq.started("run") as process:
        job = jobs.add("orphan", UNTIL_THERE.format(gate))
        wait_for((jobs.run_folder(job) / "run.json").exists, "its start")
        process.kill()
        process.wait(LIMIT_S)
    row = found(aq, job)
    assert (row["stage"], row["doing"]) == ("building", "running")
    gate.touch()
    wait_for((jobs.run_folder(job) / "exit.json").exists, "its end")
    assert found(aq, job)["doing"] == "ended, waiting for aq run"
    assert "waiting for aq run" in aq("status").out
    assert aq("status", "--json").json()["supervisor"] is None
    aq("run", "--once")
    assert "doing" not in found(aq, job)


def test_figures_are_those_of_all_runs(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    agent.tells(*begun(), done(cost=0.25), then="echo x >> x.txt; [ $(wc -l < x.txt) -ge 2 ]")
    job = jobs.add("twice", "Do it", engine="claude", retry="{max: 1}")
    aq("run", "--once")
    row = found(aq, job)
    told = row["insights"]
    assert isinstance(told, dict)
    assert (row["run"], row["attempts"], told["usage"]) == (2, 2, "exact")
    assert (told["tokens_in"], told["tokens_out"], told["cost_usd"]) == (2400, 680, 0.5)
    assert (told["files_changed"], told["lines_added"]) == (1, 2)
    assert "2 attempts, 1 file +2 -0, 2.4k tokens in, 680 out, $0.50" in aq("status").out


def test_a_cost_that_nobody_knows_is_no_zero(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    agent.tells(*begun(), done(cost=0.25), then="echo x >> x.txt; [ $(wc -l < x.txt) -ge 2 ]")
    silent = jobs.add("silent", "Do it", engine="claude")
    agent.plays("exit 0")
    aq("run", "--once")
    assert found(aq, silent)["insights"]["cost_usd"] is None  # type: ignore[index]
    assert "cost ?" in aq("status").out


def test_the_cache_may_be_deleted_and_notices_every_change(aq: Aq, queue: Path) -> None:
    path = queue / "inbox/job.md"
    path.write_text("---\nengine: shell\ncwd: /\n---\n# One\ntrue\n")
    assert found(aq, "job")["title"] == "One"
    path.write_text("---\nengine: shell\ncwd: /\n---\n# Two\ntrue\n")
    assert found(aq, "job")["title"] == "Two"
    cache = queue / ".aq/glance.json"
    for torn in (b"", b"{", b"[]", b'{"key": 1}'):
        cache.write_bytes(torn)
        assert found(aq, "job")["title"] == "Two"
    cache.unlink()
    assert found(aq, "job")["title"] == "Two"
    (queue / "config.toml").write_text('[defaults]\npriority = "low"\n')
    assert found(aq, "job")["priority"] == "low"
    path.unlink()
    assert aq("status", "--json").json()["jobs"] == []


def _without_override() -> None:
    """Let even root meet closed doors: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH leave the bounding set."""
    library = ctypes.CDLL(None)
    for capability in (1, 2):
        library.prctl(24, capability, 0, 0, 0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="how root meets closed doors is told for Linux only")
def test_a_queue_that_may_only_be_read_is_shown(aq: Aq, queue: Path, jobs: Jobs, repo: Path) -> None:
    job = jobs.add("seen", "true")
    folders = [queue, *(path for path in queue.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    try:
        ran = subprocess.run(
            [*AQ, "status"], capture_output=True, text=True, timeout=LIMIT_S, preexec_fn=_without_override, cwd=repo
        )
    finally:
        for folder in folders:
            folder.chmod(0o700)
    assert ran.returncode == 0, ran.stderr
    assert job in ran.stdout
    assert not (queue / ".aq/glance.json").exists()


def test_the_same_id_twice_is_said(aq: Aq, queue: Path, jobs: Jobs) -> None:
    job = jobs.add("job", "exit 1")
    aq("run", "--once", check=1)
    (queue / f"inbox/{job}.md").write_text("---\nengine: shell\ncwd: /\n---\ntrue\n")
    rows = {row["stage"]: row for row in aq("status", "--json").json()["jobs"]}
    assert rows["inbox"]["invalid"] == f"{job}.md: duplicate id: also in failed/{job}.md; rename one of them"
    assert rows["failed"]["invalid"] is None
    (queue / f"inbox/{job}.md").rename(queue / "inbox/other.md")
    (queue / "inbox/OTHER.md").write_text("---\nengine: shell\ncwd: /\n---\ntrue\n")
    rows = {row["id"]: row for row in aq("status", "--json").json()["jobs"]}
    assert [bool(rows[name]["invalid"]) for name in ("OTHER", "other")] == [False, True]


@pytest.mark.parametrize("stage", ["building", "review", "testing"])
def test_the_copy_in_the_inbox_is_the_duplicate_whatever_its_case(aq: Aq, queue: Path, stage: str) -> None:
    for name, place in (("Twin", stage), ("twin", "inbox"), ("same", stage), ("same", "inbox")):
        (queue / place / f"{name}.md").write_text("---\nengine: shell\ncwd: /\n---\ntrue\n")
    rows = aq("status", "--json").json()["jobs"]
    assert {(row["stage"], row["id"]) for row in rows if row["invalid"]} == {("inbox", "twin"), ("inbox", "same")}
    assert aq("show", "same", "--json").json()["stage"] == stage


def test_only_what_the_cache_does_not_know_needs_a_parser(aq: Aq, jobs: Jobs) -> None:
    jobs.add("job", "true")
    aq("status")
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", *AQ[1:], "status"], capture_output=True, text=True, timeout=LIMIT_S
    )
    imported = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "agent_queue.queues.glance" in imported
    heavy = ("yaml", "asyncio", "subprocess", "hashlib", "agent_queue.ports", "agent_queue.core.manifest")
    assert not imported.intersection(heavy)


# watch, colours, help, completion


def on_a_terminal(argv: list[object], cwd: Path, until: bytes, number: int | None = None) -> tuple[bytes, int]:
    """Run with a terminal until this was printed, then send a signal; what came, and how it ended."""
    pid, terminal = pty.fork()
    if not pid:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever runs the tests may have it ignored
        os.chdir(cwd)
        os.execv(sys.executable, [sys.executable, *map(str, argv)])
    data, end = b"", time.monotonic() + LIMIT_S
    try:
        while True:
            assert select.select([terminal], [], [], max(end - time.monotonic(), 0))[0], f"no {until!r} in {data!r}"
            data += os.read(terminal, 65536)
            if until in data and number is not None:
                os.kill(pid, number)
                number = None
    except OSError:
        pass  # its end closes the terminal
    finally:
        os.close(terminal)  # and a closed terminal ends it
    return data, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_watch_draws_on_a_screen_of_its_own_and_gives_it_back(queue: Path, jobs: Jobs, repo: Path) -> None:
    job = jobs.add("seen", "true")
    data, code = on_a_terminal([*AQ[1:], "watch", "0.2"], repo, b"WAITING", signal.SIGINT)
    assert code == 130
    assert job.encode() in data
    assert data.startswith(b"\x1b[?1049h")
    assert data.rstrip().endswith(b"\x1b[?25h\x1b[?1049l")


def test_watch_without_a_terminal_is_the_status_once(aq: Aq, jobs: Jobs) -> None:
    jobs.add("seen", "true")
    assert aq("watch").out == aq("status").out


def test_colours_are_for_terminals_alone(aq: Aq, jobs: Jobs, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = jobs.add("seen", "echo y > y")
    aq("run", "--once")
    for command in ("status", "show", "logs", "diff"):
        arguments = [command] if command == "status" else [command, job]
        assert b"\x1b" not in aq(*arguments).data
    monkeypatch.setenv("TERM", "xterm")
    coloured, _ = on_a_terminal([*AQ[1:], "status"], repo, b"cost")
    assert ESCAPE.search(coloured.decode())
    monkeypatch.setenv("NO_COLOR", "1")
    plain, _ = on_a_terminal([*AQ[1:], "status"], repo, b"cost")
    assert not ESCAPE.search(plain.decode())


@pytest.mark.parametrize("arguments", [(), ("help",), ("--help",)])
def test_help_lists_every_command(aq: Aq, arguments: tuple[str, ...]) -> None:
    said = aq(*arguments).out
    assert [name for name in COMMANDS if f"\n  {name} " not in said] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_help(aq: Aq, name: str) -> None:
    assert aq("help", name).out.startswith(f"Usage: aq {name}")


def test_help_on_what_is_no_command(aq: Aq) -> None:
    assert "did you mean 'status'" in aq("help", "statsu", check=2).err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(aq: Aq, shell: str) -> None:
    assert "_AQ_COMPLETE" in aq("completion", shell).out


def test_completion_knows_commands_and_jobs(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("fix-login", "true")
    jobs.add("other", "true")

    def completed(*words: str) -> list[str]:
        env = {"_AQ_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(("aq", *words)), "COMP_CWORD": str(len(words))}
        return [line.partition(",")[2] for line in aq(env=env).lines]

    assert {"show", "ship"} <= set(completed("sh"))
    assert completed("show", "fix") == [job]
    assert len(completed("show", "20")) == 2
    assert completed("help", "stat") == ["status"]
    for command in ("ship", "promote", "cancel", "requeue", "reject", "merge", "insights", "to-tracker"):
        assert completed(command, "fix") == [job]
    for words in (("pause",), ("resume",), ("run", "--engine"), ("add", "--engine"), ("read-log",)):
        assert completed(*words, "cla") == ["claude"]
    assert completed("profiles", "rev") == ["reviewer"]


PATHS = {"add": "file", "lint": "file", "add --cwd": "dir", "--root": "dir", "import": "dir", "read-log pi": "file"}


@pytest.mark.parametrize("words", PATHS)
def test_completion_leaves_paths_to_the_shell(aq: Aq, words: str) -> None:
    number = len(words.split()) + 1
    env = {"_AQ_COMPLETE": "bash_complete", "COMP_WORDS": f"aq {words} ./a", "COMP_CWORD": str(number)}
    assert aq(env=env).out.startswith(f"{PATHS[words]},")


# show


def test_show_tells_all_about_a_job(aq: Aq, queue: Path, jobs: Jobs, repo: Path) -> None:
    (queue / "config.toml").write_text('[defaults]\npriority = "high"\n')
    job = jobs.add("job", "# The title\necho x > x.txt; exit 5", timeout="90s", args="[one, two]")
    aq("run", "--once", check=1, env={"MY_SECRET": "hush"})
    value = aq("show", "job", "--json").json()
    assert {"job", "stage", "manifest", "state", "history"} <= set(value)
    assert (value["job"], value["stage"], value["title"]) == (job, "failed", "The title")
    assert value["manifest"]["priority"] == {"value": "high", "origin": "config"}
    assert value["manifest"]["timeout"] == {"value": "90s", "origin": "job"}
    assert value["manifest"]["args"] == {"value": ["one", "two"], "origin": "job"}
    assert value["manifest"]["cwd"]["value"] == str(repo)
    assert (value["state"]["run"], value["state"]["attempts"], value["state"]["exit"]) == (1, 1, 5)
    assert value["outcome"]["result"] == "crash"
    assert "MY_SECRET" in value["dropped_environment"]
    assert value["history"][0]["event"] == "move"
    said = aq("show", "job").out
    for words in ("The title", "crash: exit code 5", "priority      high  config", "MY_SECRET", "inbox -> building",
                  "ended, exit 5", f"aq/wip/{job}", "1 file +1 -0"):  # fmt: skip
        assert words in said
    assert "hush" not in said


def test_show_of_a_job_that_waits_tells_what_it_will_run_with(aq: Aq, queue: Path, jobs: Jobs) -> None:
    job = jobs.add("job", "exit 5")
    aq("run", "--once", check=1)
    aq("requeue", job)
    path = queue / f"inbox/{job}.md"
    path.write_text(path.read_text().replace("engine: shell", "engine: shell\ntimeout: 5m"))
    assert aq("show", job, "--json").json()["manifest"]["timeout"]["value"] == "5m"
    path.write_text("---\ntimeout: never\n---\nx")
    assert f"{job}.md:2:10: timeout" in aq("show", job).out


def test_a_name_may_be_any_part_that_means_one_job(aq: Aq, jobs: Jobs) -> None:
    jobs.add("red-door", "true")
    jobs.add("red-window", "true")
    assert "red-door" in aq("show", "DOOR").lines[0]
    assert "could be 2 jobs" in aq("show", "red", check=2).err
    assert "no job is called blue" in aq("show", "blue", check=2).err


# logs


def test_logs_are_readable_events(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    agent.tells(*begun("Let me see", tools=[("Bash", {"command": "ls -l"})]), done("It is \x1b[31mdone\x07"))
    job = jobs.add("job", "Do it", engine="claude")
    aq("run", "--once")
    said = aq("logs", job).out
    assert "Let me see\n" in said
    assert "> Bash" in said
    assert "ls -l" in said
    assert "It is done" in said
    assert "\x1b" not in said
    raw = aq("logs", job, "--raw")
    assert raw.data == (jobs.run_folder(job) / "agent.log").read_bytes()


def test_logs_for_a_program(aq: Aq, jobs: Jobs, agent: Agent) -> None:
    agent.tells(*begun("I look", tools=[("Bash", {"command": "ls"})]), done("Fixed"))
    job = jobs.add("told", "Do it.", engine="claude", verify="echo checked")
    aq("run", "--once")
    value = aq("logs", job, "--json").json()
    assert (value["schema_version"], value["job"], value["run"], value["log"]) == (1, job, 1, "agent")
    assert {"kind": "text", "text": "I look"} in value["events"]
    assert {"tool", "text"} <= {event["kind"] for event in value["events"]}
    verify = aq("logs", job, "--verify", "--json").json()
    assert verify["log"] == "verify"
    assert "".join(event["text"] for event in verify["events"]) == "+ echo checked\nchecked\n"
    assert "exclude each other" in aq("logs", job, "--raw", "--json", check=2).err


def test_a_supervisor_that_drained_tells_a_program_what_it_did(aq: Aq, jobs: Jobs) -> None:
    for name, body in (("good", "true"), ("bad", "exit 3"), ("fine", "true")):
        jobs.add(name, body)
    waits = jobs.add("waits", "true", deps="nobody")
    value = aq("run", "--once", "--json", check=1).json()
    assert (value["schema_version"], value["ended"], value["held"]) == (1, {"review": 2, "failed": 1}, 0)
    assert value["left"] == [f"{waits}: waits: waiting for nobody (no job is called that)"]
    assert value["interrupted"] is False


def test_logs_of_bytes_that_are_no_text(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("job", r"printf 'caf\303\251 \377\000\033[2J end'")
    aq("run", "--once")
    said = aq("logs", job).out
    assert said.startswith("caf\u00e9 ")
    assert said.endswith(" end\n")
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", said)
    assert aq("logs", job, "--raw").data == b"caf\xc3\xa9 \xff\0\x1b[2J end"


def test_logs_of_each_run_and_of_the_verify(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("job", "echo run $AQ_JOB_ID; echo x >> x; exit $((2 - $(wc -l < x)))", retry="{max: 1}",
                   verify="echo checked; printf tail")  # fmt: skip
    aq("run", "--once")
    assert aq("logs", job).out == aq("logs", job, "--run", "2").out == aq("logs", job, "--run", "1").out
    assert aq("logs", job, "--verify").out.endswith("checked\ntail\n")
    assert "no run 3" in aq("logs", job, "--run", "3", check=2).err
    assert "had no verify" in aq("logs", job, "--run", "1", "--verify", check=1).err


def test_logs_of_a_job_that_never_ran(aq: Aq, jobs: Jobs) -> None:
    jobs.add("job", "true")
    for options in ([], ["-f"], ["--verify"]):
        assert "has not run yet" in aq("logs", "job", *options, check=1).err


def test_logs_follow_until_the_run_ends(aq: Aq, jobs: Jobs, repo: Path, supervisor: object) -> None:
    gate = repo / "gate"
    job = jobs.add("job", f"echo first; {UNTIL_THERE.format(gate)}; echo last")
    jobs.wait(job, "building")
    with aq.started("logs", "-f", job) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"first\n"
        assert process.poll() is None
        gate.touch()
        assert process.stdout.read() == b"last\n"
        assert process.wait(LIMIT_S) == 0


def test_logs_follow_a_verify(aq: Aq, jobs: Jobs, repo: Path, supervisor: object) -> None:
    gate = repo / "gate"
    job = jobs.add("job", "true", verify=json.dumps(f"echo begun; {UNTIL_THERE.format(gate)}; echo checked"))
    jobs.wait(job, "review")
    with aq.started("logs", "-f", "--verify", job) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"+ echo begun")
        assert process.stdout.readline() == b"begun\n"
        gate.touch()
        assert process.stdout.read() == b"checked\n"
        assert process.wait(LIMIT_S) == 0


# diff


def test_diff_is_a_summary_or_a_patch_that_applies(aq: Aq, jobs: Jobs, repo: Path, git: Callable[..., str]) -> None:
    body = r"printf 'one\r\ntwo\r\n' > crlf.txt; printf '\377\000\001' > 'a b.bin'; echo more >> README.md"
    job = jobs.add("job", body)
    aq("run", "--once")
    said = aq("diff", job).out
    assert f"aq/wip/{job}" in said
    assert "crlf.txt" in said
    assert "3 files changed" in said
    value = aq("diff", job, "--json").json()
    assert {row["path"]: row["added"] for row in value["files"]} == {"README.md": 1, "a b.bin": None, "crlf.txt": 2}
    assert (value["branch"], value["worktree"]) == (f"aq/wip/{job}", str(jobs.queue / "work" / job))
    assert "patch" not in value
    assert "+more" in aq("diff", job, "--json", "--patch").json()["patch"]
    git(repo, "apply", input=aq("diff", job, "--patch").data)
    assert (repo / "crlf.txt").read_bytes() == b"one\r\ntwo\r\n"
    assert (repo / "a b.bin").read_bytes() == b"\xff\0\1"


def test_diff_of_a_running_job_is_its_worktree(aq: Aq, jobs: Jobs, repo: Path, supervisor: object) -> None:
    gate = repo / "gate"
    job = jobs.add("job", f"echo more >> README.md; echo new > new.txt; {UNTIL_THERE.format(gate)}")
    wait_for((jobs.queue / "work" / job / "new.txt").exists, "its work")
    value = aq("diff", job, "--json").json()
    assert ([row["path"] for row in value["files"]], value["untracked"], value["tip"]) == (
        ["README.md"],
        ["new.txt"],
        "",
    )
    assert "new.txt" in aq("diff", job).out
    gate.touch()


def test_diff_says_why_there_is_none(aq: Aq, jobs: Jobs, home: Path, repo: Path, git: Callable[..., str]) -> None:
    outside = home / "outside"
    outside.mkdir()
    job = jobs.add("outside", "true", cwd=outside)
    shipped = jobs.add("shipped", "echo x > x", verify="true")
    waits = jobs.add("waits", "true", deps="[nothing]")
    aq("run", "--once")
    assert "outside of git" in aq("diff", job, check=1).err
    assert "has not run yet" in aq("diff", waits, check=1).err
    aq("ship", shipped)
    assert "x | 1 +" in aq("diff", shipped).out
    git(repo, "branch", "-q", "-D", f"aq/wip/{shipped}")
    git(repo, "reflog", "expire", "--expire=now", "--all")
    git(repo, "gc", "-q", "--prune=now")
    assert "is not in" in aq("diff", shipped, check=1).err


def test_a_job_that_never_started_has_nothing_to_compare_or_merge(aq: Aq, jobs: Jobs) -> None:
    gone = jobs.add("gone", "true", cwd="/not/there")
    empty = jobs.folder / "empty"
    subprocess.run(["git", "init", "-q", str(empty)], check=True)
    refused = jobs.add("refused", "true", cwd=empty)
    aq("run", "--once", check=1)
    for job, said in ((gone, "never ran"), (refused, "was refused before its agent started")):
        for command in ("diff", "merge", "push"):
            assert said in aq(command, job, check=1).err


def test_a_diff_runs_no_program_that_the_repository_names(
    aq: Aq, jobs: Jobs, repo: Path, git: Callable[..., str]
) -> None:
    job = jobs.add("job", "echo '* diff=evil' > .gitattributes; echo x > x.txt")
    aq("run", "--once")
    mark = repo.parent / "mark"
    for key in ("diff.external", "diff.evil.command", "diff.evil.textconv", "core.fsmonitor", "core.pager"):
        git(repo, "config", key, f"touch {mark}; cat")
    assert "x.txt" in aq("diff", job, "--patch").out
    assert not mark.exists()


# lint, schema


def test_lint_says_where_and_what(aq: Aq, jobs: Jobs) -> None:
    good = jobs.write("good", "true")
    assert aq("lint", good).out == ""
    bad = jobs.write("bad", "", prioritty="high", timeout="soon", engine="cluade", cwd="/no/such")
    ran = aq("lint", good, bad, check=65)
    places = [line.removeprefix(f"{bad}:").split(": ", 2)[:2] for line in ran.lines]
    assert places == [["1:1", "the body is empty"], ["2:9", "warning"], ["3:1", "warning"], ["4:10", "timeout"],
                      ["5:6", "warning"]]  # fmt: skip
    assert "did you mean 'claude'?" in ran.out
    assert "did you mean 'priority'?" in ran.out
    value = aq("lint", "--json", bad, check=65).json()
    assert (value["errors"], len(value["problems"])) == (2, 5)
    assert value["problems"][3] | {"message": ""} == {
        "file": str(bad), "line": 4, "column": 10, "level": "error", "message": ""
    }  # fmt: skip


def test_lint_for_github_escapes_what_could_be_a_command(aq: Aq, tmp_path: Path) -> None:
    path = tmp_path / "a,b%.md"
    path.write_text("---\ntimeout: soon\nzzz%0A: 1\n---\nx")
    lines = aq("lint", "--format", "github", path, check=65).lines
    assert lines[1].startswith("::error file=" + str(path).replace("%", "%25").replace(",", "%2C") + ",line=2,col=10::")
    assert all(line.startswith("::") for line in lines)
    assert "%250A" in lines[2]


def test_lint_reads_folders_and_standard_input(aq: Aq, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.md").write_text("---\ntimeout: soon\n---\nx")
    assert len([line for line in aq("lint", tmp_path, check=65).lines if "timeout" in line]) == 2
    assert "-:1:1:" in aq("lint", "-", input="---\nengine: shell\n---\n", check=65).out
    assert aq("lint", tmp_path / "none.md", check=2).err


def test_lint_knows_the_profiles(aq: Aq, jobs: Jobs) -> None:
    ran = aq("lint", jobs.write("odd", "true", profile="develper"))
    assert ":3:10: warning: no profile is called 'develper' (did you mean 'developer'?)" in ran.out
    assert aq("lint", jobs.write("good", "true", profile="developer")).out == ""
    classed = jobs.write("classed", "true", engine=None, profile="developer")
    assert aq("lint", classed).out == "", "its profile names a class of engines"
    assert "no engine" in aq("lint", jobs.write("nobody", "true", engine=None)).out
    (jobs.queue / "profiles/self.md").write_text("---\nprofile: self\n---\nMe.\n")
    said = aq("lint", jobs.write("looped", "true", profile="self")).out
    assert ":3:10: warning: its profile cannot be used: " in said
    assert "profiles/self.md:2:1: a profile has no key 'profile'" in said
    (jobs.queue / "config.toml").write_text('[defaults]\nprofile = "none"\n')
    assert ":1:1: warning: no profile is called 'none'" in aq("lint", jobs.write("plain", "true")).out


def test_warnings_alone_are_no_failure(aq: Aq, jobs: Jobs) -> None:
    assert "warning: unknown key" in aq("lint", jobs.write("odd", "true", zzz="1")).out


def test_the_schema_knows_every_key(aq: Aq) -> None:
    value = aq("schema").json()
    assert set(value["properties"]) == set(KEYS)
    assert value["$schema"].startswith("https://json-schema.org/")


# doctor


def findings(aq: Aq, check: int = 0) -> dict[str, str]:
    """Level by text."""
    rows = aq("doctor", "--json", check=check).json()["findings"]
    assert all(set(row) == {"about", "level", "text", "fix"} for row in rows)
    assert all(row["fix"] for row in rows if row["level"] != "ok")
    return {row["text"]: row["level"] for row in rows}


def level(said: dict[str, str], words: str) -> str:
    (found,) = [level for text, level in said.items() if words in text]
    return found


def test_doctor_finds_a_good_queue_good(aq: Aq, queue: Path, agent: Agent) -> None:
    agent.plays('[ "$*" = --version ] && echo 9.8.7 || touch $HOME/was-run')
    said = findings(aq)
    assert "fail" not in said.values()
    assert level(said, "claude: 9.8.7") == "ok"
    assert not (queue.parent / "was-run").exists()
    assert set(os.listdir(queue / ".aq/tmp")) == set()
    assert "git " in aq("doctor").out


def test_doctor_without_a_queue(aq: Aq) -> None:
    assert level(findings(aq, 1), "no queue at") == "fail"


def test_doctor_finds_what_is_wrong(aq: Aq, queue: Path, jobs: Jobs) -> None:
    job = jobs.add("job", "true", engine="gemini")
    (queue / f"journal/{job}.jsonl").write_text('{"event": "note"}\n{"torn')
    (queue / ".aq/tmp/1-1-abcd").write_text("")
    os.utime(queue / ".aq/tmp/1-1-abcd", (0, 0))
    (queue / ".aq/supervisor.json").write_text('{"shim": 1, "shim_start": "0", "boot_id": "", "slots": 3}')
    queue.chmod(0o755)
    (queue / "config.toml").write_text('[run]\ndurability = "fast"\n')
    said = findings(aq, 1)
    assert level(said, "gemini: not here, and is asked for") == "fail"
    assert level(said, "can be read by others") == "warn"
    assert level(said, "durability is fast") == "warn"
    assert level(said, "1 line that cannot be read") == "warn"
    assert level(said, "1 left-over file in .aq/tmp") == "warn"
    assert level(said, "did not end by itself") == "ok"


def test_doctor_names_a_setting_that_cannot_be(aq: Aq, queue: Path) -> None:
    (queue / "config.toml").write_text("[run]\nslotz = 3\n")
    assert level(findings(aq, 1), "slotz") == "fail"


@pytest.mark.parametrize("where", ["engines.cluade", "lanes.cluade", "budgets.engines.cluade", "classes.mine"])
def test_doctor_names_engines_in_the_settings_that_nobody_knows(aq: Aq, queue: Path, where: str) -> None:
    keys = {"classes.mine": '[classes]\nmine = ["claude", "cluade"]\n', "budgets.engines.cluade": "daily_usd = 5\n"}
    table = keys[where] if where.startswith("classes") else f"[{where}]\n{keys.get(where, '')}"
    (queue / "config.toml").write_text(f"{table}[engines.claude]\n")
    said = findings(aq)
    assert level(said, f"config.toml: {where}: no engine is called 'cluade' (did you mean 'claude'?)") == "warn"


def test_doctor_finds_jobs_that_a_crash_left(aq: Aq, queue: Path, jobs: Jobs) -> None:
    job = jobs.add("job", "true")
    (queue / f"inbox/{job}.md").rename(queue / f"building/{job}.md")
    assert level(findings(aq), f"1 job in work: {job}") == "warn"


GOOD_MACHINE = {"python": "3.11.7", "system": "Linux", "git": "2.43.0", "pidfd": True, "max_user_watches": 65536,
                "max_user_instances": 128}  # fmt: skip
GOOD_QUEUE = {
    "root": "/queue", "missing": [], "is_queue": True, "file_system": "ext4", "network": False,
    "free_bytes": 100 << 30, "free_inodes": None, "mode": 0o700, "mine": True, "write_problem": "", "write_ms": 1.0,
    "exchange": True, "watch": "", "supervisor": None, "supervisor_died": False, "stale": [], "idle_locks": 0,
    "journals": 3, "journals_read": 3, "skipped": {}, "left": [],
}  # fmt: skip
GOOD_ENGINE = {"engine": "claude", "program": "/bin/claude", "version": "2.1", "hint": "get it", "wanted": True}
GOOD_SETTINGS = {"problem": "", "fix": "", "durability": Durability.FULL, "odd": {}}


def judged(
    machine: dict[str, object] | None = None, queue: dict[str, object] | None = None,
    engine: dict[str, object] | None = None,
) -> list[Finding]:  # fmt: skip
    found = examine(GOOD_MACHINE | (machine or {}), GOOD_QUEUE | (queue or {}), [GOOD_ENGINE | (engine or {})],
                    GOOD_SETTINGS)  # fmt: skip
    return [one for one in found if one.level is not Level.OK]


def test_a_good_machine_is_judged_good() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("facts", "level", "words"),
    [
        ({"machine": {"git": ""}}, Level.FAIL, "git is not installed"),
        ({"machine": {"git": "2.35.9"}}, Level.FAIL, "git 2.35.9 is too old"),
        ({"machine": {"max_user_instances": 2}}, Level.WARN, "inotify allows 2 watchers"),
        ({"queue": {"file_system": "nfs4", "network": True}}, Level.FAIL, "nfs4: its locks"),
        ({"queue": {"file_system": "tmpfs"}}, Level.WARN, "gone after a reboot"),
        ({"queue": {"missing": ["/queue/lanes"]}}, Level.FAIL, "folders are missing: /queue/lanes"),
        ({"queue": {"mine": False}}, Level.FAIL, "belongs to another user"),
        ({"queue": {"mode": 0o750}}, Level.WARN, "mode 750"),
        ({"queue": {"free_bytes": 1 << 30}}, Level.WARN, "1.0 GiB free"),
        ({"queue": {"free_bytes": 1 << 20}}, Level.FAIL, "0.0 GiB free"),
        ({"queue": {"free_inodes": 5}}, Level.WARN, "5 inodes"),
        ({"queue": {"write_problem": "the disk failed to flush"}}, Level.FAIL, "failed to flush"),
        ({"queue": {"write_ms": 200.0}}, Level.WARN, "takes 200 ms"),
        ({"queue": {"watch": "Too many open files"}}, Level.FAIL, "cannot be watched"),
        ({"queue": {"left": ["a", "b", "c", "d"]}}, Level.WARN, "4 jobs in work: a, b, c and 1 more"),
        ({"queue": {"idle_locks": 20_000}}, Level.WARN, "20000 lock files"),
        ({"queue": {"stale": ["/queue/.aq/tmp/x"]}}, Level.WARN, "1 left-over file"),
        ({"engine": {"version": ""}}, Level.WARN, "says nothing for --version"),
    ],
)
def test_what_doctor_makes_of_facts(facts: dict[str, dict[str, object]], level: Level, words: str) -> None:
    (found,) = judged(**facts)
    assert found.level is level
    assert words in found.text
    assert found.fix


def test_doctor_without_git(aq: Aq, queue: Path) -> None:
    assert level(dict(findings(_without_git(aq), 1)), "git is not installed") == "fail"


def _without_git(aq: Aq) -> Aq:
    empty = aq.cwd.parent / "empty"
    empty.mkdir()
    return Aq(aq.cwd, {**aq.env, "PATH": str(empty)})
