"""The whole queue at a glance, fast: files that did not change since the last time are not read again.

The cache lies in `.aq/` and may be deleted at any time. A file is read again when its size, time or inode changed, a
journal when it grew; a final stage, where nothing is edited, is listed again when its folder's time changed. What the
cache knows needs neither YAML nor settings, and so they are not imported.
"""

import gc
import json
import os
import time
from typing import TYPE_CHECKING, Any, cast

from agent_queue.core.job import ACTIVE, FINAL, JobId, Stage
from agent_queue.core.refused import BEFORE, is_latest
from agent_queue.queues.beside import mark_duplicates, mark_names
from agent_queue.queues.glimpse import KEYS, NEW, Answers
from agent_queue.queues.runs import readable
from agent_queue.system import records
from agent_queue.system.files import Disk
from agent_queue.system.layout import SUFFIX, Layout

if TYPE_CHECKING:
    from agent_queue.core.board import Board, Row, Work

VERSION = 8
RECENT = 20
OUTCOME = "outcome.json"
LONGEST_REASON = 400
SURE_NS = 2_000_000_000
"""A folder's time is trusted only when it was this long past at the time of the listing: clocks tick coarsely."""

Known = list[Any]
"""What the cache holds of a file: its stamp, its journal's stamp, `pending`, the final stages that hold a file of the
same name, what it says as values of `KEYS`, what its journal says or None. Lists, because parsing keys takes time."""


class Glance:
    """Lists the queue. `key` changes whenever the settings may have, which empties the cache."""

    def __init__(self, layout: Layout, answers: Answers, key: str) -> None:
        self._layout = layout
        self._disk = Disk(layout.scratch, durable=False)  # a cache may be lost, and settings need not be read for it
        self._answers = answers
        self._key = [VERSION, key]
        self._known: dict[str, Any] = {}
        self._next: dict[str, Any] = {}
        self._news = False
        self._same_finals = True

    def board(self) -> "Board":
        """Every active job and the latest finished ones, in the order of stages."""
        gc.disable()  # thousands of small objects are made and none is dropped: collecting meanwhile only takes time
        try:
            return self._board()
        finally:
            gc.enable()

    def _board(self) -> "Board":
        self._begin()
        names = {stage: sorted(filter(_is_job, os.listdir(self._layout.stage(stage)))) for stage in ACTIVE}
        counts = {}
        for stage in FINAL:  # before any row: whether they changed is asked there
            counts[stage], names[stage] = self._final(stage)
        rows = [row for stage in names for row in self._rows(stage, names[stage])]
        rows = self._without_moves(rows, names)
        active = [row for row in rows if row["stage"] in ACTIVE]
        mark_duplicates(active)
        mark_names([row for row in active if row["stage"] is Stage.INBOX and not row["invalid"]], self._answers.keyed)
        for stage in ACTIVE:
            counts[stage] = sum(row["stage"] is stage for row in active)
        if self._news or len(self._next["files"]) != len(self._known.get("files", ())):
            self._save()
        return {"rows": rows, "counts": counts}

    def names(self) -> list[JobId]:
        """The ids that a person may want to type: those of active jobs and of the latest finished ones."""
        self._begin()
        found = [name for stage in ACTIVE for name in os.listdir(self._layout.stage(stage)) if _is_job(name)]
        found += [name for stage in FINAL for name in self._final(stage)[1]]
        return sorted(JobId(name.removesuffix(SUFFIX)) for name in found)

    def _begin(self) -> None:
        value = records.read_object(f"{self._layout.own}/glance.json")
        self._known = value if value is not None and value.get("key") == self._key else {}
        self._next = {"key": self._key, "files": {}, "folders": {}, "quiet": self._known.get("quiet", {})}
        self._news = False
        self._same_finals = True

    def _rows(self, stage: Stage, names: list[str]) -> "list[Row]":
        folder, key = self._layout.stage(stage), stage.value
        known: dict[str, Known] = self._known.get("files", {})
        rows: list[Row] = []
        for name in names:
            path = f"{folder}/{name}"
            try:
                found = os.stat(path)
            except OSError:
                if not os.path.lexists(path):
                    continue
                found = os.lstat(path)  # a link to nowhere is listed too, as what it is
            stamp = [found.st_mtime_ns, found.st_size, found.st_ino]
            entry = self._entry(known.get(f"{key}/{name}"), stamp, path, stage, name)
            self._next["files"][f"{key}/{name}"] = entry
            rows.append(self._row(entry, stage, JobId(name[: -len(SUFFIX)]), found))
        return rows

    def _without_moves(self, rows: "list[Row]", names: dict[Stage, list[str]]) -> "list[Row]":
        """Jobs move while one folder is read after the other: find those seen nowhere, drop the first sight of others.

        Nothing moves back but to the inbox, so that a second look at its names finds what came there meanwhile.
        """
        seen: dict[JobId, int] = {}
        for row in rows:
            seen[row["id"]] = seen.get(row["id"], 0) + 1
        came = set(filter(_is_job, os.listdir(self._layout.stage(Stage.INBOX)))).difference(names[Stage.INBOX])
        gone = {name for stage in ACTIVE for name in names[stage] if name[: -len(SUFFIX)] not in seen}
        still = [
            row for row in rows
            if (seen[row["id"]] == 1 and not row["also"]) or self._lies(row["stage"], f"{row['id']}{SUFFIX}")
        ]  # fmt: skip
        for name in sorted(came | gone):
            stage = next((stage for stage in Stage if self._lies(stage, name)), None)
            if stage is not None and not any(f"{row['id']}{SUFFIX}" == name for row in still):
                still += self._rows(stage, [name])
        return still

    def _entry(self, old: Known | None, stamp: list[int], path: str, stage: Stage, name: str) -> Known:
        """What is known of a file and its journal, read again as far as they changed."""
        job = name[: -len(SUFFIX)]
        journal = f"{self._layout.root}/journal/{job}.jsonl"
        grown: list[int] = []
        if os.access(journal, os.F_OK):  # far cheaper than a failed stat, and most waiting jobs have none
            found = os.stat(journal)
            grown = [found.st_size, found.st_mtime_ns]
        if old is not None and old[0] == stamp and old[1] == grown and self._same_finals:
            return old
        self._news = True
        said = old[4] if old and old[0] == stamp else list(self._answers.glimpse(path, name, stage).values())
        past = old[5] if old and old[1] == grown else self._answers.past(journal) if grown else None
        pending = stage is Stage.REVIEW and self._answers.pending(dict(zip(KEYS, said, strict=True)), past or NEW)
        also = [final.value for final in FINAL if final is not stage and self._lies(final, name)]
        return [stamp, grown, pending, also, said, past]

    def _row(self, entry: Known, stage: Stage, job: JobId, found: os.stat_result) -> "Row":
        row: dict[str, Any] = dict(zip(KEYS, entry[4], strict=True))
        row.update(entry[5] or NEW)
        row.update(
            id=job,
            stage=stage,
            written_ns=found.st_mtime_ns,
            came_ns=found.st_ctime_ns,
            pending=entry[2],
            also=entry[3],
            work=None,
            reason=self._reason(job, row) if _has_reason(stage, row) else "",
        )
        if row["run"] and (stage is Stage.BUILDING or row["pending"]):
            row["work"] = self._work(row)
        return cast("Row", row)

    def _reason(self, job: JobId, row: dict[str, Any]) -> str:
        """Why its last run ended, or why it was refused one. It may quote the agent, so it is not kept in the cache."""
        outcome = records.read_object(readable(self._layout.run(job, BEFORE), OUTCOME)) or {}
        if not is_latest(outcome, kind=row["kind"], run=row["run"], result=row["state"].get("result")):
            path = readable(self._layout.run(job, row["run"]), OUTCOME)
            outcome = (records.read_object(path) if row["run"] else None) or {}
        return str(outcome.get("reason") or "")[:LONGEST_REASON]

    def _work(self, row: dict[str, Any]) -> "Work":
        """What the record folder of its agent, or of the latest try of its verify, tells."""
        folder, engine = self._layout.run(row["id"], row["run"]), row["state"].get("engine") or row["engine"]
        log, quiet_s, live = f"{folder}/agent.log", self._quiet_s(engine), records.read_object(f"{folder}/live.json")
        if row["stage"] is Stage.REVIEW:
            log, quiet_s, live = f"{folder}/verify.log", None, None
            tries = [int(name) for name in _listed(f"{folder}/verify") if name.isdecimal()]
            folder = f"{folder}/verify/{max(tries, default=0)}"
        elif os.path.exists(f"{folder}/setup/run.json") and not os.path.exists(f"{folder}/run.json"):
            log, quiet_s, folder = f"{folder}/setup.log", None, f"{folder}/setup"
        record = records.read_object(f"{folder}/run.json")
        return {
            "engine": engine,
            "alive": record is not None and records.alive(record),
            "recorded": os.path.exists(f"{folder}/exit.json"),
            "stopping": os.path.exists(f"{folder}/stop.json"),
            "started_at": _written_at(f"{folder}/run.json"),
            "written_at": _written_at(log),
            "life_at": (records.read_object(f"{folder}/vitals.json") or {}).get("life_at"),
            "live": live or {},
            "quiet_s": quiet_s,
        }

    def _quiet_s(self, engine: str) -> float | None:
        quiet = self._next["quiet"]
        if engine not in quiet:
            quiet[engine], self._news = self._answers.quiet_s(engine), True
        seconds: float | None = quiet[engine]
        return seconds

    def _final(self, stage: Stage) -> tuple[int, list[str]]:
        """How many jobs lie in a final stage, and the names of the latest to come there."""
        folder = self._layout.stage(stage)
        modified = os.stat(folder).st_mtime_ns
        entry = self._known.get("folders", {}).get(stage.value)
        if not entry or entry[0] != modified:
            self._same_finals, self._news = False, True
            listed_at = time.time_ns()
            with os.scandir(folder) as found:
                jobs = [item for item in found if _is_job(item.name)]
                arrived = sorted((item.stat(follow_symlinks=False).st_ctime_ns, item.name) for item in jobs)
            entry = [modified, len(arrived), [name for _, name in arrived[-RECENT:]]]
            if listed_at - modified <= SURE_NS:
                return entry[1], entry[2]
        self._next["folders"][stage.value] = entry
        return entry[1], entry[2]

    def _lies(self, stage: Stage, name: str) -> bool:
        return os.path.lexists(f"{self._layout.stage(stage)}/{name}")

    def _save(self) -> None:
        try:
            data = json.dumps(self._next, separators=(",", ":")).encode()
            self._disk.put(f"{self._layout.own}/glance.json", data, durable=False)
        except OSError:
            return  # a queue that may only be read can still be looked at


def _has_reason(stage: Stage, row: dict[str, Any]) -> bool:
    """A job that failed says why, and one that is held until some time."""
    held = stage is Stage.INBOX and row["state"].get("result") == "held" and row["next_eligible"] > time.time()
    return stage is Stage.FAILED or held


def _is_job(name: str) -> bool:
    return name.endswith(SUFFIX) and not name.startswith(".")


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _written_at(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None
