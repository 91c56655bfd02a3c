"""Shims that are forked from a warm parent: a job is started once, whatever becomes of that parent."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_queue.system import nursery
from agent_queue.system.events import wait_until
from agent_queue.system.nursery import Nursery
from agent_queue.system.processes import MachineProcesses

from .agents import LIMIT_S, Agents, is_alive, shell

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pidfds are Linux's")


@pytest.fixture
def cold(tmp_path: Path) -> Iterator[Agents]:
    """Agents whose processes the test itself warms."""
    agents = Agents(tmp_path / "cold")
    yield agents
    agents.close()


def inside(processes: MachineProcesses) -> Nursery:
    found = processes._nursery
    assert found is not None
    return found


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_warm_parent_forks_the_shims_while_it_is_warm(cold: Agents) -> None:
    with cold.processes.warm():
        parent = inside(cold.processes)._parent
        folder = cold.start(shell("echo up; exec sleep 600"))
        cold.says(folder, "up")
        assert parent_of(cold.record(folder)["shim"]) == parent
    assert not is_alive(parent)
    other = cold.start(shell("exec sleep 600"))
    assert parent_of(cold.record(other)["shim"]) == os.getpid()


def test_shims_outlive_their_warm_parent(cold: Agents) -> None:
    go = cold.root / "go"
    with cold.processes.warm():
        folder = cold.start(shell(f"while [ ! -e {go} ]; do sleep 0.02; done; exit 7"))
        cold.record(folder)
    go.touch()
    assert cold.ended(folder).code == 7


def test_no_zombie_stays_while_the_parent_is_warm(cold: Agents) -> None:
    with cold.processes.warm():
        folder = cold.start(("/bin/true",))
        cold.ended(folder)
        shim = cold.processes.running(folder) or {}
        assert wait_until(lambda: not os.path.exists(f"/proc/{shim['shim']}"), seconds=LIMIT_S)


def test_the_job_is_started_without_a_parent_that_was_killed(cold: Agents) -> None:
    with cold.processes.warm():
        os.kill(inside(cold.processes)._parent, signal.SIGKILL)
        folders = [cold.start(shell("echo once; exit 3")) for _ in range(2)]
        assert [cold.ended(folder).code for folder in folders] == [3, 3]
        assert [cold.log(folder) for folder in folders] == ["once\n", "once\n"]


def test_a_parent_that_answers_too_late_starts_no_second_agent(cold: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nursery, "ANSWER_S", 0.1)
    with cold.processes.warm():
        parent = inside(cold.processes)._parent
        cold.run(("/bin/true",))
        os.kill(parent, signal.SIGSTOP)
        folder = cold.start(shell("echo once"))
        assert cold.ended(folder).clean
        assert wait_until(lambda: not is_alive(parent), seconds=LIMIT_S)
    assert cold.log(folder) == "once\n"


def test_a_shim_that_gets_no_go_ends_without_a_trace(cold: Agents) -> None:
    """So ends what a supervisor asked for that died, or gave up, before it had the answer."""
    folder = cold.folder()
    with cold.processes.warm():
        lock = cold.lock("held")
        assert lock is not None
        wait, go = os.pipe()
        null, log = os.open(os.devnull, os.O_RDWR), os.open(f"{folder}/agent.log", os.O_WRONLY | os.O_CREAT)
        texts = (folder, "/", "grace=1", "1", "/bin/true", f"AQ_RUN={cold.marker}")
        files = [wait, null, log, *lock.filenos()]
        shim = inside(cold.processes)._asked("\0".join(texts).encode(), files)
        assert shim is not None
        for number in (*files[:3], go):
            os.close(number)
        lock.close()
        assert select.select([shim], [], [], LIMIT_S)[0]
        os.close(shim)
    assert os.listdir(folder) == ["agent.log"]
    assert cold.log(folder) == ""
    assert cold.lock("held") is not None


def test_a_text_that_no_program_can_be_given_is_refused_and_split_into_nothing(cold: Agents) -> None:
    with cold.processes.warm(), pytest.raises(ValueError, match="embedded null byte"):
        cold.start(("/bin/echo", "one\0two"))


def test_a_supervisor_without_standard_streams_starts_agents(cold: Agents) -> None:
    folder = cold.folder()
    code = (
        "import os, sys\n"
        "for number in (0, 1, 2): os.close(number)\n"
        "from agent_queue.ports import Start\n"
        "from agent_queue.system import files, locks, processes\n"
        "folder, marker = sys.argv[1:]\n"
        "own = processes.MachineProcesses(files.Disk(folder))\n"
        "argv, env = ('/bin/sh', '-c', 'cat; echo up; exit 3'), {'PATH': '/bin', 'AQ_RUN': marker}\n"
        "start = Start(folder=folder, log=folder + '/agent.log', cwd='/', argv=argv, env=env)\n"
        "with own.warm():\n"
        "    own.start(start, locks.take([folder + '/lock']))\n"
    )
    subprocess.run([sys.executable, "-c", code, folder, cold.marker], check=True, timeout=LIMIT_S)
    assert cold.ended(folder).code == 3
    assert cold.log(folder) == "up\n"


@pytest.mark.parametrize("size", [100, nursery.LONGEST_REQUEST, 4 * nursery.LONGEST_REQUEST])
def test_a_large_environment_reaches_the_agent(cold: Agents, size: int) -> None:
    pieces = {f"PIECE_{number}": "x" * min(size, 50_000) for number in range(max(size // 50_000, 1))}
    with cold.processes.warm():
        folder = cold.start(shell("env | grep -c ^PIECE_"), env=pieces)
        assert cold.ended(folder).clean
        assert cold.log(folder) == f"{len(pieces)}\n"
        small = cold.start(shell("exec sleep 600"))
        assert parent_of(cold.record(small)["shim"]) == inside(cold.processes)._parent, "it is still warm"
