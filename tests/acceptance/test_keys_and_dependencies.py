"""Names of jobs: the same file twice is one job, a dependency is waited for, a circle is refused."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .conftest import AQ, Aq

pytestmark = pytest.mark.usefixtures("queue")


def job(path: Path, body: str = "true", **keys: str) -> Path:
    lines = "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in {"engine": "shell", **keys}.items())
    path.write_text(f"---\n{lines}---\n{body}\n")
    return path


def test_the_same_file_twice_is_one_job(aq: Aq, queue: Path, tmp_path: Path) -> None:
    file = job(tmp_path / "login.md", idempotency_key="login")
    first = aq("add", file)
    again = aq("add", file)
    assert again.out == first.out
    assert "unchanged" in again.err
    assert len(list((queue / "inbox").iterdir())) == 1
    (row,) = aq("add", file, "--json").json()["added"]
    assert (row["how"], row["stage"]) == ("unchanged", "inbox")


def test_another_body_takes_the_place_of_a_waiting_one_which_is_kept(aq: Aq, queue: Path, tmp_path: Path) -> None:
    aq("add", job(tmp_path / "login.md", "echo old", idempotency_key="login"))
    ran = aq("add", job(tmp_path / "login.md", "echo new", idempotency_key="login"))
    assert "replaced" in ran.err
    (waiting,) = (queue / "inbox").iterdir()
    assert waiting.stem == ran.out.strip()
    assert "echo new" in waiting.read_text()
    (kept,) = (queue / "archive").rglob("*.md")
    assert "echo old" in kept.read_text()
    aq("run", "--once")
    assert "new" in aq("logs", ran.out.strip(), "--raw").out


def test_another_body_is_refused_once_the_job_is_under_way(aq: Aq, queue: Path, tmp_path: Path) -> None:
    aq("add", job(tmp_path / "login.md", idempotency_key="login"))
    aq("run", "--once")
    ran = aq("add", job(tmp_path / "login.md", "echo new", idempotency_key="login"), check=1)
    assert "review" in ran.err
    assert list((queue / "inbox").iterdir()) == []
    assert "unchanged" in aq("add", job(tmp_path / "login.md", idempotency_key="login")).err


def test_keys_differ_by_case(aq: Aq, queue: Path, tmp_path: Path) -> None:
    aq("add", job(tmp_path / "a.md", idempotency_key="login"), job(tmp_path / "b.md", idempotency_key="Login"))
    assert len(list((queue / "inbox").iterdir())) == 2


def test_two_files_with_one_key_in_one_call(aq: Aq, queue: Path, tmp_path: Path) -> None:
    one, same = job(tmp_path / "a.md", idempotency_key="k"), job(tmp_path / "b.md", idempotency_key="k")
    ran = aq("add", one, same)
    assert ran.lines[0] == ran.lines[1]
    other = job(tmp_path / "c.md", "echo", idempotency_key="j"), job(tmp_path / "d.md", "false", idempotency_key="j")
    assert "another body" in aq("add", *other, check=65).err
    assert len(list((queue / "inbox").iterdir())) == 1


def test_twenty_at_once_make_one_job(aq: Aq, queue: Path, tmp_path: Path) -> None:
    file = job(tmp_path / "login.md", idempotency_key="login")

    def add(_: int) -> str:
        done = subprocess.run([*AQ, "add", str(file)], capture_output=True, text=True, cwd=tmp_path, check=True)
        return done.stdout

    with ThreadPoolExecutor(20) as pool:
        said = set(pool.map(add, range(20)))
    assert len(said) == 1
    assert [path.stem for path in (queue / "inbox").iterdir()] == [said.pop().strip()]


def test_adding_against_a_claim_never_changes_what_an_agent_works_on(aq: Aq, queue: Path, tmp_path: Path) -> None:
    """Either the new text was there before the claim and runs, or the call is refused and the old one runs."""
    for round_ in range(6):
        key = f"login-{round_}"
        name = aq("add", job(tmp_path / "j.md", "echo old", idempotency_key=key)).out.strip()
        with subprocess.Popen([*AQ, "run", "--once"], cwd=tmp_path, stderr=subprocess.PIPE) as running:
            new = job(tmp_path / "k.md", "echo new", idempotency_key=key)
            added = subprocess.run([*AQ, "add", str(new)], cwd=tmp_path, capture_output=True, text=True)
            running.communicate(timeout=60)
        aq("run", "--once")
        assert added.returncode in (0, 1, 75), added.stderr
        ran = aq("logs", name, "--raw").out.strip()
        assert ran == ("new" if added.returncode == 0 else "old")


def reasons(aq: Aq) -> dict[str, list[str]]:
    return {row["id"]: row["waiting_for"] for row in aq("status", "--json").json()["jobs"] if row["stage"] == "inbox"}


def test_a_dependency_is_waited_for_by_key_or_by_id(aq: Aq, tmp_path: Path) -> None:
    base = aq("add", job(tmp_path / "base.md", idempotency_key="base", verify="'true'")).out.strip()
    by_key = aq("add", job(tmp_path / "by-key.md", deps="base")).out.strip()
    by_id = aq("add", job(tmp_path / "by-id.md", deps=base)).out.strip()
    soft = aq("add", job(tmp_path / "soft.md", deps="base", deps_mode="soft")).out.strip()
    lost = aq("add", job(tmp_path / "lost.md", deps="nobody")).out.strip()
    said = reasons(aq)
    assert said[by_key] == ["waiting for base (inbox)"]
    assert said[by_id] == [f"waiting for {base} (inbox)"]
    assert said[lost] == ["waiting for nobody (no job is called that)"]
    aq("run", "--once")
    said = reasons(aq)
    assert soft not in said, "testing is enough for it"
    assert said[by_key] == ["waiting for base (testing)"]
    aq("ship", base)
    aq("run", "--once")
    assert set(reasons(aq)) == {lost}


def test_a_dependency_that_failed_is_named_so(aq: Aq, tmp_path: Path) -> None:
    aq("add", job(tmp_path / "base.md", "exit 3", idempotency_key="base"))
    waiting = aq("add", job(tmp_path / "next.md", deps="base")).out.strip()
    aq("run", "--once", check=1)
    assert reasons(aq)[waiting] == ["waiting for base (failed)"]


def test_what_is_shipped_while_it_runs_frees_what_waits(aq: Aq, queue: Path, tmp_path: Path) -> None:
    aq("add", job(tmp_path / "base.md", idempotency_key="base", verify="'true'", ship="auto"))
    aq("add", *(job(tmp_path / f"n{number}.md", deps="base") for number in range(3)))
    aq("run", "--once")
    assert len(list((queue / "review").iterdir())) == 3


def test_a_circle_is_refused_with_its_way(aq: Aq, queue: Path, tmp_path: Path) -> None:
    a = aq("add", job(tmp_path / "a.md", idempotency_key="a", deps="b")).out.strip()
    b = aq("add", job(tmp_path / "b.md", idempotency_key="b", deps="c")).out.strip()
    ran = aq("add", job(tmp_path / "c.md", idempotency_key="c", deps="a"), check=65)
    assert f"{a} -> {b} -> " in ran.err
    assert len(list((queue / "inbox").iterdir())) == 2
    both = job(tmp_path / "x.md", idempotency_key="x", deps="y"), job(tmp_path / "y.md", idempotency_key="y", deps="x")
    assert "circle" in aq("add", *both, check=65).err
    assert "circle" in aq("add", job(tmp_path / "self.md", idempotency_key="s", deps="s"), check=65).err


def test_a_circle_by_hand_is_invalid_and_nobody_else_is_held_up(aq: Aq, queue: Path, tmp_path: Path) -> None:
    for name, needs in (("a", "b"), ("b", "c"), ("c", "a")):
        job(queue / f"inbox/{name}.md", cwd=str(tmp_path), idempotency_key=name, deps=needs)
    job(queue / "inbox/free.md", cwd=str(tmp_path))
    rows = {row["id"]: row for row in aq("status", "--json").json()["jobs"]}
    assert {name for name, row in rows.items() if row["invalid"]} == {"a", "b", "c"}
    assert "a -> b -> c -> a" in rows["a"]["invalid"]
    ran = aq("run", "--once")
    assert "circle" in ran.err
    assert [path.stem for path in (queue / "review").iterdir()] == ["free"]


def test_a_thousand_in_a_chain(aq: Aq, queue: Path, tmp_path: Path) -> None:
    for number in range(1000):
        needs = {"deps": f"link-{number - 1}"} if number else {}
        job(queue / f"inbox/{number:04}.md", cwd=str(tmp_path), idempotency_key=f"link-{number}", **needs)
    said = json.loads(aq("status", "--json").data)
    assert all(not row["invalid"] for row in said["jobs"])
    tail = job(tmp_path / "close.md", idempotency_key="end", deps="link-999")
    aq("add", tail)
    assert sys.getrecursionlimit() <= 1000, "the chain is longer than any recursion could be"


def test_a_key_that_is_taken_makes_a_file_by_hand_invalid(aq: Aq, queue: Path, tmp_path: Path) -> None:
    aq("add", job(tmp_path / "a.md", idempotency_key="a"))
    aq("run", "--once")
    job(queue / "inbox/b.md", "echo", cwd=str(tmp_path), idempotency_key="a")
    (row,) = (row for row in aq("status", "--json").json()["jobs"] if row["id"] == "b")
    assert "idempotency-key 'a'" in row["invalid"]
    assert "idempotency-key 'a'" in aq("run", "--once").err
