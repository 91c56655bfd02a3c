"""The clock of this machine, in a zone whose clocks change."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from agent_queue.core.lanes import Hours, out_of_hours
from agent_queue.engines.refusals import reset_in
from agent_queue.system.clock import MachineClock

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
SPRING, AUTUMN = datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)
"""When the clocks change there."""


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[tzinfo]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", BERLIN)
        time.tzset()
        found = MachineClock().local().tzinfo
        assert found is not None
        yield found
    time.tzset()


@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_every_time_is_told_as_the_system_tells_it(zone: tzinfo, change: datetime) -> None:
    for minutes in range(-300, 300, 5):
        when = change + timedelta(minutes=minutes)
        local, told = when.astimezone(zone), time.localtime(when.timestamp())
        assert local.timetuple()[:6] == told[:6]
        assert local.utcoffset() == timedelta(seconds=told.tm_gmtoff)
        assert local.tzname() == told.tm_zone
        assert local.timestamp() == when.timestamp()


def test_now_is_now(zone: tzinfo) -> None:
    clock = MachineClock()
    assert abs(clock.local().timestamp() - clock.now().timestamp()) < 60


@pytest.mark.parametrize(("change", "hours"), [(SPRING, 23), (AUTUMN, 25)])
def test_a_day_on_which_the_clocks_change_has_other_hours(zone: tzinfo, change: datetime, hours: int) -> None:
    noon = change.astimezone(zone).replace(hour=12) - timedelta(days=1)
    assert (noon + timedelta(days=1)).timestamp() - noon.timestamp() == hours * 3600
    shut = out_of_hours(Hours(11 * 60, 12 * 60), noon)
    assert shut is not None
    assert datetime.fromtimestamp(shut.until, zone).hour == 11, "it opens at eleven by the clock on the wall"
    assert shut.until - noon.timestamp() == (hours - 1) * 3600


@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_a_wait_of_five_hours_takes_five_hours(zone: tzinfo, change: datetime) -> None:
    before = (change - timedelta(hours=2)).astimezone(zone)
    reset = reset_in("try again in 5 hours", before)
    assert reset is not None
    assert reset.timestamp() - before.timestamp() == 5 * 3600
