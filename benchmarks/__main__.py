"""`python -m benchmarks [row ...]`: measure; all rows together also write docs/benchmarks.md."""

import argparse
import sys
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.machine import Others, description
from benchmarks.report import listed, page, table
from benchmarks.setting import Setting, setting

ROWS = ("start_up", "wake_up", "life", "enqueue", "choosing", "claims", "idle", "memory", "checkpoint", "recovery",
        "reading", "insights", "reset")  # fmt: skip
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main() -> None:
    """Measure the rows. A missed target is a line of the table, no failure."""
    options = _options()
    rows = options.rows or ROWS
    figures: list[Figure] = []
    with setting(quick=options.quick, idle_s=options.idle, parent=options.folder, keep=options.keep) as here:
        others = Others()
        for row in rows:
            figures += _measured(row, here)
        machine = [*description(here.folder), others.share()]
    print(f"\n{listed(machine)}")
    if tuple(rows) == ROWS and not options.quick:
        PAGE.parent.mkdir(exist_ok=True)
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        PAGE.write_text(page(figures, machine=machine, command=_command(), day=day))
        print(f"written: {PAGE}")


def _measured(row: str, here: Setting) -> list[Figure]:
    began = time.monotonic()
    figures: list[Figure] = import_module(f"benchmarks.{row}").measure(here)
    print(f"\n{row}, {time.monotonic() - began:.0f} s\n{table(figures)}", flush=True)
    return figures


def _command() -> str:
    return " ".join(["python -m benchmarks", *sys.argv[1:]])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], metavar="row", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="small numbers, to try it out; writes no page")
    parser.add_argument("--idle", type=float, default=60.0, metavar="SECONDS", help="how long to watch it idle")
    parser.add_argument("--folder", help="where to make the queues: a folder on the disk to be measured")
    parser.add_argument("--keep", action="store_true", help="leave the queues there: mass deletion slows the next run")
    return parser.parse_args()


if __name__ == "__main__":
    main()
