"""What becomes of `aq` when nobody reads what it says: the work goes on, and the exit code tells."""

import subprocess
from pathlib import Path

import pytest

from .conftest import AQ, LIMIT_S, Aq, Jobs

MANY = 400


def piped(aq: Aq, line: str) -> "subprocess.CompletedProcess[str]":
    """A line of bash, in which `aq` is the command."""
    script = f'aq() {{ {" ".join(AQ)} "$@"; }}; {line}'
    return subprocess.run(
        ["/bin/bash", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=aq.cwd,
        timeout=LIMIT_S, check=False,
    )  # fmt: skip


@pytest.fixture
def many(aq: Aq, queue: Path, tmp_path: Path) -> None:
    """A chain of jobs, long enough to fill any pipe when it is drawn."""
    folder = tmp_path / "chain"
    folder.mkdir()
    for number in range(MANY):
        needs = f"deps: k{number - 1}\n" if number else ""
        text = f"---\nengine: shell\nidempotency-key: k{number}\n{needs}---\ntrue\n"
        (folder / f"{number:04}.md").write_text(text)
    aq("add", folder)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("command", ["graph", "graph --json", "schema", "status --wide"])
def test_a_reader_that_has_had_enough_is_no_failure(aq: Aq, command: str) -> None:
    ran = piped(aq, f"aq {command} | head -c 20; exit ${{PIPESTATUS[0]}}")
    assert (ran.returncode, len(ran.stdout), ran.stderr) == (0, 20, "")


@pytest.mark.usefixtures("many")
def test_a_supervisor_works_on_when_nobody_reads_its_log(aq: Aq, jobs: Jobs) -> None:
    for number in range(3):
        jobs.add(f"free-{number}", "exit 3" if number == 1 else "true")
    ran = piped(aq, "aq run --once 2>&1 | head -1; exit ${PIPESTATUS[0]}")
    assert ran.returncode == 1, "a job failed, and nothing else"
    assert len(list((jobs.queue / "review").iterdir())) == 3
    assert len(list((jobs.queue / "failed").iterdir())) == 1


@pytest.mark.parametrize(("closed", "code"), [(">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0), ("2>&- nothing", 2)])
def test_closed_streams_break_nothing(aq: Aq, jobs: Jobs, closed: str, code: int) -> None:
    jobs.add("only", "true")
    ran = piped(aq, f"aq {'show' if code else 'run --once'} {closed}")
    assert (ran.returncode, ran.stderr) == (code, "" if "2>" in closed else ran.stderr)
    assert "Traceback" not in ran.stderr + ran.stdout


INTERRUPTED_WHILE = """
import os, signal, sys

class Hook:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Hook())
sys.argv = ["aq", "status"]
from agent_queue.__main__ import main
main()
"""


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize(("name", "code"), [("click", -2), ("agent_queue.cli.status", 130)])
def test_an_interrupt_while_it_is_still_loading_shows_no_traceback(aq: Aq, name: str, code: int) -> None:
    ran = subprocess.run(
        [AQ[0], "-c", INTERRUPTED_WHILE.format(name=name)], capture_output=True, text=True, cwd=aq.cwd, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr.strip()) == (code, "", "")
