"""A night that is ended goes on where it was, and one that is over is only added up."""

from pathlib import Path

from .night import Night, Planned

PARTS: list[Planned] = [("H fuzz", 7, ("fuzz", "manifests", str(count), "7")) for count in (40, 60)]


def test_a_night_goes_on_where_it_was(tmp_path: Path) -> None:
    first = Night(tmp_path, iter(PARTS[:1]), 60)
    first.work()
    (kept,) = tmp_path.glob("*.json")
    before = kept.stat().st_mtime_ns
    again = Night(tmp_path, iter(PARTS), 60)
    assert again.spent() >= first.spent() > 0
    again.work()
    totals, rounds, _ = again.totals()
    assert (totals["H fuzz"].tried, totals["H fuzz"].bad, rounds) == (100, 0, 1)
    assert kept.stat().st_mtime_ns == before, "what was done is not done again"


def test_no_part_is_begun_once_the_time_is_over(tmp_path: Path) -> None:
    night = Night(tmp_path, iter(PARTS), 0)
    night.work()
    assert night.totals() == ({}, 0, 0.0)


def test_a_part_that_breaks_off_is_bad_and_the_night_goes_on(tmp_path: Path) -> None:
    night = Night(tmp_path, iter([("H fuzz", 7, ("fuzz", "nothing", "1", "7")), PARTS[0]]), 60)
    night.work()
    totals, _, _ = night.totals()
    assert (totals["H fuzz"].tried, totals["H fuzz"].bad) == (40, 1)
    assert "KeyError" in totals["H fuzz"].examples[0]
