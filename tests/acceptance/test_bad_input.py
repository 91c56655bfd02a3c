"""Bad input and faults: a clear error that names the place and the next step, and nothing is lost."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import AQ, Aq, Jobs, wait_for

BAD = {
    "engine: [a, b]": "2:9: engine: expected text",
    "yolo: perhaps": "2:7: yolo: expected true or false",
    "timeout: 12:30": "2:10: timeout: expected a duration",
    "timeout: 0": "2:10: timeout: expected a duration such as 90s, 45m, 2h or 1d",
    "timeout: 0s": "2:10: timeout: expected a duration above 0",
    "timeout: -5m": "2:10: timeout: expected a duration such as 90s, 45m, 2h or 1d",
    "timeout: 90": "2:10: timeout: expected a duration such as 90s, 45m, 2h or 1d",
    "capabilities: [has:git, node>=]": "2:15: capabilities: ",
    "verify: ! grep -q TODO src": "2:9: to YAML a '!' in front is a tag, and no part of the text",
    "priority: urgent": "2:11: priority: expected one of critical, high, medium, low",
    "retry: {max: -1}": "2:14: retry: retry.max must be a whole number",
    "retry: {max: 1, on: [auth]}": "cannot retry on 'auth'",
    "budget: {usd: much}": "2:15: budget: expected an amount above 0",
    "cwd: &here /tmp": "anchors and aliases are not supported",
    "cwd: /tmp\ncwd: /var": "3:1: key 'cwd' stands twice (first on line 2)",
    "cwd: [": "",
}


@pytest.mark.parametrize("head", BAD)
def test_a_wrong_value_is_refused_by_add_and_lint_and_held_up_when_dropped(aq: Aq, queue: Path, head: str) -> None:
    path = aq.cwd / "bad.md"
    path.write_text(f"---\n{head}\n---\nbody\n")
    for command in ("add", "lint"):
        ran = aq(command, path, check=65)
        assert BAD[head] in ran.err + ran.out
        assert "bad.md:" in ran.err + ran.out
    assert list((queue / "inbox").iterdir()) == []
    (queue / "inbox/bad.md").write_bytes(path.read_bytes())
    (queue / "inbox/good.md").write_text(f"---\nengine: shell\ncwd: {aq.cwd}\n---\ntrue\n")
    aq("run", "--once")
    assert (queue / "inbox/bad.md").exists()
    assert (queue / "review/good.md").exists()
    assert BAD[head][:25] in aq("status", "--json").out


def test_a_duration_may_have_a_fraction(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("fraction", "true", timeout="1.5h")
    assert aq("show", job, "--json").json()["manifest"]["timeout"]["value"] == "90m"


@pytest.mark.parametrize("name", ["a/b", "../../up", "/abs", "..", "caf\u00e9", "x" * 300])
def test_a_lock_may_have_any_name_and_never_leaves_its_folder(aq: Aq, jobs: Jobs, name: str) -> None:
    before = {path for path in jobs.queue.rglob("*") if path.parent.name != "names"}
    running = jobs.add("holds", f"mkfifo {aq.cwd}/go; cat {aq.cwd}/go", lock=name, workspace="in-place")
    waiting = jobs.add("waits", "true", lock=name)
    with aq.started("run"):
        wait_for((aq.cwd / "go").exists)
        rows = {row["id"]: row for row in aq("status", "--json").json()["jobs"]}
        assert rows[running]["stage"] == "building"
        assert rows[waiting]["waiting_for"] == [f"lock {name} is in use"]
        (aq.cwd / "go").write_text("")
        jobs.wait(waiting, "review")
    assert {path.relative_to(jobs.queue).parts[0] for path in {*jobs.queue.rglob("*")} - before} <= {
        "locks", "journal", "runs", "work", "review", ".aq",
    }  # fmt: skip


def test_an_unknown_key_warns_with_a_suggestion_and_is_kept(aq: Aq, jobs: Jobs) -> None:
    added = aq("add", jobs.write("odd", "true", prioritty="high"))
    assert "odd.md:3:1: warning: unknown key 'prioritty' (did you mean 'priority'?)" in added.err
    assert "prioritty: high" in (jobs.queue / "inbox" / f"{added.out.strip()}.md").read_text()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the body is empty"),
        (b"---\nengine: shell\n---\n", "the body is empty"),
        (b"---\nengine: shell\n", "is never closed"),
        (b"caf\xe9\n", "x.md:1:4: byte 0xe9 is not UTF-8"),
    ],
)
def test_a_body_that_is_none(aq: Aq, queue: Path, data: bytes, said: str) -> None:
    path = aq.cwd / "x.md"
    path.write_bytes(data)
    assert said in aq("add", "--engine", "shell", path, check=65).err


@pytest.mark.parametrize("body", ["-- dashes first", "- a list", "--help", "x" * 300_000, "\u00e9\u00df\u4e2d"])
def test_odd_bodies_are_bodies(aq: Aq, jobs: Jobs, body: str) -> None:
    path = aq.cwd / "body.md"
    path.write_text(body)
    job = aq("add", "--engine", "shell", path).out.strip()
    assert (jobs.queue / "inbox" / f"{job}.md").read_text().endswith(f"---\n{body}")


@pytest.mark.parametrize("name", ["Fix login", "..", "a..b", "x.lock", "-dash", ".hidden", "n" * 200, "caf\u00e9"])
def test_a_bad_name_is_shown_with_a_good_one_and_nothing_is_renamed(aq: Aq, queue: Path, name: str) -> None:
    path = queue / "inbox" / f"{name}.md"
    path.write_text(f"---\nengine: shell\ncwd: {aq.cwd}\n---\ntrue\n")
    aq("run", "--once")
    assert path.exists()
    rows = aq("status", "--json").json()["jobs"]
    if name.startswith("."):
        assert rows == []
    else:
        assert "rename it to" in rows[0]["invalid"]


@pytest.mark.parametrize("name", ["../../etc/x", "a/b", "..", "x.lock"])
def test_a_name_given_to_add_never_leaves_the_inbox(aq: Aq, jobs: Jobs, name: str) -> None:
    job = aq("add", jobs.write("plain", "true"), "--name", name).out.strip()
    assert (jobs.queue / "inbox" / f"{job}.md").is_file()


def test_the_same_file_twice_is_two_jobs(aq: Aq, jobs: Jobs) -> None:
    path = jobs.write("same", "true")
    first, second = aq("add", path).out.strip(), aq("add", path).out.strip()
    assert second in (f"{first}-2", second)
    assert first != second


def test_one_bad_file_among_many_adds_none(aq: Aq, jobs: Jobs) -> None:
    good, bad = jobs.write("good", "true"), jobs.write("bad", "true", timeout="soon")
    ran = aq("add", good, bad, check=65)
    assert "bad.md:3:10: timeout" in ran.err
    assert "nothing was added" in ran.err
    assert list((jobs.queue / "inbox").iterdir()) == []


def test_a_file_half_written_is_not_taken(aq: Aq, jobs: Jobs, repo: Path) -> None:
    whole = f"---\nengine: shell\ncwd: {repo}\n---\necho whole > whole.txt\n"
    with aq.started("run"):
        wait_for((jobs.queue / ".aq/supervisor.json").exists)
        with (jobs.queue / "inbox/half.md").open("w") as file:
            for number in range(0, len(whole), 8):
                file.write(whole[number : number + 8])
                file.flush()
                os.fsync(file.fileno())
        jobs.wait("half", "review")
    assert (jobs.queue / "work/half/whole.txt").exists()


def test_a_cwd_that_is_gone_and_an_engine_that_is_not_there(aq: Aq, jobs: Jobs) -> None:
    gone = jobs.add("gone", "true", cwd="/not/there")
    nobody = jobs.add("nobody", "true", engine="nosuch")
    ran = aq("run", "--once", check=1)
    assert "its cwd /not/there is not there" in ran.err
    assert "no adapter is called nosuch" in ran.err
    results = [aq("show", job, "--json").json()["state"]["result"] for job in (gone, nobody)]
    assert results == ["setup_failed", "no_engine"]


def test_add_warns_of_what_is_not_there_and_adds_it(aq: Aq, jobs: Jobs) -> None:
    """It may come before the job runs."""
    path = jobs.write("odd", "true", engine="cluade", cwd="/not/there")
    added = aq("add", path, check=0)
    assert f"{path}: no engine is called 'cluade' (did you mean 'claude'?)" in added.err
    assert f"{path}: cwd: /not/there is not there" in added.err
    assert (jobs.queue / "inbox" / f"{added.out.strip()}.md").is_file()
    fine = aq("add", jobs.write("fine", "true"), check=0)
    assert "is not there" not in fine.err + aq("add", jobs.write("own", "true", engine="tests:Own"), check=0).err


def test_the_same_id_in_two_folders_is_said_and_neither_is_lost(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("twin", "exit 1")
    aq("run", "--once", check=1)
    (jobs.queue / "inbox" / f"{job}.md").write_bytes((jobs.queue / "failed" / f"{job}.md").read_bytes())
    aq("run", "--once")
    assert (jobs.queue / "inbox" / f"{job}.md").exists()
    assert (jobs.queue / "failed" / f"{job}.md").exists()
    rows = [row for row in aq("status", "--json").json()["jobs"] if row["stage"] == "inbox"]
    assert "duplicate id: also in failed/" in rows[0]["invalid"]


def test_torn_and_foreign_journal_lines_are_skipped_and_counted(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("torn", "exit 1", retry="{max: 3, backoff: 1s}")
    aq("run", "--once", check=1)
    path = jobs.queue / "journal" / f"{job}.jsonl"
    path.write_bytes(b"not json\n[1]\n" + path.read_bytes() + b'{"event":"mo')
    aq("requeue", job)
    shown = aq("show", job, "--json").json()
    assert shown["stage"] == "inbox"
    assert shown["journal_lines_skipped"] == 3
    aq("run", "--once", check=1)
    assert jobs.stage(job) == "failed"


def test_a_queue_that_is_not_there(aq: Aq) -> None:
    for command in (("status",), ("run", "--once"), ("add", "x.md")):
        ran = aq(*command, check=1)
        assert "no queue at" in ran.err
        assert "aq init" in ran.err


def test_a_folder_with_an_inbox_becomes_a_queue_unless_its_past_is_missing(aq: Aq, home: Path, repo: Path) -> None:
    inbox = home / "queue/inbox"
    inbox.mkdir(parents=True)
    (inbox / "first.md").write_text(f"---\nengine: shell\ncwd: {repo}\n---\ntrue\n")
    assert "first" in aq("status").out
    aq("run", "--once")
    assert (home / "queue/review/first.md").exists()
    shutil.rmtree(home / "queue/journal")
    assert "no queue at" in aq("run", "--once", check=1).err, "the journal is not made anew behind a person's back"


def test_a_current_folder_that_is_gone(aq: Aq, jobs: Jobs, home: Path) -> None:
    job = jobs.add("there", "true")
    gone = home / "gone"

    def call(line: str) -> "subprocess.CompletedProcess[str]":
        gone.mkdir()
        script = f"rmdir {gone}; exec {' '.join(AQ)} {line}"
        return subprocess.run(["/bin/bash", "-c", script], capture_output=True, text=True, cwd=gone, check=False)

    file = jobs.write("other", "true")
    ran = call(f"add {file}")
    assert (ran.returncode, "the current folder is not there any more" in ran.stderr) == (1, True)
    assert call(f"add --cwd {jobs.folder} {file}").returncode == 0
    assert call("run --once").returncode == 0
    assert jobs.stage(job) == "review"


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """A folder that nobody may write to, root included: for root it takes the file system's own flag."""
    if os.geteuid() == 0:
        lock, unlock = ["chattr", "+i", str(folder)], ["chattr", "-i", str(folder)]
    else:
        lock, unlock = ["chmod", "u-w", str(folder)], ["chmod", "u+w", str(folder)]
    if subprocess.run(lock, capture_output=True).returncode:
        pytest.skip("this file system has no immutable flag; run the tests as another user than root")
    try:
        yield
    finally:
        subprocess.run(unlock, check=True)


def test_a_queue_that_may_only_be_read(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("there", "true")
    for folder, call in ((".aq", ("run", "--once")), ("locks/jobs", ("cancel", job))):
        with unwritable(jobs.queue / folder):
            said = aq(*call, check=1).err
            assert f"cannot write {jobs.queue}/{folder}/" in said
            assert "check who owns" in said, "the next step"
    with unwritable(jobs.queue / "inbox"):
        assert "cannot write" in aq("add", jobs.write("x", "true"), check=1).err
        assert "cannot write" in aq("run", "--once", check=1).err
        assert job in aq("status").out
    aq("run", "--once")
    assert jobs.stage(job) == "review"


def test_a_job_whose_journal_is_none_holds_up_no_other(aq: Aq, jobs: Jobs) -> None:
    bad, good = jobs.add("bad", "true"), jobs.add("good", "true")
    journal = jobs.queue / f"journal/{bad}.jsonl"
    journal.mkdir()
    ran = aq("run", "--once")
    assert f"invalid: {bad}.md: its journal {journal} cannot be read and written: it is no file" in ran.err
    assert (jobs.stage(bad), jobs.stage(good)) == ("inbox", "review")
    assert "cannot be read: Is a directory" in " ".join(aq("status").out.split())
    (jobs.queue / f"inbox/{bad}.md").rename(jobs.queue / f"building/{bad}.md")
    assert "cannot be read and written" in aq("run", "--once").err
    journal.rmdir()
    aq("run", "--once")
    assert jobs.stage(bad) == "review"


def test_a_journal_that_may_not_be_written_holds_up_no_other(aq: Aq, jobs: Jobs) -> None:
    """As `sudo aq` leaves it behind."""
    bad, good = jobs.add("bad", "true"), jobs.add("good", "true")
    journal = jobs.queue / f"journal/{bad}.jsonl"
    journal.touch()
    with unwritable(journal):
        assert f"its journal {journal} cannot be read and written: check who owns it" in aq("run", "--once").err
    assert (jobs.stage(bad), jobs.stage(good)) == ("inbox", "review")
    aq("run", "--once")
    assert jobs.stage(bad) == "review"


def test_what_stands_in_the_way_of_all_jobs_fails_none(aq: Aq, jobs: Jobs, tmp_path: Path) -> None:
    scratch = jobs.queue / ".aq/tmp"
    job = jobs.add("job", f"rmdir {scratch}; : > {scratch}")
    nothing = jobs.add("next", "true", priority="low")
    ran = aq("run", "--once", "--slots", "1", check=1)
    assert f"cannot write {scratch}/" in ran.err
    assert {jobs.stage(job), jobs.stage(nothing)}.isdisjoint({"failed"})
    scratch.unlink()
    scratch.mkdir()
    aq("run", "--once")
    assert (jobs.stage(job), jobs.stage(nothing)) == ("review", "review")


@pytest.mark.parametrize(
    ("inside", "stage"),
    [("", "failed"), ("1/prompt.md", "failed"), ("1/agent.log", "failed"), ("1/outcome.json", "review")],
)
def test_what_stands_in_the_way_of_a_jobs_record_fails_that_job_alone(
    aq: Aq, jobs: Jobs, inside: str, stage: str
) -> None:
    bad, good = jobs.add("bad", "true"), jobs.add("good", "true")
    place = jobs.queue / "runs" / bad / inside
    if inside:
        place.mkdir(parents=True)
    else:
        place.write_text("no folder")
    ran = aq("run", "--once", check=1 if stage == "failed" else 0)
    assert str(place) in ran.err
    assert (jobs.stage(bad), jobs.stage(good)) == (stage, "review")


def test_a_full_disk_is_said_and_nothing_is_half_there(aq: Aq, jobs: Jobs) -> None:
    """A file size limit stands in for a full disk: the kernel refuses the write in the same place."""
    path = jobs.write("big", "x" * 100_000)
    limited = f"ulimit -f 8; exec {' '.join(AQ)} add {path}"
    ran = subprocess.run(["/bin/bash", "-c", limited], capture_output=True, text=True, cwd=aq.cwd)
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert list((jobs.queue / "inbox").iterdir()) == []
    assert list((jobs.queue / ".aq/tmp").iterdir()) == []


def test_a_clock_that_jumped_back_holds_nothing_up(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("future", "true")
    path = jobs.queue / "inbox" / f"{job}.md"
    os.utime(path, (4_000_000_000, 4_000_000_000))
    aq("run", "--once")
    assert jobs.stage(job) == "review"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("slots = 3", "unknown key 'slots'"),
        ("[run]\nslots = 'many'", "run.slots must be a whole number"),
        ("[run]\nslotz = 3", "did you mean run.slots?"),
        ("[defaults]\nengine = 3.5\ntimeout = 'soon'", "[defaults] timeout: expected a duration"),
        ("[run", "config.toml"),
    ],
)
def test_a_wrong_configuration_is_named(aq: Aq, queue: Path, text: str, said: str) -> None:
    (queue / "config.toml").write_text(text)
    assert said in aq("run", "--once", check=78).err


def test_words_that_are_no_command(aq: Aq, queue: Path) -> None:
    assert "did you mean 'status'?" in aq("statsu", check=2).err
    assert "no job is called nothing" in aq("show", "nothing", check=2).err
    for call in (("pause", "cluade"), ("resume", "cluade"), ("run", "--once", "--engine", "cluade"),
                 ("pause", "../../cluade"), ("read-log", "cluade", "/dev/null")):  # fmt: skip
        assert "no engine is called" in aq(*call, check=2).err
    assert "did you mean 'claude'?" in aq("pause", "cluade", check=2).err
    assert list((queue / "lanes").iterdir()) == []
    assert "--now and --detach exclude each other" in aq("stop", "--now", "--detach", check=2).err


def test_what_can_be_made_again_may_be_deleted_at_any_time(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("tidy", "true")
    shutil.rmtree(jobs.queue / ".aq")
    shutil.rmtree(jobs.queue / "locks")
    assert job in aq("status").out
    aq("run", "--once")
    assert jobs.stage(job) == "review"
