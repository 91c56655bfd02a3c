"""Journals in which lines are torn, doubled, moved, foreign or wrong: every view of the queue can still be told."""

import json
import random
import shutil
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from click.testing import CliRunner

from agent_queue.cli import cli
from agent_queue.core import lifecycle
from agent_queue.core.errors import AqError
from agent_queue.core.history import STATE_KEYS, YEAR_10000, Entry, History, fold
from agent_queue.core.job import JobId, Result, Stage
from agent_queue.core.lifecycle import Job, Move, Policy
from agent_queue.core.outcome import Broke, Done, Failure, Held, Outcome, Refused
from agent_queue.core.retry import Retry
from agent_queue.queues.create import create
from agent_queue.system import journal
from agent_queue.system.layout import Layout

from . import invariants
from .fuzz_kinds import Tried, tried
from .noise import damaged, noise, shuffled

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
POLICY = Policy(retry=Retry(max_retries=2, backoff_s=1.0, on=(Failure.CRASH, Failure.TIMEOUT)))
OUTCOMES: tuple[Outcome, ...] = (
    Done(), Broke(kind=Failure.CRASH, reason="it broke", fingerprint="abc"), Broke(kind=Failure.MACHINE, reason="died"),
    Broke(kind=Failure.VERIFY_FAILED, reason="verify"), Refused(result=Result.CANCELLED, reason="no"),
    Held(reason="limit", lane="claude", until=NOW + timedelta(hours=1)),
)  # fmt: skip
FACTS: tuple[Entry, ...] = (
    {"event": "started", "engine": "claude", "started_at": 1772366400.0, "resume_id": "a-b"},
    {"event": "ended", "exit": 0, "duration_s": 12.5, "model": "m", "tokens_in": 10, "tokens_out": 5, "cost_usd": 0.5,
     "usage": "exact", "cost_basis": "list", "turns": 3, "tool_calls": 2, "wip_branch": "aq/wip/j", "files_changed": 3},
    {"event": "verified", "verify_exit": 1}, {"event": "recovered", "pid": 7, "boot_id": "x"},
)  # fmt: skip
ODD = (
    None,
    True,
    -1,
    0,
    1.5,
    2**70,
    1e300,
    "",
    "x",
    "\ud800",
    "2026-99-99T00:00:00Z",
    [],
    ["a"],
    {},
    {"a": []},
    "a\nb",
)
BYTES = [b"{", b"}", b"\n", b'"', b",", b":", b"[", b"]", b"null", b"1e999", b"NaN", b"\0", b"\xff", b"[" * 2_000,
         b'{"event":"move"}\n', b'{"event":7}\n', b"[]\n", b"7\n"]  # fmt: skip
TOGETHER = 40
"""So many jobs in one queue, which is looked at as a whole."""
OF_QUEUE = (("status",), ("status", "--json"), ("insights",), ("insights", "--json"), ("insights", "--csv"), ("graph",))
OF_JOB = (("show",), ("show", "--json"), ("insights",), ("logs",))


def journals(dice: random.Random, folder: Path) -> Iterator[Tried]:
    """Each by itself, then all of a queue together."""
    number = 0
    while True:
        number += 1
        texts = [_journal(dice) for _ in range(TOGETHER)]
        yield from (tried(text, _folded) for text in texts[:-1])
        yield Tried(texts[-1], True, _shown(folder / str(number), texts, dice))
        shutil.rmtree(folder / str(number))


def _journal(dice: random.Random) -> bytes:
    lines = shuffled(dice, _life(dice)) if dice.random() < 0.6 else _life(dice)
    if lines and dice.random() < 0.6:
        at = dice.randrange(len(lines))
        lines[at] = _wrong(dice, lines[at])
    data = b"".join(lines)
    if dice.random() < 0.5:
        data = damaged(dice, data, BYTES)
    return data if dice.random() < 0.95 else noise(dice)


def _life(dice: random.Random) -> list[bytes]:
    """The journal of a job, as aq writes it."""
    entries: list[Entry] = []
    stage: Stage | None = Stage.INBOX
    while stage is not None and dice.random() < 0.85:
        move = _next(Job(id=JobId("j"), stage=stage, past=fold(entries)), dice)
        stage = move.target if move is not None else None
        if move is not None:
            entries += [move.entry(), {"event": "moved", "seq": move.seq}, dice.choice(FACTS)]
    return [journal.line(entry, NOW + timedelta(seconds=number)) for number, entry in enumerate(entries)]


def _next(job: Job, dice: random.Random) -> Move | None:
    match job.stage:
        case Stage.INBOX:
            return lifecycle.begin(job)
        case Stage.BUILDING:
            return lifecycle.decide(job, dice.choice(OUTCOMES), POLICY, NOW, 0.5)
        case Stage.REVIEW:
            return dice.choice((lifecycle.promote, lifecycle.reject, lifecycle.requeue))(job)
        case Stage.TESTING:
            return lifecycle.ship(job)
        case Stage.FAILED:
            return lifecycle.requeue(job, fresh=dice.random() < 0.5)
        case Stage.SHIPPED:
            return None


def _wrong(dice: random.Random, line: bytes) -> bytes:
    """The same line with a value that nobody wrote."""
    try:
        value = json.loads(line)
    except ValueError:
        return line
    key = dice.choice([*value, *STATE_KEYS, "seq", "from", "to", "move", "event", "at", "lane", "until"])
    return json.dumps({**value, key: dice.choice(ODD)}).encode() + b"\n"


def _folded(data: bytes) -> tuple[bool, list[str]]:
    """Its fold is within bounds, decisions can be made on it, and a torn tail changes nothing that was said before."""
    entries, skipped = journal.entries(data)
    past = fold(entries, skipped=skipped)
    found = _bounds(past)
    for stage in Stage:
        try:
            move = _next(Job(id=JobId("j"), stage=stage, past=past), random.Random(1))
        except AqError:
            continue
        if move is not None:
            journal.line(move.entry(), NOW)
            if move.seq <= past.seq or move.run < past.run:
                found.append(f"after {past} comes {move}")
    whole = data[: data.rfind(b"\n") + 1]
    before, _ = journal.entries(whole)
    torn = whole + b'{"at":"2026-03-01T12:00:00.000Z","event":"move","seq":9999,"from":"inbox","to":"fail'
    if fold(journal.entries(torn)[0]) != fold(before):
        found.append("a torn tail was taken for an entry")
    return past.stage is not None, found


def _bounds(past: History) -> list[str]:
    counts = (past.seq, past.run, past.attempts, past.recoveries, past.life)
    times = (past.next_eligible, past.held_since)
    right = all(isinstance(count, int) and count >= 0 for count in counts)
    return [] if right and all(0 <= time < YEAR_10000 for time in times) else [f"it folds to {past}"]


def _shown(folder: Path, texts: list[bytes], dice: random.Random) -> list[str]:
    """A queue with these journals: each view can be told, and a recovery loses none of its jobs."""
    root = str(folder / "queue")
    folder.mkdir()
    create(Layout(root))
    jobs = {f"job-{number}": text for number, text in enumerate(texts)}
    for job, text in jobs.items():
        stage = dice.choice(list(Stage)).value
        Path(root, stage, f"{job}.md").write_text(f"---\nengine: shell\ncwd: {folder}\n---\nexit 0 # {job}\n")
        Path(root, "journal", f"{job}.jsonl").write_bytes(text)
    before = {job: _bytes(root, job) for job in jobs}
    found = [problem for command in OF_QUEUE for problem in _called(root, *command)]
    for job in jobs:
        found += [problem for command in OF_JOB for problem in _called(root, *command, job)]
    for _ in range(2):
        found += _called(root, "recover")
    where = invariants.places(root)
    found += [f"{job} lies in {where.get(job)}" for job in jobs if len(where.get(job, ())) != 1]
    return found + [f"{job} was changed" for job in jobs if _bytes(root, job) != before[job]]


def _bytes(root: str, job: str) -> list[bytes]:
    return [path.read_bytes() for path in Path(root).glob(f"*/{job}.md")]


def _called(root: str, *arguments: str) -> list[str]:
    """What escaped from a command that is no error in words."""
    done = CliRunner().invoke(cli, ["--root", root, *arguments])
    if done.exception is None or isinstance(done.exception, SystemExit | AqError):
        return []
    told = "".join(traceback.format_exception(done.exception, limit=-3))
    return [f"aq {' '.join(arguments)}: {told}"]
