"""What every job took, from all journals, fast: those that did not grow since the last time are not read again.

The cache lies in `.aq/` and may be deleted at any time. Journals stay for ever, so jobs whose file a person removed are
still in it: what they cost was spent.
"""

import json
import os
from typing import Any

from agent_queue.core.allowance import Cost
from agent_queue.core.insights import Attempt
from agent_queue.core.job import Stage
from agent_queue.core.rollup import Past
from agent_queue.system import records
from agent_queue.system.files import Disk
from agent_queue.system.layout import SUFFIX, Layout

FORM = [1, *Past._fields, *Attempt._fields]
"""What a record of the cache holds, in this order; one of another form is read anew."""
JOURNAL = ".jsonl"


class Ledger:
    """Reads the journals of one queue."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._disk = Disk(layout.scratch, durable=False)  # a cache may be lost, and settings need not be read for it

    def stages(self) -> dict[str, Stage]:
        """Where each job file lies; of several of one name the last stage."""
        found: dict[str, Stage] = {}
        for stage in Stage:
            for name in os.listdir(self._layout.stage(stage)):
                if name.endswith(SUFFIX):
                    found[name[: -len(SUFFIX)]] = stage
        return found

    def pasts(self) -> list[Past]:
        """Every job that has a journal, by id."""
        path = f"{self._layout.own}/insights.json"
        value = records.read_object(path) or {}
        known: dict[str, Any] = value.get("jobs", {}) if value.get("form") == FORM else {}
        folder, news, following = f"{self._layout.root}/journal", False, {}
        for name in sorted(os.listdir(folder)):
            if not name.endswith(JOURNAL):
                continue
            try:
                found = os.stat(f"{folder}/{name}")
            except FileNotFoundError:
                continue
            stamp, job = [found.st_size, found.st_mtime_ns], name[: -len(JOURNAL)]
            entry = known.get(job)
            if entry is None or entry[0] != stamp:
                entry, news = [stamp, _read(f"{folder}/{name}", job, found.st_mtime)], True
            following[job] = entry
        if news or len(following) != len(known):
            self._save(path, following)
        make = Attempt._make
        return [Past._make((*said[:-1], [make(run) for run in said[-1]])) for _, said in following.values()]

    def costs(self, since: float) -> list[tuple[tuple[str, int], Cost]]:
        """The runs that ended since a time, epoch seconds, as far as their cost is known; journals are read anew."""
        folder, found = f"{self._layout.root}/journal", []
        for name in os.listdir(folder):
            if name.endswith(JOURNAL) and (written := os.stat(f"{folder}/{name}").st_mtime) >= since:
                job = name[: -len(JOURNAL)]
                found += [((job, run.run), Cost(run.engine or "", run.profile or "", run.cost_usd))
                          for run in _read(f"{folder}/{name}", job, written).runs
                          if run.cost_usd is not None and (run.ended_at or 0.0) >= since]  # fmt: skip
        return found

    def _save(self, path: str, jobs: dict[str, Any]) -> None:
        try:
            data = json.dumps({"form": FORM, "jobs": jobs}, separators=(",", ":")).encode()
            self._disk.put(path, data, durable=False)
        except OSError:
            return  # a queue that may only be read can still be looked at


def _read(path: str, job: str, written_at: float) -> Past:
    """One journal, as far as figures need it."""
    from agent_queue.core.history import fold
    from agent_queue.core.insights import attempts
    from agent_queue.system.journal import entries

    with open(path, "rb") as file:
        found, _ = entries(file.read())
    past, runs = fold(found), attempts(found)
    state = past.state
    return Past(
        job=job, lies=past.stage.value if past.stage else "", result=state.get("result"), attempts=past.attempts,
        retries=sum(entry["event"] == "move" and entry.get("move") == "retry" for entry in found),
        tracker_item=state.get("tracker_item"), tracker_echoed=state.get("tracker_echoed"),
        ended_at=next((run.ended_at for run in reversed(runs) if run.ended_at), written_at), runs=runs,
    )  # fmt: skip
