"""Every planted bug is seen by the harness that is there for it."""

import shutil
from pathlib import Path

import pytest

from . import report, strace
from .mutants import MUTANTS, SPARES, Mutant, Spare
from .tally import Tally, harness, source

NEED_STRACE = ("faults", "snapshots", "stopped_early", "slow_record")


def planted(mutant: Mutant | Spare, folder: Path) -> str:
    """A PYTHONPATH on which the product has this bug."""
    package = folder / "agent_queue"
    shutil.copytree(Path(source(), "agent_queue"), package, ignore=shutil.ignore_patterns("__pycache__"))
    for edit in mutant.edits:
        path = package / edit.file
        text = path.read_text()
        assert text.count(edit.old) == 1, f"{edit.file} has changed: bring this bug up to date:\n{edit.old}"
        path.write_text(text.replace(edit.old, edit.new))
    return f"{folder}:{Path(__file__).resolve().parent.parent}"


def found(mutant: Mutant | Spare, folder: Path) -> Tally:
    name, *arguments = mutant.harness
    if any(word in NEED_STRACE for word in mutant.harness) and (reason := strace.missing()):
        pytest.skip(reason)
    value = harness(name, *arguments, path=planted(mutant, folder), patience_s=5.0)
    return Tally(**value)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_planted_bug_is_seen(mutant: Mutant, tmp_path: Path) -> None:
    tally = found(mutant, tmp_path)
    report.record(f"bug: {mutant.name}", seen_by=" ".join(mutant.harness), tried=tally.tried, bad=tally.bad)
    assert tally.bad, f"{mutant.harness} tried {tally.tried} and saw nothing"
    assert any(mutant.says in example for example in tally.examples), tally.examples


@pytest.mark.parametrize("spare", SPARES, ids=lambda spare: spare.name.replace(" ", "-"))
def test_no_promise_needs_this_flush(spare: Spare, tmp_path: Path) -> None:
    tally = found(spare, tmp_path)
    report.record(f"spare: {spare.name}", why=spare.why, tried=tally.tried, bad=tally.bad)
    assert tally.tried > 100
    assert not tally.bad, tally.examples
