"""A night: round after round of every harness with other seeds, until its time is over.

    python -m crash.night FOLDER SEED MINUTES

keeps what each part found in FOLDER, by seed and source: a night that was ended goes on where it was, and one whose
minutes are over is only added up. Prints the totals as JSON; ends with 1 when anything was bad.
"""

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from hashlib import sha256
from itertools import count, zip_longest
from pathlib import Path
from subprocess import TimeoutExpired
from threading import Lock
from typing import Any

from .plan import PLAN, Part
from .strace import missing
from .tally import WORKERS, Tally, harness, source

ROUNDS_APART = 1_000
"""The first round of a seed; no night is so long that it comes to those of the next."""
PATIENCE_S = 120.0

Planned = tuple[str, int, Part]
"""A part, with its harness and round."""


class Night:
    """`folder` holds a file for each part that is done, and how long all of them took together."""

    def __init__(self, folder: Path, parts: Iterator[Planned], minutes: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._parts = parts
        self._lock = Lock()
        self._spent = folder / "seconds"
        self._began = time.monotonic() - self.spent()
        self._ends = self._began + 60 * minutes

    def spent(self) -> float:
        """Seconds that it took so far, in all its sittings."""
        return float(self._spent.read_text()) if self._spent.exists() else 0.0

    def work(self) -> None:
        """One part after the other, each by whoever is free, until the time is over."""
        with ThreadPoolExecutor(WORKERS) as pool:
            for done in [pool.submit(self._work) for _ in range(WORKERS)]:
                done.result()

    def _work(self) -> None:
        while time.monotonic() < self._ends:
            with self._lock:
                following = next(self._parts, None)
            if following is None:
                return
            title, round_, part = following
            path = self._folder / f"{round_} {'-'.join((title, *part)).replace('/', '-')}.json"
            if path.exists():
                continue
            found = _found(part)
            with self._lock:
                fresh = path.with_suffix(".new")
                fresh.write_text(json.dumps({"title": title, "round": round_, "found": found}))
                fresh.rename(path)
                self._spent.write_text(str(time.monotonic() - self._began))
                print(f"{time.monotonic() - self._began:6.0f} s  round {round_}: {' '.join(part)}: "
                      f"{found['tried']} tried, {found['bad']} bad", file=sys.stderr, flush=True)  # fmt: skip

    def totals(self) -> tuple[dict[str, Tally], int, float]:
        """What was found by each harness, in how many rounds, and the minutes that it took."""
        totals: dict[str, Tally] = {}
        rounds = set()
        for path in sorted(self._folder.glob("*.json")):
            record = json.loads(path.read_text())
            totals.setdefault(record["title"], Tally()).take(Tally(**record["found"]))
            rounds.add(record["round"])
        return {title: totals[title] for title in PLAN if title in totals}, len(rounds), self.spent() / 60


def _found(part: Part) -> dict[str, Any]:
    """What a part found; one that broke off is bad, and the night goes on."""
    try:
        return harness(*part, patience_s=PATIENCE_S)
    except (RuntimeError, TimeoutExpired) as error:
        return asdict(Tally(bad=1, examples=[str(error)[-2000:]]))


def parts(seed: int) -> Iterator[Planned]:
    """Every part of every round, without end. Each harness has its turn, so that a round cut short has some of all."""
    for round_ in count(seed * ROUNDS_APART + 1):
        able = {title: found for title, found in PLAN.items() if not found.once and not (found.traced and missing())}
        rows = [[(title, round_, part) for part in found.parts(round_)] for title, found in able.items()]
        yield from (part for turn in zip_longest(*rows) for part in turn if part is not None)


def fingerprint() -> str:
    """Of the source of the product and of the harnesses: what was tried with another one says nothing."""
    found = sha256()
    for folder in (Path(source()), Path(__file__).parent):
        for path in sorted(folder.rglob("*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()[:8]


def main(folder: str, seed: int, minutes: float) -> int:
    night = Night(Path(folder, f"{seed}-{fingerprint()}"), parts(seed), minutes)
    night.work()
    totals, rounds, took = night.totals()
    print(json.dumps({"seed": seed, "rounds": rounds, "minutes": round(took),
                      "harnesses": {title: asdict(total) for title, total in totals.items()}}))  # fmt: skip
    for title, total in totals.items():
        for example in total.examples:
            print(f"{title}: {example}", file=sys.stderr)
    return 1 if any(total.bad for total in totals.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
