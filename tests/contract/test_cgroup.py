"""A cgroup for each agent, in a part of the real tree that was given away. Root may make one; others skip."""

import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_queue.system import cgroup
from agent_queue.system.delegation import PREFIX, Delegation, delegated

from .agents import Agents, shell

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="cgroups are Linux's")

LIMIT = 64 << 20


def tree() -> Path | None:
    """Where cgroup v2 is mounted."""
    mounts = [line.split(" ") for line in Path("/proc/self/mounts").read_text().splitlines()]
    return next((Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"), None)


@pytest.fixture
def given() -> Iterator[Path]:
    """A group as systemd gives one to a unit, with the supervisor's own in it."""
    root = tree()
    if root is None or not os.access(root, os.W_OK):
        pytest.skip("no cgroup v2 tree to make a group in: run as root on a system that mounts one")
    folder = root / f"aq-test-{secrets.token_hex(6)}.service"
    (folder / cgroup.SUPERVISOR).mkdir(parents=True)
    yield folder
    for group in [*folder.iterdir(), folder]:
        if group.is_dir():
            group.rmdir()


@pytest.fixture
def agents(tmp_path: Path, given: Path) -> Iterator[Agents]:
    agents = Agents(tmp_path / "agents", Delegation(str(given), None))
    yield agents
    agents.close()


def group_of(pid: int) -> str:
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return next(line.removeprefix("0::") for line in lines if line.startswith("0::"))


def groups(given: Path) -> list[str]:
    return [path.name for path in given.iterdir() if path.name.startswith(PREFIX)]


def test_only_what_systemd_gave_away_is_divided(given: Path, tmp_path: Path) -> None:
    assert delegated(str(given / cgroup.SUPERVISOR)) == str(given)
    assert delegated(str(given)) is None
    (given / "other").mkdir()
    assert delegated(str(given / "other")) is None
    assert delegated(str(given.parent / cgroup.SUPERVISOR)) is None
    assert delegated(str(tmp_path / "no.service" / cgroup.SUPERVISOR)) is None


@pytest.mark.parametrize("warm", [True, False])
def test_an_agent_begins_in_a_group_of_its_own_and_its_shim_does_not(agents: Agents, given: Path, warm: bool) -> None:
    def look() -> None:
        folder = agents.start(shell("echo up; exec sleep 600"))
        agents.says(folder, "up")
        record = agents.record(folder)
        (name,) = groups(given)
        assert group_of(record["pid"]).endswith(f"{given.name}/{name}")
        assert group_of(record["shim"]).endswith(f"{given.name}/{cgroup.SUPERVISOR}")
        os.kill(record["pid"], 9)
        assert agents.ended(folder).signal == 9
        agents.reap()
        assert groups(given) == []

    if warm:
        with agents.processes.warm():
            look()
    else:
        look()


def test_all_of_a_group_dies_at_once(agents: Agents, given: Path) -> None:
    """They forget their mark and their parents, and fork as fast as they are killed."""
    fork = "trap '' TERM; (setsid env -i sh -c 'while :; do sleep 600 & sleep 0.01; done' &); echo up; sleep 600"
    folder = agents.start(shell(fork), deadline_s=0.5, grace_s=0.1)
    agents.ended(folder)
    agents.reap()
    assert groups(given) == [], "a group with a process in it cannot be removed"


def test_a_program_that_is_not_there_leaves_no_group(agents: Agents, given: Path) -> None:
    assert agents.run(("/no/such/program",)).code == 127
    agents.reap()
    assert groups(given) == []


def test_what_a_killed_shim_left_is_tidied_up(agents: Agents, given: Path) -> None:
    (given / f"{PREFIX}left").mkdir()
    with agents.processes.warm():
        assert groups(given) == []


def test_a_group_that_cannot_be_made_is_done_without(agents: Agents, given: Path) -> None:
    agents.processes._delegation = Delegation(str(given / "gone"), None)
    assert agents.run(shell("exit 7")).code == 7


def test_the_kernel_keeps_the_limit_of_memory(tmp_path: Path, given: Path) -> None:
    if "memory" not in (given / "cgroup.controllers").read_text().split():
        pytest.skip("this kernel's memory controller is not in its cgroup v2 tree")
    agents = Agents(tmp_path / "limited", Delegation(str(given), LIMIT))
    try:
        hog = f'exec {sys.executable} -c "held = bytearray({4 * LIMIT}); held[::4096] = bytes(len(held[::4096]))"'
        exit_ = agents.run(shell(hog))
        assert exit_.signal == 9
        assert exit_.oom_kills >= 1
        assert str(exit_) == "signal 9, out of memory"
        assert agents.run(shell("true")).oom_kills == 0
    finally:
        agents.close()
