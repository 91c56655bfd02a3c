"""Run the crash harnesses, and keep what they counted in docs/reliability.json, of which docs/reliability.md is made.

    python -m tools.reliability commit [ARGUMENT ...]    as `make test` runs them; ARGUMENTs are pytest's
    python -m tools.reliability night SEED MINUTES       round after round with other seeds; see tests/crash/night.py

Nothing is kept of a run that failed, nor of one that ARGUMENTs made smaller.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import Others, description

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "docs/reliability.json"
NIGHTS = ROOT / ".nights"
TESTS = ("tests/crash", "tests/acceptance/test_canaries.py", "tests/trackers/test_faults.py::test_canaries")
PYTEST = ("-m", "pytest", "--quiet", "--numprocesses", "auto", "--timeout", "900", "--timeout-method", "signal")


def commit(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        report, others = Path(folder, "report.json"), Others()
        began = datetime.now(UTC)
        done = subprocess.run(
            [sys.executable, *PYTEST, *TESTS, *arguments], check=False, cwd=ROOT,
            env={**os.environ, "AQ_CRASH_REPORT": str(report)},
        )  # fmt: skip
        if done.returncode or arguments:
            return done.returncode
        minutes = (datetime.now(UTC) - began).total_seconds() / 60
        _keep("commit", {"minutes": round(minutes, 1), "harnesses": json.loads(report.read_text())}, others)
    return 0


def night(seed: str, minutes: str) -> int:
    others = Others()
    done = subprocess.run(
        [sys.executable, "-m", "crash.night", str(NIGHTS), seed, minutes], check=False, cwd=ROOT,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
    )  # fmt: skip
    if done.returncode == 0:
        _keep("night", json.loads(done.stdout.splitlines()[-1]), others)
    return done.returncode


def _keep(part: str, found: Mapping[str, Any], others: Others) -> None:
    """Replace one part of what is kept."""
    before = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    on = {"day": f"{datetime.now(UTC):%Y-%m-%d}", "machine": [*description(ROOT), others.share()]}
    KEPT.write_text(json.dumps({**before, part: {**on, **found}}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"written: {KEPT.relative_to(ROOT)}")
    subprocess.run([sys.executable, "tools/make_docs.py"], check=True, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(commit(sys.argv[2:]) if sys.argv[1] == "commit" else night(*sys.argv[2:]))
