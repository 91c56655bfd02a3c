"""A job says what it needs of its host; where that is not there, its agent is never started."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import Aq, Jobs


@dataclass
class Program:
    """A program on PATH."""

    path: Path

    def plays(self, script: str) -> None:
        """From now on it is this shell script, in a file of its own."""
        new = self.path.with_suffix(".new")
        new.write_text(f"#!/bin/sh\n{script}\n")
        new.chmod(0o755)
        new.rename(self.path)

    def says(self, text: str, *, counted: bool = False) -> None:
        self.plays(f"echo '{text}'" + (f"; echo >> {self.path}.calls" if counted else ""))

    def calls(self) -> int:
        return len(Path(f"{self.path}.calls").read_text().splitlines())


def test_what_the_host_offers_lets_a_job_run(aq: Aq, jobs: Jobs) -> None:
    needs = "[has:git, 'git>=2.0', os:any, '!has:no-such-tool', 'cpus>=1', engine:shell]"
    job = jobs.add("at-home", "true", capabilities=needs)
    aq("run", "--once")
    assert jobs.stage(job) == "review"


@pytest.mark.parametrize("need", ["has:no-such-tool", "git>=99", "os:plan9", "!has:git", "engine:nobody", "mem>=99999"])
def test_what_it_does_not_offer_is_named_and_nothing_is_started(aq: Aq, jobs: Jobs, need: str) -> None:
    job = jobs.add("abroad", "touch started", capabilities=f"[has:git, '{need}']")
    ran = aq("run", "--once", check=1)
    assert f"does not offer {need};" in ran.err
    told = aq("show", job, "--json").json()
    assert told["state"]["result"] == told["outcome"]["result"] == "capability_mismatch"
    assert f"does not offer {need};" in told["outcome"]["reason"]
    assert f"capability_mismatch: this host does not offer {need};" in aq("show", job).out
    (row,) = aq("status", "--json").json()["jobs"]
    assert f"does not offer {need};" in row["reason"]
    assert not (jobs.queue / "work" / job).exists()
    assert not jobs.run_folder(job).exists()


def test_why_it_was_refused_is_told_as_long_as_that_is_how_it_stands(aq: Aq, jobs: Jobs) -> None:
    def reason() -> str | None:
        (row,) = aq("status", "--json").json()["jobs"]
        outcome = aq("show", row["id"], "--json").json()["outcome"]
        assert row.get("reason") == (outcome or {}).get("reason") or row["stage"] != "failed"
        return row.get("reason")

    job = jobs.add("abroad", "exit 3", capabilities="has:no-such-tool")
    aq("run", "--once", check=1)
    assert "no-such-tool" in str(reason())
    aq("requeue", job)
    assert reason() is None
    aq("cancel", job)
    assert reason() is None
    aq("requeue", job)
    path = jobs.queue / "inbox" / f"{job}.md"
    refusing = path.read_text()
    path.write_text(refusing.replace("capabilities:", "prefers:"))
    aq("run", "--once", check=1)
    assert "exit code 3" in str(reason())
    aq("requeue", job)
    path.write_text(refusing)
    aq("run", "--once", check=1)
    assert "no-such-tool" in str(reason())


def test_what_is_no_capability_is_refused_at_its_place(aq: Aq, jobs: Jobs) -> None:
    said = aq("add", jobs.write("odd", "true", capabilities="[has:git, 'node>=']"), check=65).err
    assert 'odd.md:3:15: capabilities: "node>=" is no capability' in said


@pytest.fixture
def go(home: Path, aq: Aq) -> Program:
    """Stands in for Go, and for any program whose version a job may ask for."""
    found = Program(home / "tools/go")
    found.path.parent.mkdir()
    aq.env["PATH"] = f"{found.path.parent}:{os.environ['PATH']}"
    return found


def offered(aq: Aq, *more: str) -> list[str]:
    found: list[str] = aq("doctor", "--capabilities", "--json", *more).json()["offers"]["go"]
    return found


def test_doctor_prints_what_this_host_offers_with_or_without_a_queue(aq: Aq, home: Path, go: Program) -> None:
    go.says("go version go1.22.4 linux/amd64")
    offers = aq("doctor", "--capabilities", "--json").json()["offers"]
    assert {"os", "arch", "cpus", "mem", "engine", "node", "python", "go", "rust", "java", "docker", "git"} <= {*offers}
    assert "shell" in offers["engine"]
    assert offers["os"]
    assert offers["go"] == ["go version go1.22.4 linux/amd64"]
    assert "go1.22.4" in aq("doctor", "--capabilities", "--rescan").out
    assert not (home / "queue").exists()


@pytest.mark.usefixtures("queue")
def test_a_version_is_asked_for_once_and_again_when_the_program_is_another(aq: Aq, go: Program) -> None:
    go.says("go version go1.22.4", counted=True)
    assert [offered(aq), offered(aq)] == [["go version go1.22.4"]] * 2
    assert go.calls() == 1
    go.says("go version go1.23.0")
    assert offered(aq) == ["go version go1.23.0"]
    go.path.unlink()
    assert not any("go1.23" in said for said in offered(aq))


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize("call", [("doctor", "--rescan"), ("doctor", "--capabilities", "--rescan")])
def test_doctor_asks_again_when_told(aq: Aq, go: Program, call: tuple[str, ...]) -> None:
    """A stand-in of a version manager stays the same file when another version is chosen."""
    version = go.path.parent / "version"
    version.write_text("go1.22.4")
    go.plays(f'echo go version "$(cat {version})"')
    assert offered(aq) == ["go version go1.22.4"]
    version.write_text("go1.23.0")
    assert offered(aq) == ["go version go1.22.4"]
    aq(*call)
    assert offered(aq) == ["go version go1.23.0"]


def test_a_program_that_cannot_run_is_not_offered(aq: Aq, jobs: Jobs, go: Program) -> None:
    go.plays("echo no version 1.99 is chosen >&2; exit 1")
    assert offered(aq) == []
    job = jobs.add("abroad", "true", capabilities="go")
    aq("run", "--once", check=1)
    assert jobs.stage(job) == "failed"


def test_a_supervisor_sees_what_is_installed_while_it_runs(aq: Aq, jobs: Jobs, go: Program) -> None:
    with aq.started("run"):
        early = jobs.add("early", "true", capabilities="go>=9000")
        jobs.wait(early, "failed")
        go.says("go version go9000.1")
        late = jobs.add("late", "true", capabilities="go>=9000")
        jobs.wait(late, "review", "failed")
    assert jobs.stage(late) == "review"
