"""What lies in a queue, or around `aq`, that nobody meant to be there: it is said, and holds nothing up."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import AQ, Aq, Jobs


@pytest.mark.parametrize("kind", ["pipe", "link to itself", "link to a device"])
def test_a_file_that_never_ends_is_said_to_be_none(aq: Aq, jobs: Jobs, kind: str) -> None:
    odd = jobs.queue / "inbox" / "odd.md"
    match kind:
        case "pipe":
            os.mkfifo(odd)
        case "link to itself":
            odd.symlink_to(odd)
        case _:
            odd.symlink_to("/dev/zero")
    job = jobs.add("keyed", "true", idempotency_key="k")
    assert "cannot be read" in aq("status").out
    assert aq("show", "odd", "--json").json()["invalid"]
    assert "odd.md: cannot be read" in aq("run", "--once").err
    assert jobs.stage(job) == "review"


def test_a_profile_that_is_a_pipe_holds_up_its_own_jobs_alone(aq: Aq, jobs: Jobs) -> None:
    os.mkfifo(jobs.queue / "profiles" / "slow.md")
    job = jobs.add("free", "true")
    assert "cannot be read" in aq("add", jobs.write("bound", "true", profile="slow"), check=65).err
    aq("run", "--once")
    assert jobs.stage(job) == "review"


BROKEN = {
    "sys:exit": "",
    "builtins:SystemExit": "builtins:SystemExit is no engine: it has no bin_variable",
    "broken:Engine": "broken:Engine cannot be loaded: RuntimeError: it is broken",
    "leaving:Engine": "leaving:Engine cannot be loaded: SystemExit: 7",
    "nowhere:Engine": "nowhere:Engine cannot be loaded: ModuleNotFoundError",
}


@pytest.mark.parametrize("engine", BROKEN)
def test_an_engine_that_is_none_fails_its_own_job_alone(aq: Aq, jobs: Jobs, engine: str) -> None:
    (aq.cwd / "broken.py").write_text("raise RuntimeError('it is broken')\n")
    (aq.cwd / "leaving.py").write_text("raise SystemExit(7)\n")
    file = jobs.write("odd", "true", engine=f'"{engine}"', cwd=aq.cwd)
    linted = aq("lint", file)
    assert f"no engine is called '{engine}'" in linted.out
    assert BROKEN[engine] in linted.err
    odd, good = aq("add", file).out.strip(), jobs.add("good", "true")
    ran = aq("run", "--once", check=1)
    assert BROKEN[engine] in ran.err
    assert (jobs.stage(odd), jobs.stage(good)) == ("failed", "review")
    assert aq("show", odd, "--json").json()["state"]["result"] == "no_engine"


FOREIGN = (
    '{"event":"ended","ended_at":"soon","started_at":"x","next_eligible":"y","result":[]}',
    '{"event":"ended","ended_at":1e300,"started_at":1e300,"duration_s":Infinity,"tokens_in":1' + "0" * 400 + "}",
    "[" * 200_000,
)


def test_no_line_of_a_journal_keeps_a_command_from_its_work(aq: Aq, jobs: Jobs) -> None:
    job = jobs.add("noted", "true", capabilities="'!python>=" + "9" * 5000 + "'")
    aq("run", "--once")
    with (jobs.queue / "journal" / f"{job}.jsonl").open("a") as journal:
        journal.writelines(f"{line}\n" for line in FOREIGN)
    aq("promote", job)
    aq("ship", job)
    for command in ("status", "show", "insights"):
        aq(command, *([job] if command == "show" else []))
    assert aq("insights", "--by", "day", "--json").json()["total"]["jobs"] == 1
    assert aq("show", job, "--json").json()["journal_lines_skipped"] == len(FOREIGN)
    assert aq("clean", "--keep", "0", "--json").json()["archived"] == [job]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("status >&-", 0), ("status --json >&-", 0), ("run --once <&- >&- 2>&-", 0), ("add - <&-", 65),
        ("nothing >&- 2>&-", 2), ("schema >/dev/full", 1), ("status 2>/dev/full >/dev/full", 1),
    ],
)  # fmt: skip
def test_a_stream_that_is_closed_or_full_is_no_defect(aq: Aq, queue: Path, command: str, code: int) -> None:
    ran = subprocess.run(["/bin/sh", "-c", f"{' '.join(AQ)} {command}"], capture_output=True, text=True, cwd=aq.cwd)
    assert ran.returncode == code
    assert "Traceback" not in ran.stderr
    assert "defect" not in ran.stderr


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_name_that_is_no_utf_8_can_be_told(aq: Aq, jobs: Jobs, git: Callable[..., str], locale: str) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    (aq.cwd / name).write_text("one\n")
    git(aq.cwd, "add", "-A")
    git(aq.cwd, "commit", "-q", "-m", "a name")
    job = jobs.add("odd", 'for name in caf*; do echo two >> "$name"; done')
    aq("run", "--once")
    for settings in ({"LC_ALL": locale}, {"LC_ALL": locale, "PYTHONIOENCODING": "utf-8:strict"}):
        assert aq("diff", job, "--json", env=settings).json()["files"][0]["path"] == name
        assert "caf" in aq("diff", job, env=settings).out


@pytest.mark.parametrize("command", [["pause"], ["resume"], ["run", "--once", "--engine"], ["read-log"]])
def test_an_engine_that_nobody_knows_is_no_engine(aq: Aq, queue: Path, command: list[str]) -> None:
    rest = ["/dev/null"] if command == ["read-log"] else []
    assert "no engine is called 'cluade' (did you mean 'claude'?)" in aq(*command, "cluade", *rest, check=2).err
    away = queue / "away.paused"
    away.write_text("")
    assert "no engine is called '../away'" in aq(*command, "../away", *rest, check=2).err
    assert away.exists()
    assert list((queue / "lanes").iterdir()) == []


def test_an_engine_that_is_gone_can_be_resumed(aq: Aq, queue: Path) -> None:
    (queue / "lanes" / "gone.paused").write_text("")
    assert "every engine may start jobs" in aq("resume", "gone").out


@pytest.mark.parametrize(
    "text",
    ['[limits]\nfree_disk = "900000TB"\n', 'limits.free_disk = "900000TB"\n', '[ "limits" ]\nfree_disk = "900000TB"\n'],
)
def test_a_table_is_seen_however_it_is_written(aq: Aq, queue: Path, text: str) -> None:
    (queue / "config.toml").write_text(text)
    (lane,) = aq("status", "--json").json()["lanes"]
    assert "disk space free" in lane["reason"]


def test_what_doctor_says_to_type_can_be_typed_whatever_the_folder_is_called(aq: Aq) -> None:
    root = aq.cwd / "my 'queue' $HOME"
    aq.env["AGENT_QUEUE_ROOT"] = str(root)
    aq("init")
    root.chmod(0o755)
    (root / "runs" / "gone").mkdir()
    left = root / ".aq" / "tmp" / "999999999-1"
    left.write_text("x")
    for _ in range(3):
        found = aq("doctor", "--json", check=None).json()["findings"]
        for one in found:
            if one["level"] != "ok" and one["fix"].startswith(("chmod ", "rm ")):
                subprocess.run(["/bin/sh", "-c", one["fix"]], check=True, cwd=aq.cwd)
    assert root.stat().st_mode & 0o777 == 0o700
    assert not (root / "runs" / "gone").exists()
    assert not left.exists()
    (root / "shipped").rmdir()
    (fix,) = (one["fix"] for one in aq("doctor", "--json", check=None).json()["findings"]
              if one["fix"].startswith("mkdir "))  # fmt: skip
    subprocess.run(["/bin/sh", "-c", fix], check=True, cwd=aq.cwd)
    assert (root / "shipped").is_dir()


def test_what_others_left_where_only_numbers_and_files_are_expected(aq: Aq, jobs: Jobs) -> None:
    """A superscript is a digit by its kind, and yet no number."""
    job = jobs.add("a", "true", verify="'true'")
    for odd in (f"runs/{job}/\u00b2", f"runs/{job}/1/verify/\u00b2", ".aq/tmp/some"):
        (jobs.queue / odd).mkdir(parents=True)
    (jobs.queue / ".aq" / "tmp" / "\u00b2-1").write_text("x")
    told = aq("doctor", "--json", check=None).json()["findings"]
    assert not any("left-over" in one["text"] for one in told)
    aq("run", "--once")
    assert jobs.stage(job) == "testing"
    assert [path.name for path in (jobs.queue / ".aq" / "tmp").iterdir()] == ["some"]
    assert job in aq("status").out
