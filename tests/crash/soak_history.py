"""What must be so of a queue that worked through a soak, told from its journals and from the agents' ledger alone."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import invariants
from .real import MOVED, Bench
from .soak_jobs import kind_of

MOST_RECOVERIES = 3
FINAL = ("review", "testing", "shipped", "failed")


def problems(bench: Bench, killed: Mapping[str, int], said: str) -> list[str]:
    """Everything that is wrong at the end. `killed`: how often an agent or shim of a job was killed; `said`: what the
    supervisors told."""
    where = invariants.places(bench.root)
    journals = {path.stem: invariants.journal(path).entries for path in Path(bench.root, "journal").iterdir()}
    return [
        *bench.problems(recovered=True),
        *invariants.unexplained(bench.root),
        *(f"{file} held a lock beside another job" for word, file in bench.ledger() if word == "both"),
        *(found for job, stages in where.items()
          for found in _of_job(job, stages, journals.get(job, ()), killed.get(job, 0))),
        *_told(said, journals),
    ]  # fmt: skip


def _of_job(job: str, stages: Sequence[str], entries: Sequence[Mapping[str, Any]], killed: int) -> Iterator[str]:
    """It ended once, and as its kind must, unless somebody killed what is its own."""
    kind = kind_of(job)
    moves = [entry for entry in entries if entry.get("event") == "move"]
    if not moves or stages != [moves[-1]["to"]] or stages[0] not in FINAL:
        yield f"{job} lies in {stages}, and its last move led to {moves[-1]['to'] if moves else None}"
        return
    ends = [entry for entry in moves if entry["to"] == stages[0]]
    if len(ends) > 1 and (stages[0] != "review" or kind.stage == "review"):
        yield f"{job} came to {stages[0]} {len(ends)} times"
    latest = {key: entry[key] for entry in entries for key in ("result", "recoveries") if key in entry}
    seen = (stages[0], latest.get("result"))
    if seen == (kind.stage, kind.result):
        return
    cut_short = killed > 0 or latest.get("recoveries", 0) >= MOST_RECOVERIES
    if not (cut_short and stages[0] == "failed"):
        yield f"{job} ended as {seen}, not as {(kind.stage, kind.result)}, and {killed} of its processes were killed"


def _told(said: str, journals: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """What a supervisor told of was settled before: it is in the journal for good."""
    for job, origin, target in MOVED.findall(said):
        if not any(entry.get("from") == origin and entry.get("to") == target for entry in journals.get(job, ())):
            yield f"{job}: {origin} -> {target} was told, and is not in its journal"


def unsaved(bench: Bench) -> list[str]:
    """Work of a job that ended well and is not on its branch, and what was changed of the person's."""
    found = []
    if bench.git("rev-list", "--count", "main") != "1" or bench.git("status", "--porcelain"):
        found.append("the user's own branch or files were changed")
    made = set(bench.git("for-each-ref", "--format=%(refname:lstrip=4)", "refs/heads/aq/wip").splitlines())
    for job, stages in invariants.places(bench.root).items():
        if not kind_of(job).repository or stages == ["failed"]:
            continue
        if job not in made or bench.git("show", f"aq/wip/{job}:{job}.txt") != "made":
            found.append(f"{job}: its work is not on its branch")
    return found


def jobs_left(root: str) -> list[str]:
    """The jobs that aq has still something to do for."""
    return [
        job for job, stages in invariants.places(root).items()
        if not set(stages) <= {kind_of(job).stage, "failed"}
    ]  # fmt: skip
