"""docs/reliability.md: what the crash harnesses tried, and what came of it, from docs/reliability.json."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pages import source

KEPT = Path(__file__).resolve().parents[2] / "docs/reliability.json"
Counts = Mapping[str, Any]

DONE = {
    "A kill points": "SIGKILL of a real `aq` before each system call that changes something, found by strace; then "
                     "recovery. On commands of every kind, and on the shim",
    "B errors": "an error instead: ENOSPC, EIO, EINTR, EXDEV, EACCES and their like. What failed is never acknowledged",
    "C power cuts": "the power fails after each change of a model disk; each state that it may leave is built, and "
                    "recovered. Of some the recovery is cut as well",
    "C kill, then power cut": "a process is killed first, another goes on from what nobody had flushed, then the power "
                              "fails",
    "C without a safe rename": "the same on a file system that can only link and unlink",
    "C poison": "a job whose agent, or whose verify, takes the machine down at every start: it comes to an end",
    "D state machine": "sequences of deeds by people, supervisors and fate, with kills and power cuts between, on a "
                       "virtual clock",
    "E checkpoints": "SIGKILL at calls of git and of aq while work is saved, on seven shapes of repositories: the "
                     "user's index, HEAD, refs and stash stay, no hook runs, the next checkpoint is whole",
    "E checkpoints of 50,000 files": "the same in a large repository",
    "F survivors": "agents with a child, one under nohup, one in a session of its own and a daemon. Agent, shim, "
                   "supervisor, or several of them are killed: none of the four lives on",
    "F moments": "the supervisor is killed at a random moment of a run; the next one adopts it or goes on from its "
                 "record",
    "F git moments": "the same in a git repository, with work to save",
    "F adopted": "the supervisor is killed while the agent runs: it runs once, and its exit code is not lost",
    "F alone": "a timeout falls due while no supervisor lives",
    "F stopped early": "a stop before there is a shim to be signalled",
    "F slow record": "a slow disk while the end is recorded: the job counts as alive until it is",
    "G soak": "jobs through the real `aq run`, under random SIGKILL of supervisors, shims, agents and adders",
    "H fuzz": "job files, journals, output of agent programs, configuration and tracker items that are damaged or "
              "noise: each is read as what it is, or refused in words",
    "I canaries": "a word planted in prompt, output and environment is looked for in the journal, caches, names, "
                  "branches, command lines, figures and requests",
}  # fmt: skip
CANARIES, BUG, SPARE = "I canaries", "bug: ", "spare: "
PAGE = """\
# Reliability

What a queue is put through before a change goes in, and what came of it. *Bad* is every promise that did not hold. What
all of this does not show is at the end.

`make crash`, the size of a commit, on {day}, {minutes} minutes:

{machine}

{harnesses}

{night}

## Soak

Every job ends once, `run` never goes down, locks never overlap, nothing that was acknowledged is lost, nothing runs
twice at once, no process is left, work is on its branch. A third of the jobs is done by one supervisor that lives; what
it holds when idle is measured half-way and at the end.

{soak}

## Planted bugs

A harness that cannot fail proves nothing. Each of these bugs is put into a copy of the source, one at a time, and the
harness must see it: {seen} of {planted} were seen.

{bugs}

Leaving out these flushes is not seen, and need not be:

{spares}

## What nights found

- 2026-11-29: of 2,627 errors one, ENOSPC for the second of two looks at a verify's record, ended `aq run` as a defect
  of its own. It was mended, and that part of the night was done again. So were its soaks: the harness let supervisors
  go by a hangup, and whatever nohup starts, as it did that night, passes it over. The machine ran other tests as well.

## What this does not show

- The disk of C and D is a model: POSIX's rules read pessimistically, with what every journaling file system grants (a
  rename is one change; a flushed file keeps what was flushed). A disk that lies about a flush is not in it.
- A and B stop at system calls, not between two instructions; E knows no power cut, git's own flushes are trusted.
- All of it ran on Linux. Nothing here was run on macOS.
- Agents are scripts here. What real agent programs do is tried by `make test-engines`.
"""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return source.table(head, rows).rstrip()


def page() -> str:
    if not KEPT.exists():
        return "# Reliability\n\nNothing was counted yet: `make crash` does that, and writes this page.\n"
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    day: Counts = kept["commit"]
    found = _grouped(day["harnesses"])
    night: Counts = kept.get("night", {})
    unknown = found.keys() - DONE.keys()
    assert not unknown, f"say in tools/pages/reliability.py what {unknown} do"
    bugs = _named(day["harnesses"], BUG)
    return PAGE.format(
        day=day["day"], minutes=day["minutes"], machine=_listed(day["machine"]), night=_night(night),
        harnesses=table(("harness", "what is done", "tried", "bad", "in a night", "bad"),
                        _rows(found, night.get("harnesses", {}))),
        soak=table(("", "commit", "a night"), _soak(found, night.get("harnesses", {}))),
        seen=sum(counts["bad"] > 0 for counts in bugs.values()), planted=len(bugs),
        bugs=table(("bug", "seen by", "bad / tried"),
                   ((name, f"`{counts['seen_by']}`", f"{counts['bad']} / {counts['tried']}")
                    for name, counts in bugs.items())),
        spares=table(("flush", "why it is there", "bad / tried"),
                     ((name, counts["why"], f"{counts['bad']} / {counts['tried']}")
                      for name, counts in _named(day["harnesses"], SPARE).items())),
    )  # fmt: skip


def _grouped(counts: Mapping[str, Counts]) -> dict[str, Counts]:
    """Without planted bugs; what the tests of the canaries counted is one row."""
    found = {name: each for name, each in counts.items() if not name.startswith((BUG, SPARE, CANARIES))}
    canaries = [each for name, each in counts.items() if name.startswith(CANARIES)]
    found[CANARIES] = {key: sum(each[key] for each in canaries) for key in ("tried", "bad")}
    return {name: found[name] for name in DONE if name in found} | found


def _named(counts: Mapping[str, Counts], kind: str) -> dict[str, Counts]:
    return {name.removeprefix(kind): each for name, each in counts.items() if name.startswith(kind)}


def _rows(day: Mapping[str, Counts], night: Mapping[str, Counts]) -> Iterator[Sequence[str]]:
    for name, counts in day.items():
        later = night.get(name)
        at_night = (_tried(later), str(later["bad"])) if later else ("", "")
        yield name, DONE[name], _tried(counts), str(counts["bad"]), *at_night


def _tried(counts: Counts) -> str:
    again = counts.get("again", 0)
    return f"{counts['tried']:,}" + (f", with {again:,} more crashes" if again else "")


def _night(night: Counts) -> str:
    if not night:
        return "No night was counted yet: `make nightly` does that."
    return (
        f"`make nightly`, on {night['day']}: seeds of its own ({night['seed']}), {night['minutes']} minutes, round"
        f" {night['rounds']} begun:\n\n{_listed(night['machine'])}"
    )


def _soak(day: Mapping[str, Counts], night: Mapping[str, Counts]) -> Iterator[Sequence[str]]:
    """The figures beside the counts: those of a commit stand in one row with them, those of a night apart."""
    now = day.get("G soak", {})
    later = night.get("G soak", {})
    later = {**later, **later.get("counts", {})}
    yield "jobs", f"{now.get('tried', 0):,}", f"{later.get('tried', 0):,}" if later else ""
    for name in sorted({*now, *later} - {"tried", "again", "bad", "examples", "counts", "ended"}):
        yield (
            name.replace("most ", "") + (" at most" if name.startswith("most ") else ""),
            *(f"{each[name]:,}" if name in each else "" for each in (now, later)),
        )


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
