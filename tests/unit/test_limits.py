"""What a machine must have left, and what one job may take of it."""

import pytest

from agent_queue.core.errors import SettingsError
from agent_queue.core.limits import MIB, NO_LIMITS, Limits, Machine, size, strain
from agent_queue.core.settings_limits import limits

FINE = Machine(free_memory=8 << 30, free_disk=8 << 30, load=0.5)


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ({}, NO_LIMITS),
        ({"memory": "2GB"}, Limits(memory=2 << 30)),
        ({"memory": "1.5GiB", "log": "1M"}, Limits(memory=3 << 29, log=MIB)),
        ({"free_memory": "off", "free_disk": False}, Limits(free_memory=None, free_disk=None)),
        ({"load": 2}, Limits(load=2.0)),
        ({"load": "off"}, Limits(load=None)),
        ({"memory": "4096"}, Limits(memory=4096)),
    ],
)
def test_limits_are_read(table: dict[str, object], found: Limits) -> None:
    assert limits(table) == found


@pytest.mark.parametrize(
    "table",
    [
        {"memory": "much"}, {"memory": 512}, {"memory": "0"}, {"memory": "-1GB"}, {"load": "high"}, {"load": 0},
        {"load": True}, {"log": "1kB"}, {"memry": "1GB"},
    ],
)  # fmt: skip
def test_what_is_no_limit_is_refused_by_name(table: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=r"config\.toml: .*limits\."):
        limits(table)


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (FINE, None),
        (Machine(free_memory=None, free_disk=None, load=None), None),
        (Machine(free_memory=100 * MIB, free_disk=8 << 30, load=0),
         "only 100MB of memory free, less than [limits] asks for (128MB)"),
        (Machine(free_memory=8 << 30, free_disk=1, load=0),
         "only 1B of disk space free, less than [limits] asks for (256MB)"),
        (Machine(free_memory=8 << 30, free_disk=8 << 30, load=4.25),
         "load 4.2 for each processor, over [limits] load (4)"),
    ],
)  # fmt: skip
def test_a_strained_machine_says_why(machine: Machine, said: str | None) -> None:
    assert strain(Limits(load=4.0), machine) == said


def test_what_is_off_is_not_looked_at() -> None:
    nothing = Machine(free_memory=0, free_disk=0, load=999)
    assert strain(Limits(free_memory=None, free_disk=None), nothing) is None


@pytest.mark.parametrize(("number", "said"), [(0, "0B"), (1023, "1023B"), (1536, "1.5kB"), (1 << 30, "1GB")])
def test_sizes_in_words(number: int, said: str) -> None:
    assert size(number) == said
