"""What must be so after any crash, given what the world was promised and saw. Each check says what is wrong, in words.

These read the disk by themselves where they can: a checker that shares a defect with the product finds nothing.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_queue.core.job import Stage
from agent_queue.system import guard

from .marks import Created, Cut, Dropped, Launched, Mark, Moved, Offered, Paused, Pausing, Settled

_ID = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_STAGES = "|".join(stage.value for stage in Stage)
_RECORDS = "manifest|before|place|run|stop|exit|outcome|vitals|live|saved|outside|dropped"
_OF_ENGINES = r"aider-analytics\.jsonl|aider-chat\.md|copilot-usage\.json|mini-trajectory\.json"
_EXPLAINED = re.compile(
    "|".join(
        (
            r"config\.toml",
            r"profiles/[^/]+\.md",
            rf"({_STAGES})/{_ID}\.md",
            rf"journal/{_ID}\.jsonl",
            rf"outbox/({_ID}\.json|\.cursor)",
            rf"archive/[0-9-]+/{_ID}(\.md|/\d+/.+)",
            rf"runs/{_ID}/\d+/(({_RECORDS})\.json|(job|prompt|preface|report)\.md|(agent|verify|setup)\.log)",
            rf"runs/{_ID}/\d+/(verify/\d+|setup)/(commands|run|exit|stop|vitals)\.json",
            rf"runs/{_ID}/\d+/(verify/\d+/|setup/)?\.(run|exit|stop)\.json\.\d+",  # a shim was killed while it wrote
            rf"runs/{_ID}/\d+/({_OF_ENGINES}|resume-refused|(kept|artifacts)/.+)",
            rf"work/{_ID}/.+",
            r"lanes/([a-z]+\.paused|[a-z]+(@[A-Za-z0-9._-]+)?\.json|budgets\.resumed)",
            r"\.aq/(intake|supervisor\.lock|(supervisor|glance|insights|names|budgets|host)\.json)",
            rf"\.aq/hooks/({'|'.join(guard.HOOKS)})",
            r"locks/(jobs|names)/.+",
        )
    )
)
"""Every file that a queue may hold, by name."""
_SCRAPS = re.compile(r"\.aq/tmp/.+")
"""What a killed writer leaves: only until the next supervisor has swept up."""


@dataclass(frozen=True, slots=True)
class Found:
    """A journal, read line by line."""

    entries: tuple[dict[str, Any], ...]
    torn: int


def journal(path: Path) -> Found:
    entries, torn = [], 0
    for line in path.read_bytes().split(b"\n"):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            torn += 1
            continue
        if isinstance(value, dict):
            entries.append(value)
        else:
            torn += 1
    return Found(tuple(entries), torn)


def places(root: str) -> dict[str, list[str]]:
    """In which stages each job lies."""
    found: dict[str, list[str]] = {}
    for stage in Stage:
        for name in sorted(os.listdir(f"{root}/{stage}")):
            found.setdefault(name.removesuffix(".md"), []).append(stage.value)
    return found


def problems(root: str, marks: Sequence[Mark], *, recovered: bool = True, torn: int | None = None) -> list[str]:
    """Everything that is wrong. Before it is `recovered`, a move may be announced and not yet carried out.

    `torn`: how many torn lines a journal may hold, else a few for each power cut; a kill alone tears none.
    """
    limit = 3 * sum(isinstance(mark, Cut) for mark in marks) if torn is None else torn
    where = places(root)
    journals = {path.stem: journal(path) for path in Path(root, "journal").iterdir()}
    return [
        *_of_promises(root, marks, where, recovered=recovered),
        *_of_moves(marks, where, journals, recovered=recovered),
        *_of_persons(marks, journals),
        *_of_pauses(root, marks),
        *_of_launches(marks, journals),
        *(problem for job, found in sorted(journals.items()) for problem in of_journal(job, found)),
        *(f"{job}: {found.torn} torn lines" for job, found in sorted(journals.items()) if found.torn > limit),
    ]


def _of_promises(
    root: str, marks: Sequence[Mark], where: dict[str, list[str]], *, recovered: bool
) -> Iterator[str]:  # fmt: skip
    """An acknowledged job lies in exactly one stage, its bytes whole; another one is there whole or not at all.

    A file that a person dropped under the name of a job is theirs: it may lie beside it, and is never overwritten.
    """
    dropped = {mark.job: mark.data for mark in marks if isinstance(mark, Dropped)}
    for job, stages in where.items():
        # Where the file system cannot rename safely, a move is a link and an unlink: one file under two names.
        inodes = {os.stat(f"{root}/{stage}/{job}.md").st_ino for stage in stages}
        if len(stages) > 1 and job not in dropped and (recovered or len(inodes) > 1):
            yield f"{job} lies in {' and '.join(stages)}"
    for mark in marks:
        if not isinstance(mark, Offered | Created | Dropped):
            continue
        found = {stage: Path(root, stage, f"{mark.job}.md").read_bytes() for stage in where.get(mark.job, ())}
        if isinstance(mark, Created) and mark.data not in found.values():
            yield f"{mark.job} was acknowledged and is lost"
        if isinstance(mark, Offered) and mark.job not in dropped:
            yield from (f"{mark.job} in {stage} is not what was handed over"
                        for stage, data in found.items() if data != mark.data)  # fmt: skip
        if isinstance(mark, Dropped) and mark.data not in found.values() and not _cut(marks):
            yield f"the file {mark.job} that a person dropped is lost"


def _cut(marks: Sequence[Mark]) -> bool:
    return any(isinstance(mark, Cut) for mark in marks)


def _of_moves(
    marks: Sequence[Mark], where: dict[str, list[str]], journals: dict[str, Found], *, recovered: bool
) -> Iterator[str]:
    """An acknowledged move is in the journal for good, and the file is there, or moved on by a later move."""
    last: dict[str, Settled] = {}
    dragged: dict[str, set[str]] = {}
    for mark in marks:
        if isinstance(mark, Settled):
            last[mark.move.job] = mark
            dragged.pop(mark.move.job, None)
            yield from _kept(mark, journals)
        elif isinstance(mark, Moved):
            dragged.setdefault(mark.job, set()).add(mark.stage)
    for job, mark in last.items():
        found = journals.get(job, Found((), 0))
        seq = max((entry["seq"] for entry in _moves(found)), default=0)
        expected = {mark.move.target.value} | dragged.get(job, set())
        done = any(entry.get("event") == "moved" and entry.get("seq") == seq for entry in found.entries)
        if not recovered and not done:
            expected.add(mark.move.origin.value)  # recovery will carry it out again
        if seq == mark.move.seq and not expected.intersection(where.get(job, ())):
            yield f"{job}: {mark.move.kind} to {mark.move.target} was acknowledged, and it lies in {where.get(job)}"


def _kept(mark: Settled, journals: dict[str, Found]) -> Iterator[str]:
    wanted = mark.move.entry()
    entries = _moves(journals.get(mark.move.job, Found((), 0)))
    same = [entry for entry in entries if entry.get("seq") == mark.move.seq]
    if not same:
        yield f"{mark.move.job}: the acknowledged {mark.move.kind} (seq {mark.move.seq}) is not in its journal"
    elif any(same[0].get(key) != value for key, value in wanted.items()):
        yield f"{mark.move.job}: the acknowledged {mark.move.kind} (seq {mark.move.seq}) was replaced by another"


def _of_persons(marks: Sequence[Mark], journals: dict[str, Found]) -> Iterator[str]:
    """A journal never says that a person moved a file which no person touched."""
    touched = {mark.job for mark in marks if isinstance(mark, Moved | Dropped)}
    for job, found in journals.items():
        if job not in touched and any(entry["move"] in ("by_hand", "reborn") for entry in _moves(found)):
            yield f"{job}: its journal blames a person for a move of ours"


def _of_pauses(root: str, marks: Sequence[Mark]) -> Iterator[str]:
    """An engine is paused when that was the last thing said, and not when it was the end of a pause."""
    said: dict[str, bool] = {}
    for mark in marks:
        if isinstance(mark, Pausing):
            said.pop(mark.engine, None)
        elif isinstance(mark, Paused):
            said[mark.engine] = mark.paused
    for engine, paused in said.items():
        if Path(root, "lanes", f"{engine}.paused").exists() is not paused:
            yield f"{engine}: paused={paused} was acknowledged, and is no longer so"


def _of_launches(marks: Sequence[Mark], journals: dict[str, Found]) -> Iterator[str]:
    """Nothing is launched twice for one run, and never before its attempt was charged."""
    seen: set[str] = set()
    for mark in marks:
        if isinstance(mark, Cut):
            # What a verify left may be lost with the power; it is then tried again under the same number.
            seen = {folder for folder in seen if "/verify/" not in folder}
        if not isinstance(mark, Launched):
            continue
        if mark.folder in seen:
            yield f"{mark.folder} was launched twice"
        seen.add(mark.folder)
        _, job, run = mark.folder.split("/")[:3]
        begun = {entry["run"] for entry in _moves(journals.get(job, Found((), 0))) if entry["move"] == "begin"}
        if int(run) not in begun:
            yield f"{mark.folder} was launched, and no attempt was charged for it"


def _moves(found: Found) -> list[dict[str, Any]]:
    return [entry for entry in found.entries if entry.get("event") in ("move", "moved_by_hand")]


def of_journal(job: str, found: Found) -> Iterator[str]:
    """Moves are counted up one by one; run never goes down; attempts are what the moves add up to."""
    seq = run = attempts = 0
    for entry in _moves(found):
        kind = entry["move"]
        if entry["seq"] != seq + 1:
            yield f"{job}: move {entry['seq']} follows move {seq}"
        seq = entry["seq"]
        expected = run + (kind == "begin")
        if entry["run"] != expected:
            yield f"{job}: {kind} (seq {seq}) has run {entry['run']}, not {expected}"
        run = entry["run"]
        match kind:
            case "begin":
                attempts += 1
            case "hold":
                attempts = max(attempts - 1, 0)
            case "requeue" | "reborn":
                attempts = 0
            case "by_hand" if entry["to"] == "inbox":
                attempts = 0
        if entry["attempts"] != attempts:
            yield f"{job}: {kind} (seq {seq}) has {entry['attempts']} attempts, not {attempts}"


def unexplained(root: str) -> list[str]:
    """Files that nobody can say what they are for, once a supervisor has cleaned up."""
    found = []
    known = places(root)
    for name in _files(root):
        if _SCRAPS.fullmatch(name):
            found.append(f"{name} was left behind")
        elif not _EXPLAINED.fullmatch(name):
            found.append(f"{name} has no explanation")
        elif name.startswith("runs/") and name.split("/")[1] not in known:
            found.append(f"{name} belongs to no job")
    return found


def _files(root: str) -> list[str]:
    """Every file below, by its path from there. By `os.walk`: this is asked for every state of a disk."""
    start = len(root) + 1
    return sorted(f"{folder}/{name}"[start:] for folder, _, names in os.walk(root) for name in names)


def snapshot(root: str) -> dict[str, bytes]:
    """All that a second recovery must leave as the first one left it."""
    return {
        name: Path(root, name).read_bytes() for name in _files(root)
        if not name.startswith((".aq/", "locks/")) and os.path.isfile(f"{root}/{name}")
    }  # fmt: skip


def differences(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    names = sorted(before.keys() | after.keys())
    return [f"a second recovery changed {name}" for name in names if before.get(name) != after.get(name)]
