"""The one place where the supervisor waits: files, processes, signals and slow deeds wake it, on the real system."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent_queue.core.board import FileChange
from agent_queue.core.errors import AqError
from agent_queue.core.job import JobId, Stage
from agent_queue.core.meaning import Meaning
from agent_queue.core.outcome import StopReason
from agent_queue.ports import Woken
from agent_queue.queues.create import create
from agent_queue.queues.folders import FolderQueue
from agent_queue.system.clock import MachineClock
from agent_queue.system.events import MachineEvents, wait_until
from agent_queue.system.files import Disk
from agent_queue.system.layout import Layout
from agent_queue.system.processes import MachineProcesses
from agent_queue.system.watch import FolderWatch
from agent_queue.testing.machine import job_file

from .agents import LIMIT_S, Agents, shell

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it is about inotify and pidfds")


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    folder = tmp_path / "watched"
    folder.mkdir()
    return folder


@pytest.fixture
def events(agents: Agents, watched: Path) -> Iterator[MachineEvents]:
    with MachineEvents(agents.processes, [str(watched)]) as events:
        yield events


def until(events: MachineEvents, ready: Callable[[list[Woken]], bool]) -> list[Woken]:
    """Wait, as a supervisor does, until what was told is enough."""
    told: list[Woken] = []
    end = time.monotonic() + LIMIT_S
    while not ready(told):
        assert time.monotonic() < end, f"only {told} in {LIMIT_S} s"
        told.append(events.wait(1.0))
    return told


def is_quiet(woken: Woken) -> bool:
    """True when nothing happened."""
    return not (woken.ended or woken.finished or woken.signals or woken.files)


def files(told: list[Woken]) -> list[FileChange]:
    return [change for woken in told for change in woken.files]


def next_files(events: MachineEvents) -> list[FileChange]:
    return files(until(events, lambda told: bool(files(told))))


# Files.


def test_a_file_renamed_into_a_folder_is_whole(events: MachineEvents, watched: Path, tmp_path: Path) -> None:
    (tmp_path / "new.md").write_text("x")
    os.rename(tmp_path / "new.md", watched / "new.md")
    assert next_files(events) == [FileChange(str(watched / "new.md"), whole=True)]


def test_a_file_is_told_of_when_its_writer_closes_it_and_not_before(events: MachineEvents, watched: Path) -> None:
    with (watched / "new.md").open("w") as file:
        file.write("half")
        file.flush()
        os.fsync(file.fileno())
        assert is_quiet(events.wait(0))
    assert next_files(events) == [FileChange(str(watched / "new.md"), whole=True)]


def test_a_copied_file_is_told_of_once_whole(events: MachineEvents, watched: Path) -> None:
    subprocess.run(["cp", "/etc/passwd", str(watched / "new.md")], check=True)
    assert next_files(events) == [FileChange(str(watched / "new.md"), whole=True)]


def test_a_file_that_we_create_is_whole(events: MachineEvents, watched: Path, tmp_path: Path) -> None:
    """It is linked into place, which says nothing; a close after opening it for writing does."""
    (tmp_path / "tmp").mkdir()
    Disk(str(tmp_path / "tmp")).create([(str(watched / "new.md"), b"x")])
    assert next_files(events) == [FileChange(str(watched / "new.md"), whole=True)]


def test_a_file_that_goes_is_told_of(events: MachineEvents, watched: Path, tmp_path: Path) -> None:
    for name in ("deleted", "moved"):
        (watched / name).write_text("x")
    next_files(events)
    (watched / "deleted").unlink()
    os.rename(watched / "moved", tmp_path / "moved")
    assert {change.path for change in next_files(events)} == {str(watched / "deleted"), str(watched / "moved")}


def test_reading_is_no_news(events: MachineEvents, watched: Path) -> None:
    (watched / "a").write_text("x")
    next_files(events)
    (watched / "a").read_text()
    (watched / "a").chmod(0o600)
    os.listdir(watched)
    assert is_quiet(events.wait(0))


def test_several_folders_are_told_apart(agents: Agents, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with MachineEvents(agents.processes, [str(folder) for folder in folders]) as events:
        one, two = (folder / "na\u00efve file" for folder in folders)
        (tmp_path / "new").write_text("x")
        os.rename(tmp_path / "new", one)
        os.rename(one, two)
        assert [change.path for change in next_files(events)] == [str(one), str(one), str(two)]


def test_a_folder_that_is_not_there_cannot_be_watched(agents: Agents, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="inotify"):
        MachineEvents(agents.processes, [str(tmp_path / "gone")])


def test_when_news_is_lost_all_may_have_changed(events: MachineEvents, watched: Path) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    paths = [str(watched / "a"), str(watched / "b")]  # the same change twice in a row would be told once
    for number in range(most + 10):
        os.close(os.open(paths[number % 2], os.O_WRONLY | os.O_CREAT))
    told = files(until(events, lambda told: any(not change.path for change in files(told))))
    assert {change.path for change in told} == {*paths, ""}


def test_a_queue_finds_all_it_was_not_told_of(agents: Agents, tmp_path: Path) -> None:
    layout = Layout(str(tmp_path / "queue"))
    create(layout)
    queue = FolderQueue(layout, Disk(layout.scratch, durable=False), MachineClock(), Meaning())
    before = Path(layout.job(Stage.INBOX, JobId("before")))
    before.write_bytes(job_file("x", engine="shell", cwd="/"))
    seen = [row.id for _ in range(100) for row in queue.look().waiting or time.sleep(0.01) or ()]
    assert seen == ["before"]
    with MachineEvents(agents.processes, [layout.stage(Stage.INBOX)]) as events:
        most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
        for number in range(most + 10):
            os.close(os.open(f"{layout.stage(Stage.INBOX)}/{number % 2}.txt", os.O_WRONLY | os.O_CREAT))
        before.write_bytes(job_file("x", engine="shell", cwd="/", priority="high"))
        Path(layout.job(Stage.INBOX, JobId("after"))).write_bytes(job_file("x", engine="shell", cwd="/"))
        found: dict[str, int] = {}
        end = time.monotonic() + LIMIT_S
        while len(found) < 2:
            assert time.monotonic() < end
            found |= {row.id: row.rank for row in queue.look(events.wait(0.05).files).waiting}
    assert found == {"before": 1, "after": 2}


# Processes.


def ended(told: list[Woken]) -> list[str]:
    return [folder for woken in told for folder in woken.ended]


def test_the_end_of_a_process_is_told_once_and_after_its_record(events: MachineEvents, agents: Agents) -> None:
    folder = agents.start(("/bin/sleep", "0.1"), watch=False)
    assert events.watch_process(folder)
    assert ended(until(events, lambda told: bool(ended(told)))) == [folder]
    assert agents.processes.exit(folder) is not None
    assert is_quiet(events.wait(0))
    assert not events.watch_process(folder)


def test_a_process_of_a_dead_supervisor_is_watched_as_well(agents: Agents, watched: Path) -> None:
    folder = agents.start(("/bin/sleep", "600"))
    agents.record(folder)
    other = MachineProcesses(Disk(str(agents.root / "tmp"), durable=False))
    with MachineEvents(other, [str(watched)]) as events:
        assert events.watch_process(folder)
        other.ask_stop(folder, StopReason.CANCEL)
        assert ended(until(events, lambda told: bool(ended(told)))) == [folder]


def test_what_does_not_live_cannot_be_watched(events: MachineEvents, agents: Agents) -> None:
    assert not events.watch_process(agents.folder())
    folder = agents.start(("/bin/true",))
    agents.ended(folder)
    record = agents.record(folder)
    agents.reap()
    assert not events.watch_process(folder)
    Path(folder, "run.json").write_text(json.dumps({**record, "shim": os.getpid()}))
    assert not events.watch_process(folder), "a reused pid is another process"


def test_the_death_of_a_shim_is_told(events: MachineEvents, agents: Agents) -> None:
    folder = agents.start(("/bin/sleep", "600"), watch=False)
    assert events.watch_process(folder)
    os.kill(agents.record(folder)["shim"], signal.SIGKILL)
    assert ended(until(events, lambda told: bool(ended(told)))) == [folder]
    assert agents.processes.exit(folder) is None


def test_watching_again_and_again_costs_no_file(events: MachineEvents, agents: Agents) -> None:
    """A supervisor that looks at a silent agent every few seconds watches it anew each time."""
    folder = agents.start(("/bin/sleep", "600"), watch=False)
    assert events.watch_process(folder)
    agents.record(folder)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(100):
        assert events.watch_process(folder)
    assert len(os.listdir("/proc/self/fd")) == before
    agents.processes.ask_stop(folder, StopReason.CANCEL)
    assert ended(until(events, lambda told: bool(ended(told)))) == [folder]


def test_many_processes_leave_neither_files_nor_zombies(events: MachineEvents, agents: Agents) -> None:
    before = len(os.listdir("/proc/self/fd"))
    folders = [agents.start(shell(f"exit {number}"), watch=False) for number in range(20)]
    assert all(events.watch_process(folder) for folder in folders)
    told = until(events, lambda told: len(ended(told)) >= 20)
    assert sorted(ended(told)) == sorted(folders)
    assert len(os.listdir("/proc/self/fd")) == before
    shims = [agents.record(folder)["shim"] for folder in folders]
    assert wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in shims), seconds=LIMIT_S)


# Signals.


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
def test_a_signal_wakes_it_by_name(events: MachineEvents, name: str) -> None:
    subprocess.run(["kill", f"-{name}", str(os.getpid())], check=True)
    told = until(events, lambda told: any(woken.signals for woken in told))
    assert [signal for woken in told for signal in woken.signals] == [name]


def test_a_signal_ends_a_wait_at_once(events: MachineEvents) -> None:
    began = time.monotonic()
    with subprocess.Popen(["/bin/sh", "-c", f"sleep 0.1; kill -INT {os.getpid()}"]):
        woken = events.wait(LIMIT_S)
    assert woken.signals == ["SIGINT"]
    assert time.monotonic() - began < LIMIT_S / 2


def test_every_signal_is_told(events: MachineEvents) -> None:
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        os.kill(os.getpid(), number)
    told = until(events, lambda told: sum(len(woken.signals) for woken in told) >= 3)
    assert [name for woken in told for name in woken.signals] == ["SIGINT", "SIGINT", "SIGTERM"]


def test_afterwards_signals_mean_what_they_meant(agents: Agents, watched: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    files_before = len(os.listdir("/proc/self/fd"))
    with MachineEvents(agents.processes, [str(watched)]):
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
    assert signal.set_wakeup_fd(-1) == -1
    assert len(os.listdir("/proc/self/fd")) <= files_before


# Slow deeds.


def finished(told: list[Woken]) -> dict[str, object]:
    return {key: value for woken in told for key, value in woken.finished}


def test_a_deed_is_done_beside_and_its_value_comes_back(events: MachineEvents) -> None:
    go = threading.Event()
    events.later("a", lambda: go.wait(LIMIT_S) and threading.current_thread().name)
    quiet = is_quiet(events.wait(0.05))
    go.set()
    assert quiet, "it is not waited for"
    told = finished(until(events, lambda told: bool(finished(told))))
    assert told.keys() == {"a"}
    assert told["a"] != threading.main_thread().name


@pytest.mark.parametrize("error", [AqError("refused"), OSError(5, "broken"), ValueError("a defect")])
def test_what_a_deed_raises_comes_back(events: MachineEvents, error: Exception) -> None:
    def fails() -> None:
        raise error

    events.later("a", fails)
    assert finished(until(events, lambda told: bool(finished(told)))) == {"a": error}


def test_no_deed_is_lost(events: MachineEvents) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(3000):
            events.later(str(number), lambda number=number: number)  # type: ignore[misc]
        told = until(events, lambda told: sum(len(woken.finished) for woken in told) >= 3000)
    finally:
        sys.setswitchinterval(interval)
    assert finished(told) == {str(number): number for number in range(3000)}


def test_a_slow_deed_does_not_hold_up_the_others(events: MachineEvents) -> None:
    go = threading.Event()
    events.later("slow", lambda: go.wait(LIMIT_S))
    events.later("quick", lambda: 1)
    assert finished(until(events, lambda told: bool(finished(told)))) == {"quick": 1}
    go.set()
    assert finished(until(events, lambda told: bool(finished(told)))) == {"slow": True}


# The wait itself.


def test_a_wait_ends_when_its_time_is_over(events: MachineEvents) -> None:
    began = time.monotonic()
    assert is_quiet(events.wait(0.2))
    assert 0.15 <= time.monotonic() - began < LIMIT_S / 2


def test_all_that_happened_is_told_together(events: MachineEvents, agents: Agents, watched: Path) -> None:
    folder = agents.start(("/bin/true",), watch=False)
    assert events.watch_process(folder)
    agents.ended(folder)
    done = threading.Event()
    events.later("a", done.set)
    assert done.wait(LIMIT_S)
    (watched / "a.md").write_text("x")
    os.kill(os.getpid(), signal.SIGTERM)
    told = until(events, lambda told: bool(ended(told) and finished(told) and files(told)))
    assert len(told) <= 3
    assert [name for woken in told for name in woken.signals] == ["SIGTERM"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at its open files under /proc")
def test_a_watch_that_cannot_be_had_leaves_no_file_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            FolderWatch([str(tmp_path), str(tmp_path / "gone")])
    assert len(os.listdir("/proc/self/fd")) == before
