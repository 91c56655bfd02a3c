"""What this machine tells of itself and of the processes of a job; a log that never stops growing."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_queue.engines.shell import Shell
from agent_queue.system import kernel, vitals
from agent_queue.system.log_cap import DROPPED, cap_log

MIB = 1 << 20
HOG = "import time; held = bytearray({mib} << 20); print('ready', flush=True); time.sleep(600)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder whose shim is this process."""
    record = {"shim": os.getpid(), "shim_start": kernel.start_time(os.getpid()), "boot_id": kernel.boot_id()}
    (tmp_path / "run.json").write_text(json.dumps(record))
    return tmp_path


def wait_for(ready: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_machine_tells_what_is_free(tmp_path: Path) -> None:
    found = vitals.machine(str(tmp_path))
    assert found.free_disk is not None
    assert found.free_disk > 0
    assert found.load is not None
    assert (found.free_memory is not None) == kernel.LINUX
    assert vitals.machine("/nowhere/at/all").free_disk is None


def test_the_memory_of_a_tree_is_that_of_all_its_processes(folder: Path) -> None:
    before = vitals.vitals(str(folder))
    assert before is not None
    script = f'{sys.executable} -c "{HOG.format(mib=64)}" & exec {sys.executable} -c "{HOG.format(mib=64)}"'
    with subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True) as hog:
        assert hog.stdout is not None
        try:
            said = hog.stdout.readline()
            while said.count(b"ready") < 2:
                said += hog.stdout.readline()
            found = vitals.vitals(str(folder))
            exact = vitals.vitals(str(folder), 1)
            assert found is not None
            assert exact is not None
            assert 128 * MIB < exact.memory - before.memory < 200 * MIB
            assert exact.memory <= found.memory
            if kernel.LINUX:
                marks = Path(f"/proc/{hog.pid}/oom_score_adj").read_text(), Path("/proc/self/oom_score_adj").read_text()
                assert int(marks[0]) == vitals.FIRST_TO_DIE > int(marks[1])
        finally:
            os.killpg(hog.pid, 9)


def test_cpu_time_grows_with_work_alone(folder: Path) -> None:
    busy = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(busy) as worker:
        first = vitals.vitals(str(folder))
        assert first is not None
        try:
            wait_for(lambda: (now := vitals.vitals(str(folder))) and now.cpu_s - first.cpu_s > 0.3)
        finally:
            worker.kill()


def test_without_a_shim_nothing_is_known(tmp_path: Path) -> None:
    assert vitals.vitals(str(tmp_path)) is None


def test_a_change_anywhere_below_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    deep = tmp_path / "a/b/c.txt"
    deep.write_text("x")
    for path in (deep, tmp_path / "a/b", tmp_path / "a"):
        os.utime(path, (1000, 1000))
    assert not vitals.changed_since(str(tmp_path), 2000)
    os.utime(deep, (3000, 3000))
    assert vitals.changed_since(str(tmp_path), 2000)
    assert not vitals.changed_since(str(tmp_path), 4000)
    assert not vitals.changed_since(str(tmp_path / "gone"), 0)


def test_a_log_keeps_its_beginning_and_its_end_and_its_size(tmp_path: Path) -> None:
    log = tmp_path / "agent.log"
    most = 4 * MIB
    with open(log, "ab", buffering=0) as agent:
        for number in range(200_000):
            agent.write(b"line %d of a program that never stops to print something or other\n" % number)
            if number % 10_000 == 0:
                cap_log(str(log), most)
        size = log.stat().st_size
        cap_log(str(log), most)
        assert log.stat().st_size == size > 3 * most
        if log.stat().st_blocks * 512 > most:
            pytest.skip("this file system knows no holes")
        agent.write(b"the last line\n")
    text = log.read_bytes()
    assert text.startswith(b"line 0 of")
    assert text.endswith(b"the last line\n")
    assert DROPPED in text
    reader = Shell().reader()
    lines = [event.text for event in reader.feed(text)]
    assert lines[0].startswith("line 0 of")
    assert lines[-1] == "the last line"
    assert any("a part of this log was dropped here" in line for line in lines)
    assert max(map(len, lines)) < 200, "no line is glued together from two"


def test_a_log_that_is_small_or_not_there_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "agent.log"
    log.write_bytes(b"x" * MIB)
    cap_log(str(log), 4 * MIB)
    cap_log(str(tmp_path / "none"), 4 * MIB)
    assert log.read_bytes() == b"x" * MIB
