"""The supervisor dies before each write it ever makes, alone or with the machine: nothing is lost, nothing runs twice.

That no two agents of one job run at once is checked by the fake processes, at every start.
"""

from collections.abc import Iterator

import pytest

from agent_queue.core.job import Stage
from agent_queue.testing.processes import Script

from .world import World

SCENARIOS = {
    "verified": ({"verify": "true", "ship": "auto"}, [Script(after_s=7)], [Script(after_s=7)], Stage.SHIPPED),
    "promoted": ({"review_policy": "auto", "cwd": "/plain"}, [Script(after_s=7)], [], Stage.TESTING),
    "retried": ({"retry": "{max: 1, backoff: 1m}"}, [Script(code=1)] * 9, [], Stage.FAILED),
    "held": ({}, [Script(output=b"held 30 limit\n")], [], Stage.REVIEW),
    "verify failed": ({"verify": "false"}, [], [Script(code=1)] * 9, Stage.FAILED),
    "timeout": ({"timeout": "5s"}, [Script(after_s=None, stop_code=0)] * 9, [], Stage.FAILED),
    "shim died": ({}, [Script(recorded=False)], [], Stage.REVIEW),
    "cwd gone": ({"cwd": "/gone"}, [], [], Stage.FAILED),
}


def worlds(scenario: str, *, reboot: bool) -> Iterator[tuple[int, World]]:
    """The scenario with a death before write 1, 2, ... until it is over before it dies."""
    keys, agents, verifies, _ = SCENARIOS[scenario]
    for write in range(1000):
        world = World()
        world.add(**keys)
        world.will("a", *agents)
        world.will("a", *verifies, verify=True)
        world.machine.writes_left = write
        lived = world.supervise(wait_s=3600) is not None
        if lived:
            assert write >= 3
            return
        if reboot:
            world.processes.reboot()
        yield write, world


@pytest.mark.parametrize("reboot", [False, True], ids=["supervisor", "machine"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_after_a_death_the_next_supervisor_brings_it_to_its_end(scenario: str, reboot: bool) -> None:
    target = SCENARIOS[scenario][3]
    for write, world in worlds(scenario, reboot=reboot):
        world.supervise(wait_s=3600)
        past = world.past()
        at = f"killed before write {write}: {world.way()}"
        assert (world.stage(), past.stage) == (target, target), at
        assert past.recoveries <= 2, at
        assert world.lies_free("a"), at
        assert world.processes.left == [], at
        runs = [entry["run"] for entry in world.entries() if entry.get("move") == "begin"]
        assert runs == sorted(set(runs)), at


@pytest.mark.parametrize("reboot", [False, True], ids=["supervisor", "machine"])
def test_a_second_death_during_recovery_changes_nothing(reboot: bool) -> None:
    for write, world in worlds("verified", reboot=reboot):
        for again in range(0, 12, 2):
            world.machine.writes_left = again
            if world.supervise() is not None:
                break
        world.supervise()
        at = f"killed before write {write}: {world.way()}"
        assert world.stage() in (Stage.SHIPPED, Stage.FAILED), at
        assert (world.stage() is Stage.FAILED) <= (world.past().recoveries == 3), at
        assert world.lies_free("a"), at
