"""Real processes under the real shim: how they start, end, are stopped, and leave nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_queue.core.outcome import StopReason
from agent_queue.core.run import StopWay, Target
from agent_queue.system import kernel
from agent_queue.system.events import wait_until
from agent_queue.system.files import Disk
from agent_queue.system.processes import MachineProcesses
from agent_queue.system.records import alive

from .agents import LIMIT_S, Agents, is_alive, python, shell

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads /proc")

SLEEPS = ("/bin/sleep", "600")
DEAF = python("import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)")


def written(folder: str, name: str) -> dict[str, object]:
    value: dict[str, object] = json.loads(Path(folder, name).read_text())
    return value


# How it starts.


def test_an_agent_sees_its_own_environment_and_arguments_and_no_more(agents: Agents) -> None:
    code = "import os, sys, json; print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))"
    words = ("two words", "", "line\nbreak", "na\u00efve", ";=", "-c")
    home = str(agents.root)
    folder = agents.start((*python(code), *words), env={"KEY": "a;b=c", "AQ_JOB_ID": "j"}, cwd=home)
    assert agents.ended(folder).clean
    argv, environment, cwd = json.loads(agents.log(folder))
    assert tuple(argv) == words
    expected = {"PATH": os.environ["PATH"], "AQ_RUN": agents.marker, "KEY": "a;b=c", "AQ_JOB_ID": "j"}
    assert {name: value for name, value in environment.items() if name != "LC_CTYPE"} == expected
    assert cwd == home


def test_an_agent_inherits_no_open_file(agents: Agents) -> None:
    """Neither the locks of the job, nor what the supervisor itself was started with."""
    code = "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd')))"
    numbers = [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
    for number in numbers:
        os.set_inheritable(number, True)
    try:
        folder = agents.start(python(code), lock="held")
    finally:
        for number in numbers:
            os.close(number)
    agents.ended(folder)
    assert json.loads(agents.log(folder)) == [0, 1, 2, 3], "3 is the listing itself"


def test_an_agent_begins_with_signals_as_in_a_fresh_shell_and_leads_a_session(agents: Agents) -> None:
    code = "import os; print(open('/proc/self/status').read(), os.getsid(0) == os.getpid() == os.getpgid(0))"
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGHUP)}
    try:
        folder = agents.start(python(code))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    agents.ended(folder)
    status = dict(line.split(":\t") for line in agents.log(folder).splitlines() if ":\t" in line)
    assert int(status["SigBlk"], 16) == 0
    ignored = int(status["SigIgn"], 16)
    # Python itself ignores PIPE and XFSZ.
    assert [number for number in (1, 2, 3, 14, 15, 17) if ignored >> (number - 1) & 1] == []
    assert agents.log(folder).endswith("True\n")


@pytest.mark.parametrize("text", [None, "the prompt\n", ""])
def test_standard_input_is_a_file_or_at_its_end(agents: Agents, text: str | None) -> None:
    prompt = agents.root / "prompt.md"
    prompt.write_text(text or "")
    folder = agents.start(("/bin/cat",), stdin=None if text is None else str(prompt))
    assert agents.ended(folder).clean
    assert agents.log(folder) == (text or "")


def test_a_log_is_appended_to_with_both_outputs_in_order(agents: Agents) -> None:
    folder = agents.folder()
    Path(folder, "agent.log").write_text("before\n")
    agents.ended(agents.start(shell("echo out; echo err >&2; echo out again"), folder=folder))
    assert agents.log(folder) == "before\nout\nerr\nout again\n"
    assert Path(folder, "agent.log").stat().st_mode & 0o077 == 0o044  # as it was; a new one is private
    other = agents.start(("/bin/true",))
    agents.ended(other)
    assert Path(other, "agent.log").stat().st_mode & 0o777 == 0o600


def test_the_record_of_a_run_names_both_processes_for_good(agents: Agents) -> None:
    folder = agents.start(SLEEPS)
    record = agents.record(folder)
    assert record["boot_id"] == kernel.boot_id()
    assert record["pidstart"] == kernel.start_time(record["pid"])
    assert record["shim_start"] == kernel.start_time(record["shim"])
    assert Path(f"/proc/{record['pid']}/cmdline").read_bytes() == b"/bin/sleep\x00600\x00"
    assert alive(record)
    assert agents.processes.exit(folder) is None
    agents.processes.ask_stop(folder, StopReason.CANCEL)
    agents.ended(folder)
    assert wait_until(lambda: not alive(record) or not is_alive(record["shim"]), seconds=LIMIT_S)


# How it ends.


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_an_exit_code_is_recorded(agents: Agents, code: int) -> None:
    found = agents.run(shell(f"exit {code}"))
    assert (found.code, found.signal, found.stragglers, found.error) == (code, None, 0, "")
    assert found.clean is (code == 0)


@pytest.mark.parametrize("number", [1, 9, 11, 15])
def test_a_signal_is_recorded(agents: Agents, number: int) -> None:
    found = agents.run(shell(f"kill -{number} $$; exec sleep 600"))
    assert (found.code, found.signal, found.clean) == (None, number, False)


def test_the_duration_is_that_of_the_agent(agents: Agents) -> None:
    assert 0.3 <= agents.run(("/bin/sleep", "0.3")).duration_s < 5


@pytest.mark.parametrize("kind", ["missing", "no right", "a folder", "no interpreter"])
def test_what_cannot_be_started_is_recorded_with_the_reason(agents: Agents, kind: str) -> None:
    path = agents.root / "program"
    if kind == "a folder":
        path.mkdir()
    elif kind != "missing":
        path.write_text("#!/nowhere/at/all\n" if kind == "no interpreter" else "")
        path.chmod(0o700 if kind == "no interpreter" else 0o600)
    found = agents.run((str(path),))
    assert (found.code, found.signal) == (127 if kind in ("missing", "no interpreter") else 126, None)
    assert str(path) in found.error


def test_a_cwd_that_is_gone_is_recorded_with_the_reason(agents: Agents) -> None:
    found = agents.run(("/bin/true",), cwd=str(agents.root / "gone"))
    assert (found.code, "gone" in found.error) == (127, True)


def test_the_reason_is_json_whatever_the_path(agents: Agents) -> None:
    found = agents.run((str(agents.root / 'a "quoted" \\ back\nslash'),))
    assert (found.code, found.clean) == (127, False)


def test_what_is_too_large_to_start_is_refused_and_leaves_no_lock_behind(agents: Agents) -> None:
    with pytest.raises(OSError, match="Argument list too long"):
        agents.start(("/bin/true", "x" * 4_000_000), lock="large")
    assert wait_until(lambda: agents.lock("large") is not None, seconds=LIMIT_S)


# How it is stopped.


@pytest.mark.parametrize("why", [StopReason.TIMEOUT, StopReason.WALL])
def test_a_deadline_is_kept(agents: Agents, why: StopReason) -> None:
    folder = agents.start(SLEEPS, deadline_s=0.3, deadline_why=why)
    found = agents.ended(folder)
    assert (found.signal, agents.processes.stopped(folder)) == (15, why)
    assert 0.3 <= found.duration_s < 5
    assert isinstance(written(folder, "stop.json")["at"], float)


def test_a_deadline_that_is_not_reached_stops_nothing(agents: Agents) -> None:
    folder = agents.start(("/bin/true",), deadline_s=600)
    assert agents.ended(folder).clean
    assert agents.processes.stopped(folder) is None


SUPERVISOR = """
import os, sys
from agent_queue.core.run import Start
from agent_queue.system import locks
from agent_queue.system.files import Disk
from agent_queue.system.processes import MachineProcesses
folder, scratch, marker, lock, deadline, code = sys.argv[1:]
held = locks.take([lock])
MachineProcesses(Disk(scratch, durable=False)).start(
    Start(folder=folder, log=folder + "/agent.log", cwd="/", argv=("/bin/sh", "-c", code),
          env={"PATH": os.environ["PATH"], "AQ_RUN": marker}, deadline_s=float(deadline) or None), held)
os._exit(0)  # no word to anybody, as if it were killed
"""


def orphan(agents: Agents, code: str, *, deadline_s: float = 0) -> str:
    """An agent whose supervisor is dead."""
    folder = agents.folder()
    lock = str(agents.root / f"{os.path.basename(folder)}.lock")
    words = (folder, str(agents.root / "tmp"), agents.marker, lock, str(deadline_s), code)
    subprocess.run([sys.executable, "-c", SUPERVISOR, *words], check=True, timeout=60)
    return folder


def test_a_deadline_is_kept_without_a_supervisor(agents: Agents) -> None:
    folder = orphan(agents, "exec sleep 600", deadline_s=0.5)
    found = agents.ended(folder)
    assert (found.signal, agents.processes.stopped(folder)) == (15, StopReason.TIMEOUT)


def test_an_agent_outlives_its_supervisor_with_its_log_exit_code_and_lock(agents: Agents) -> None:
    go = agents.root / "go"
    folder = orphan(agents, f"echo one; while [ ! -e {go} ]; do sleep 0.02; done; echo two; exit 7")
    agents.says(folder, "one")
    assert agents.lock(os.path.basename(folder)) is None, "its shim keeps it alive"
    go.touch()
    assert agents.ended(folder).code == 7
    assert agents.log(folder) == "one\ntwo\n"


def test_an_adopted_agent_can_be_stopped(agents: Agents) -> None:
    folder = orphan(agents, "exec sleep 600")
    agents.record(folder)
    agents.processes.ask_stop(folder, StopReason.CANCEL)
    assert (agents.ended(folder).signal, agents.processes.stopped(folder)) == (15, StopReason.CANCEL)


def test_an_agent_that_ignores_the_stop_is_killed_after_the_grace(agents: Agents) -> None:
    folder = agents.start(DEAF, grace_s=0.4)
    agents.says(folder, "up")
    began = time.monotonic()
    agents.processes.ask_stop(folder, StopReason.CANCEL)
    assert agents.ended(folder).signal == 9
    assert time.monotonic() - began >= 0.4
    assert agents.left() == []


def test_an_agent_that_obeys_is_given_its_time(agents: Agents) -> None:
    code = "trap 'sleep 0.5; echo bye; exit 0' TERM; echo up; sleep 600 & wait"
    folder = agents.start(shell(code), grace_s=30.0)
    agents.says(folder, "up")
    agents.processes.ask_stop(folder, StopReason.SHUTDOWN)
    assert agents.ended(folder).code == 0
    assert agents.log(folder).endswith("bye\n")
    assert agents.processes.stopped(folder) is StopReason.SHUTDOWN, "which outranks its exit code"


TWO = """
import os, signal, sys, time
def told(number, frame):
    os.write(1, b"%s told\\n" % name)
    if name == b"leader":
        time.sleep(0.2)
        os._exit(0)
name = b"leader"
signal.signal(signal.SIGINT, told)
signal.signal(signal.SIGTERM, told)
if not os.fork():
    name = b"child"
    os.write(1, b"child up\\n")
else:
    os.write(1, b"leader up\\n")
while True:
    time.sleep(600)
"""


@pytest.mark.parametrize(
    ("stop", "told"),
    [(StopWay("SIGINT", Target.LEADER), {"leader"}), (StopWay("SIGTERM", Target.GROUP), {"leader", "child"}),
     (StopWay("SIGINT", Target.GROUP), {"leader", "child"})],
)  # fmt: skip
def test_the_first_signal_is_the_programs_own_and_reaches_whom_it_should(
    agents: Agents, stop: StopWay, told: set[str]
) -> None:
    folder = agents.start(python(TWO), stop=stop, grace_s=20.0)
    agents.says(folder, "leader up")
    agents.says(folder, "child up")
    agents.processes.ask_stop(folder, StopReason.CANCEL)
    assert agents.ended(folder).code == 0
    assert {name for name in ("leader", "child") if f"{name} told" in agents.log(folder)} == told
    assert agents.left() == []


def test_the_first_reason_to_stop_is_kept(agents: Agents) -> None:
    folder = agents.start(DEAF, grace_s=0.4, deadline_s=0.6)
    agents.says(folder, "up")
    for why in (StopReason.CANCEL, StopReason.SHUTDOWN, StopReason.BY_HAND):
        agents.processes.ask_stop(folder, why)
    agents.ended(folder)
    assert agents.processes.stopped(folder) is StopReason.CANCEL


def test_a_deadline_that_comes_after_a_wish_to_stop_does_not_change_its_reason(agents: Agents) -> None:
    """Whoever wished it died before it could signal the shim."""
    folder = agents.start(SLEEPS, deadline_s=1.0)
    agents.record(folder)
    Path(folder, "stop.json").write_text('{"why": "cancel", "at": 1.0}')
    assert agents.ended(folder).signal == 15
    assert agents.processes.stopped(folder) is StopReason.CANCEL


def test_a_stop_asked_for_before_the_start_is_obeyed(agents: Agents) -> None:
    folder = agents.folder()
    agents.processes.ask_stop(folder, StopReason.CANCEL)
    agents.start(SLEEPS, folder=folder)
    assert agents.ended(folder).signal == 15
    assert agents.processes.stopped(folder) is StopReason.CANCEL


def test_a_stop_asked_for_at_any_moment_of_the_start_is_obeyed(agents: Agents) -> None:
    def at_once(_: str) -> None: ...

    def at_the_shims_record(folder: str) -> None:
        while not os.path.exists(f"{folder}/run.json"):
            pass

    def at_the_agents_record(folder: str) -> None:
        while "pid" not in (agents.processes.running(folder) or {}):
            pass

    def at_the_lock(folder: str) -> None:
        lock = agents.lock(os.path.basename(folder))
        assert lock is None

    moments = (at_once, at_the_shims_record, at_the_agents_record, at_once, at_the_lock)
    folders = []
    for number in range(50):
        folder = agents.start(SLEEPS)
        moments[number % len(moments)](folder)
        agents.processes.ask_stop(folder, StopReason.CANCEL)
        folders.append(folder)
    assert [agents.ended(folder).signal for folder in folders] == [15] * 50
    assert {agents.processes.stopped(folder) for folder in folders} == {StopReason.CANCEL}
    assert agents.left() == []


def test_a_stop_after_the_end_changes_nothing_but_the_record(agents: Agents) -> None:
    folder = agents.start(("/bin/true",))
    agents.ended(folder)
    agents.processes.ask_stop(folder, StopReason.CANCEL)
    assert (agents.ended(folder).code, agents.processes.stopped(folder)) == (0, StopReason.CANCEL)


def test_somebody_elses_signal_to_the_shim_stops_the_agent_and_says_so(agents: Agents) -> None:
    folder = agents.start(SLEEPS)
    os.kill(agents.record(folder)["shim"], signal.SIGTERM)
    assert agents.ended(folder).signal == 15
    assert agents.processes.stopped(folder) is StopReason.TERMINATED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_terminals_signals_do_not_touch_the_shim(agents: Agents, number: signal.Signals) -> None:
    go = agents.root / "go"
    folder = agents.start(shell(f"while [ ! -e {go} ]; do sleep 0.02; done; exit 5"))
    os.kill(agents.record(folder)["shim"], number)
    go.touch()
    assert agents.ended(folder).code == 5
    assert agents.processes.stopped(folder) is None


# Locks.


def test_a_job_is_alive_until_its_end_is_recorded(agents: Agents) -> None:
    for _ in range(10):
        folder = agents.start(("/bin/true",), lock="job")
        held = agents.lock("job")
        while held is None:
            held = agents.lock("job")
        assert Path(folder, "exit.json").exists(), "whoever gets the lock finds the record"
        held.close()


def test_an_agent_does_not_hold_the_lock_of_its_job(agents: Agents) -> None:
    """A child that nothing can reach any more must not keep the job alive for ever: here its shim is killed."""
    folder = agents.start(shell("setsid sleep 600 & echo up; sleep 600"), lock="job")
    agents.says(folder, "up")
    assert agents.lock("job") is None
    os.kill(agents.record(folder)["shim"], signal.SIGKILL)
    assert wait_until(lambda: agents.lock("job") is not None, seconds=LIMIT_S)
    assert len(agents.left()) >= 2, "they live, and hold nothing"
    assert agents.processes.exit(folder) is None


# What is left behind.

LEFTOVERS = {
    "a child": "sleep 600 &",
    "a nohup child": "nohup sleep 600 >/dev/null 2>&1 &",
    "a child in a session of its own": "setsid sleep 600 &",
    "a daemon": "(setsid sh -c 'sleep 600 & sleep 600' >/dev/null 2>&1 </dev/null &) &",
    "a deaf child": "sh -c 'trap \"\" TERM HUP INT; while :; do sleep 600; done' &",
    "a forking child": "sh -c 'while :; do sleep 0.01 & sleep 0.01; done' &",
}


@pytest.mark.parametrize("kind", LEFTOVERS)
def test_nothing_of_an_agent_outlives_its_end(agents: Agents, kind: str) -> None:
    found = agents.run(shell(f"{LEFTOVERS[kind]}\nsleep 0.1; exit 4"))
    assert agents.left() == []
    assert found.code == 4
    assert found.stragglers >= 1


@pytest.mark.parametrize("kind", LEFTOVERS)
def test_nothing_of_an_agent_outlives_a_stop(agents: Agents, kind: str) -> None:
    folder = agents.start(shell(f"{LEFTOVERS[kind]}\necho up; exec sleep 600"), grace_s=0.3)
    agents.says(folder, "up")
    agents.processes.ask_stop(folder, StopReason.CANCEL)
    agents.ended(folder)
    assert agents.left() == []


@pytest.mark.parametrize("kind", LEFTOVERS)
def test_a_sweep_finds_what_a_killed_shim_left(agents: Agents, kind: str) -> None:
    folder = agents.start(shell(f"{LEFTOVERS[kind]}\necho up; exec sleep 600"))
    other = agents.start(SLEEPS, env={"AQ_RUN": f"{agents.marker}-and-more"})
    agents.says(folder, "up")
    bystander = agents.record(other)["pid"]
    os.kill(agents.record(folder)["shim"], signal.SIGKILL)
    assert wait_until(lambda: not is_alive(agents.record(folder)["shim"]), seconds=LIMIT_S)
    assert agents.processes.sweep(agents.marker) >= 2
    assert list(kernel.carriers(agents.marker)) == []
    assert agents.processes.sweep(agents.marker) == 0
    assert is_alive(bystander), "a marker that only begins alike is another run's"


# Identity.


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of ours, as far as records go."""
    process = subprocess.Popen(SLEEPS)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("lie", ["shim_start", "boot_id", None])
def test_a_reused_pid_is_never_signalled(agents: Agents, stranger: subprocess.Popen[bytes], lie: str | None) -> None:
    record = {"shim": stranger.pid, "shim_start": kernel.start_time(stranger.pid), "boot_id": kernel.boot_id()}
    if lie is not None:
        record[lie] = "0"
    folder = agents.folder()
    Path(folder, "run.json").write_text(json.dumps(record))
    assert alive(record) is (lie is None)
    agents.processes.ask_stop(folder, StopReason.CANCEL)
    if lie is None:
        assert stranger.wait(LIMIT_S) == -signal.SIGTERM, "with all three right it is the one that is meant"
    else:
        assert stranger.poll() is None
        assert is_alive(stranger.pid)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"shim": "1"}', '{"shim": null}', "\x00\x00"])
def test_a_torn_record_names_nobody(agents: Agents, text: str) -> None:
    folder = agents.folder()
    for name in ("run.json", "exit.json"):
        Path(folder, name).write_text(text)
    agents.processes.ask_stop(folder, StopReason.CANCEL)
    assert agents.processes.stopped(folder) is StopReason.CANCEL
    assert not alive(agents.processes.running(folder) or {})


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_torn_exit_record_is_none(agents: Agents, text: str) -> None:
    folder = agents.folder()
    Path(folder, "exit.json").write_text(text)
    assert agents.processes.exit(folder) is None


def test_a_stop_is_on_the_disk_before_the_shim_is_told(agents: Agents) -> None:
    """A supervisor that dies right after the signal must not leave a stop without its reason."""
    folder = agents.start(shell("trap 'cat stop.json; exit 0' TERM; echo up; sleep 600 & wait"), cwd=agents.folder())
    agents.says(folder, "up")
    os.symlink(f"{folder}/stop.json", f"{agents.root}/runs/1/stop.json")
    agents.processes.ask_stop(folder, StopReason.CANCEL)
    agents.ended(folder)
    assert '"why": "cancel"' in agents.log(folder)


def test_another_process_reads_the_same_records(agents: Agents) -> None:
    folder = agents.start(shell("exit 6"))
    agents.ended(folder)
    other = MachineProcesses(Disk(str(agents.root / "tmp"), durable=False))
    assert other.exit(folder) == agents.processes.exit(folder)
    assert other.running(folder) == agents.processes.running(folder)
    assert other.stopped(folder) is None
