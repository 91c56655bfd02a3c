"""Profiles: a persona before the body, defaults for what a job leaves open, looked for in three places."""

from pathlib import Path

import pytest

from .conftest import Aq

pytestmark = pytest.mark.usefixtures("queue")
NAMES = ["backend-engineer", "developer", "docs-writer", "frontend-engineer", "planner", "qa", "reviewer",
         "ui-designer", "ux-designer"]  # fmt: skip


@pytest.fixture
def stub(tmp_path: Path, aq: Aq) -> Path:
    """A program in claude's place that copies its prompt; returns where to."""
    seen = tmp_path / "seen"
    program = tmp_path / "stub"
    program.write_text(f"#!/bin/sh\ncat > {seen}\n")
    program.chmod(0o755)
    aq.env["CLAUDE_BIN"] = str(program)
    return seen


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_shipped_ones_are_listed(aq: Aq) -> None:
    rows = aq("profiles", "--json").json()["profiles"]
    assert [row["name"] for row in rows] == NAMES
    assert all(row["summary"] and not row["problem"] for row in rows)
    assert len(aq("profiles").lines) == len(NAMES)


def test_one_is_shown_whole(aq: Aq) -> None:
    said = aq("profiles", "qa")
    assert "verify" in said.out or "allowed-scope" in said.out or "engine-class" in said.out
    assert aq("profiles", "qa", "--json").json()["persona"].strip() in said.out
    assert "no profile is called" in aq("profiles", "qaa", check=2).err


def test_the_persona_comes_before_the_body_and_the_file_stays(aq: Aq, queue: Path, tmp_path: Path, stub: Path) -> None:
    write(queue / "profiles/careful.md", "---\nverify: 'true'\n---\nYou are careful.\n")
    file = write(tmp_path / "a.md", "---\nengine: claude\nprofile: careful\n---\n# Do it\n")
    job = aq("add", file).out.strip()
    aq("run", "--once")
    prompt = stub.read_text()
    assert prompt.index("You are careful.") < prompt.index("# Do it")
    assert prompt.endswith("# Do it\n")
    assert "careful." not in (queue / f"testing/{job}.md").read_text()
    manifest = aq("show", job, "--json").json()["manifest"]
    assert manifest["verify"]["origin"] == "profile:careful"
    assert "profile:careful" in aq("show", job).out


def test_a_script_gets_no_persona(aq: Aq, queue: Path, tmp_path: Path) -> None:
    job = aq("add", write(tmp_path / "a.md", "---\nengine: shell\nprofile: developer\nverify: 'true'\n---\necho ran\n"))
    aq("run", "--once")
    assert aq("logs", job.out.strip(), "--raw").out == "ran\n"


def test_job_over_profile_over_default(aq: Aq, queue: Path, tmp_path: Path) -> None:
    write(queue / "config.toml", '[defaults]\nverify = "exit 3"\npriority = "high"\nprofile = "mine"\n')
    write(queue / "profiles/mine.md", "---\nverify: exit 4\ncapabilities: [has:sh]\n---\nYou are mine.\n")
    plain = aq("add", write(tmp_path / "a.md", "---\nengine: shell\n---\ntrue\n")).out.strip()
    own = aq("add", write(tmp_path / "b.md", "---\nengine: shell\nverify: exit 5\n---\ntrue\n")).out.strip()
    aq("run", "--once", check=1)
    said = {job: aq("show", job, "--json").json() for job in (plain, own)}
    assert [said[job]["state"]["verify_exit"] for job in (plain, own)] == [4, 5]
    origins = [said[plain]["manifest"][key]["origin"] for key in ("verify", "priority", "capabilities")]
    assert origins == ["profile:mine", "config", "profile:mine"]
    assert said[own]["manifest"]["verify"]["origin"] == "job"


def test_the_queues_own_beats_the_environments_beats_the_shipped(aq: Aq, queue: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    aq.env["AGENT_QUEUE_PROFILES"] = f"{tmp_path / 'nowhere'}:{shared}"

    def persona() -> str:
        return str(aq("profiles", "qa", "--json").json()["persona"]).strip()

    assert persona().startswith("You are")
    write(shared / "qa.md", "Shared.\n")
    assert persona() == "Shared."
    write(queue / "profiles/qa.md", "Our own.\n")
    assert persona() == "Our own."


@pytest.mark.parametrize(
    ("profile", "problem"),
    [
        ("develper", "no profile is called 'develper' (did you mean 'developer'?)"),
        ("../../etc/passwd", "no profile is called '../../etc/passwd'"),
        ("broken", "broken.md:2:1: a profile has no key 'yolo'"),
        ("itself", "itself.md:2:1: a profile has no key 'profile'"),
    ],
)
def test_a_profile_that_cannot_be_had(aq: Aq, queue: Path, tmp_path: Path, profile: str, problem: str) -> None:
    write(queue / "profiles/broken.md", "---\nyolo: true\n---\nYou are.\n")
    write(queue / "profiles/itself.md", "---\nprofile: itself\n---\nYou are.\n")
    text = f"---\nengine: shell\ncwd: {tmp_path}\nprofile: {profile}\n---\ntrue\n"
    assert problem in aq("add", write(tmp_path / "a.md", text), check=65).err
    write(queue / "inbox/by-hand.md", text)
    (row,) = aq("status", "--json").json()["jobs"]
    assert problem in row["invalid"]
    assert problem in aq("run", "--once").err
    assert "broken" in aq("profiles").out
    write(queue / "profiles" / "develper.md", "You are.\n")
    if profile == "develper":
        (row,) = aq("status", "--json").json()["jobs"]
        assert not row["invalid"], "it is there now"


def test_a_profile_that_goes_while_its_job_is_under_review(aq: Aq, queue: Path, tmp_path: Path) -> None:
    file = write(queue / "profiles/brief.md", "You are brief.\n")
    job = aq("add", write(tmp_path / "a.md", "---\nengine: shell\nprofile: brief\n---\ntrue\n")).out.strip()
    aq("run", "--once")
    file.unlink()
    aq("promote", job)
    aq("ship", job)
    assert (queue / f"shipped/{job}.md").exists()


def test_the_waiting_graph(aq: Aq, tmp_path: Path) -> None:
    for name, needs in (("base", "[]"), ("next", "base"), ("last", "[next, nobody]")):
        text = f"---\nengine: shell\nidempotency-key: {name}\ndeps: {needs}\n---\ntrue\n"
        aq("add", write(tmp_path / f"{name}.md", text))
    lines = aq("graph").lines
    assert [line.strip().split("  ")[0].split("__")[-1] for line in lines] == ["base", "next", "last", "nobody", "last"]
    assert "no job is called that" in lines[3]
    found = aq("graph", "--json").json()
    needs = {job["job"].split("__")[1]: [need["unmet"] for need in job["needs"]] for job in found["jobs"]}
    assert needs == {"next": ["inbox"], "last": ["inbox", "no job is called that"]}


def test_a_graph_of_nothing(aq: Aq) -> None:
    assert aq("graph").out == "no waiting job depends on another\n"
