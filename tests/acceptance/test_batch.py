"""Many jobs at once: a folder, several files, standard input."""

from pathlib import Path

import pytest

from .conftest import Aq

TEXT = "---\nengine: shell\n---\n# {}\ntrue\n"


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    """A folder with three job files, and what is none."""
    folder = tmp_path / "batch"
    folder.mkdir()
    for name in ("03-third", "01-first", "02-second"):
        (folder / f"{name}.md").write_text(TEXT.format(name))
    (folder / ".hidden.md").write_text("---\nnever: [closed\n")
    (folder / "notes.txt").write_text("no job\n")
    (folder / "deeper").mkdir()
    (folder / "deeper/04-fourth.md").write_text(TEXT.format("04-fourth"))
    return folder


def stems(queue: Path) -> list[str]:
    return sorted(path.stem.partition("__")[2] for path in (queue / "inbox").iterdir())


def test_a_folder_adds_its_job_files_in_the_order_of_their_names(aq: Aq, queue: Path, batch: Path) -> None:
    ran = aq("add", batch)
    assert [line.partition("__")[2] for line in ran.lines] == ["01-first", "02-second", "03-third"]
    assert stems(queue) == ["01-first", "02-second", "03-third"]
    assert (batch / "01-first.md").read_text() == TEXT.format("01-first")
    aq("run", "--once", "--slots", "1")
    started = [aq("show", job, "--json").json()["state"]["started_at"] for job in ran.lines]
    assert started == sorted(started)


def test_flags_hold_for_every_file_that_does_not_say_it_itself(aq: Aq, queue: Path, batch: Path) -> None:
    (batch / "01-first.md").write_text("---\npriority: low\n---\ntrue\n")
    jobs = aq("add", batch, "--priority", "high", "--engine", "shell", "--cwd", batch).lines
    said = [aq("show", job, "--json").json()["manifest"] for job in jobs]
    assert [found["priority"]["value"] for found in said] == ["low", "high", "high"]
    assert {found["cwd"]["value"] for found in said} == {str(batch)}


def test_one_bad_file_of_a_folder_adds_none_and_all_are_told(aq: Aq, queue: Path, batch: Path) -> None:
    (batch / "02-second.md").write_text("---\nengine: shell\ntimeout: soon\n---\ntrue\n")
    (batch / "03-third.md").write_text("---\nengine: shell\n---\n")
    ran = aq("add", batch, check=65)
    assert "02-second.md:3:10: timeout" in ran.err
    assert "03-third.md:1:1: the body is empty" in ran.err
    assert "nothing was added" in ran.err
    assert stems(queue) == []


def test_files_folders_and_standard_input_go_together(aq: Aq, queue: Path, batch: Path) -> None:
    ran = aq("add", batch / "deeper", "-", batch, input=TEXT.format("typed"))
    assert [line.partition("__")[2] for line in ran.lines] == [
        "04-fourth", "stdin", "01-first", "02-second", "03-third",
    ]  # fmt: skip


def test_standard_input_is_a_job_file_with_a_name_of_its_own(aq: Aq, queue: Path) -> None:
    job = aq("add", "-", "--engine", "shell", "--name", "Typed by hand", input="echo hi > hi.txt\n").out.strip()
    assert job.endswith("__typed-by-hand")
    assert (queue / "inbox" / f"{job}.md").read_text().endswith("---\necho hi > hi.txt\n")
    assert "<stdin>:2:10: timeout" in aq("add", "-", input="---\ntimeout: soon\n---\nx\n", check=65).err


def test_the_same_folder_twice_makes_each_job_with_a_key_once(aq: Aq, queue: Path, batch: Path) -> None:
    for name in ("01-first", "02-second", "03-third"):
        (batch / f"{name}.md").write_text(f"---\nengine: shell\nidempotency-key: {name}\n---\ntrue\n")
    first = aq("add", batch).lines
    again = aq("add", batch, "--json").json()["added"]
    assert [row["job"] for row in again] == first
    assert {row["how"] for row in again} == {"unchanged"}
    assert len(stems(queue)) == 3


def test_what_names_no_job_or_too_many_is_said(aq: Aq, queue: Path, batch: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty holds no .md file" in aq("add", tmp_path / "empty", check=2).err
    assert "No such file" in aq("add", tmp_path / "none.md", check=2).err
    assert "--name names one job, and these are 3" in aq("add", batch, "--name", "x", check=2).err
    assert "can be read once" in aq("add", "-", "-", input="true", check=2).err
    (batch / "round.md").symlink_to(batch)
    assert aq("lint", batch).code == 0, "a folder is no job file, whatever its name"
    (batch / "05-link.md").symlink_to(tmp_path / "nowhere")
    assert "05-link.md: No such file" in aq("add", batch, check=2).err
    assert stems(queue) == []
    assert aq("add", batch / "deeper", "--name", "x").out.strip().endswith("__x")
