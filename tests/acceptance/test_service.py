"""The supervisor as a service, and what it says while nobody looks."""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import Agent, Aq, Jobs

SYSTEMCTL = """#!/bin/sh
echo "$@" >> {log}
case "$*" in
*show-environment*) exit {reachable} ;;
*" show "*) echo ActiveState=active; echo UnitFileState=enabled; echo MainPID=4711; echo Result=success ;;
esac
"""


@pytest.fixture
def systemctl(aq: Aq, home: Path) -> Path:
    """A stand-in for systemctl; the file that it writes its arguments to."""
    (home / "sbin").mkdir()
    log = home / "systemctl.log"
    program = home / "sbin" / "systemctl"
    program.write_text(SYSTEMCTL.format(log=log, reachable=0))
    program.chmod(0o755)
    (home / "sbin" / "loginctl").write_text("#!/bin/sh\necho Linger=no\n")
    (home / "sbin" / "loginctl").chmod(0o755)
    aq.env["PATH"] = f"{home}/sbin:{os.environ['PATH']}"
    aq.env["XDG_CONFIG_HOME"] = str(home / "config")
    return log


def unit(home: Path) -> Path:
    (found,) = (home / "config/systemd/user").glob("*.service")
    return found


def test_install_status_and_uninstall(aq: Aq, jobs: Jobs, home: Path, systemctl: Path) -> None:
    said = aq("service", "install").out
    path = unit(home)
    assert str(path) in said
    assert "enable-linger" in said
    text = path.read_text()
    for line in ("Type=notify", "KillMode=process", "KillSignal=SIGHUP", "WatchdogSec=120", "Restart=on-failure"):
        assert line in text.splitlines()
    assert f'"--root" "{jobs.queue}" "run"' in text
    called = systemctl.read_text().splitlines()
    name = path.name
    assert called == ["--user show-environment", "--user daemon-reload", f"--user enable {name}",
                      f"--user restart {name}"]  # fmt: skip
    state = aq("service", "status", "--json").json()
    assert (state["installed"], state["active"], state["pid"]) == (True, "active", "4711")
    aq("service", "uninstall")
    assert not path.exists()
    assert f"--user disable --now {name}" in systemctl.read_text().splitlines()
    assert aq("service", "uninstall").out == "it is not installed\n"


def test_a_systemd_that_cannot_be_reached_changes_nothing(aq: Aq, jobs: Jobs, home: Path, systemctl: Path) -> None:
    program = home / "sbin" / "systemctl"
    program.write_text("#!/bin/sh\necho 'Failed to connect to bus: No medium found' >&2; exit 1\n")
    refused = aq("service", "install", check=69)
    assert "Failed to connect to bus" in refused.err
    assert not (home / "config/systemd").exists()


def test_odd_characters_of_a_root_are_taken_literally(aq: Aq, home: Path, systemctl: Path) -> None:
    root = home / 'a b%n"$x'
    aq("--root", str(root), "init")
    aq("--root", str(root), "service", "install")
    assert r'"--root" "' + str(home) + r'/a b%%n\"$$x" "run"' in unit(home).read_text()


def test_systemd_hears_that_it_is_ready_lives_and_stops(aq: Aq, jobs: Jobs, home: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(home / "notify"))
        listener.settimeout(60)
        env = {"NOTIFY_SOCKET": str(home / "notify"), "WATCHDOG_USEC": "400000"}
        with aq.started("run", env=env) as process:
            heard = {listener.recv(100) for _ in range(2)}
            assert heard == {b"READY=1", b"WATCHDOG=1"}
            process.send_signal(signal.SIGHUP)
            while (last := listener.recv(100)) == b"WATCHDOG=1":
                pass
        assert last == b"STOPPING=1"


def notices(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_each_notice_is_told_to_the_command(aq: Aq, jobs: Jobs, agent: Agent, tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    (jobs.queue / "config.toml").write_text(f'[notify]\ncommand = "cat >> {heard}"\n')
    agent.plays("echo '429 too many requests canary-said' >&2; exit 1")
    good = jobs.add("good", "echo canary-said")
    slow = jobs.add("slow", "sleep 60", budget="{wall: 1s}")
    aq("run", "--once", check=1)
    told = {(notice["event"], notice.get("job")) for notice in notices(heard)}
    assert told == {("needs_person", good), ("needs_person", slow), ("budget_hit", slow), ("drained", None)}
    (done,) = [notice for notice in notices(heard) if notice.get("job") == good]
    assert (done["stage"], done["result"], done["root"], done["schema_version"]) == ("review", "review",
                                                                                  str(jobs.queue), 1)  # fmt: skip
    heard.unlink()
    jobs.add("held", "do it", engine="claude")
    aq("run", "--once", check=75)
    (parked,) = notices(heard)
    assert (parked["event"], parked["engine"], parked["reason"]) == ("lane_parked", "claude", "asked to slow down")
    assert parked["until"] > time.time()
    assert "canary" not in heard.read_text()


@pytest.mark.parametrize("command", ["sleep 600", "/nowhere/to/be/found", "exit 3"])
def test_a_command_that_hangs_or_fails_holds_up_nothing(aq: Aq, jobs: Jobs, command: str) -> None:
    (jobs.queue / "config.toml").write_text(f'[notify]\ncommand = "{command}"\n')
    names = [jobs.add(f"job-{number}", "true") for number in range(3)]
    began = time.monotonic()
    aq("run", "--once")
    assert time.monotonic() - began < 30
    assert {jobs.stage(name) for name in names} == {"review"}


def test_this_test_knows_the_program_that_the_unit_starts(aq: Aq, jobs: Jobs, home: Path, systemctl: Path) -> None:
    aq("service", "install")
    assert f'ExecStart="{sys.executable}" "-m" "agent_queue"' in unit(home).read_text()
