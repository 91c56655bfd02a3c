"""The jobs of a soak: every way a job can go, and what may become of each."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .real import MAKE, Bench, body

NAMES = ("alpha", "beta")
"""Locks that jobs share."""
HOLD = """\
holders="$top/holders.{name}"
if [ -e "$holders" ]; then
  while read -r other born; do
    [ -r "/proc/$other/stat" ] || continue
    read -r line 2>/dev/null < "/proc/$other/stat" || continue
    set -- $line
    [ "${{22}}" = "$born" ] && [ "$3" != Z ] && echo "both $0" >> "$top/ledger"
  done < "$holders"
fi
read -r line < /proc/$$/stat
set -- $line
echo "$$ ${{22}}" >> "$holders"
"""
"""A job with a lock looks whether another holder of it lives, by its pid and start time."""
FAMILY = "sleep 30 & setsid sleep 30 & (setsid sh -c 'sleep 30 & exit 0' &)"


@dataclass(frozen=True)
class Kind:
    """A job that nobody kills ends in `stage` with `result`. Its `weight` is its share of a hundred."""

    weight: int
    text: str
    stage: str
    result: str
    keys: Mapping[str, str] = field(default_factory=dict)
    repository: bool = False
    locked: int = 0
    """How many of NAMES it locks."""


FAILS_ONCE = body().replace("exit 0", 'case "$0" in */1/prompt.md) exit 3 ;; esac; exit 0')
KINDS: dict[str, Kind] = {
    "plain": Kind(18, body(), "review", "review"),
    "long": Kind(10, body(work="sleep 0.6"), "review", "review"),
    "auto": Kind(8, body(), "shipped", "shipped", {"review-policy": "auto", "ship": "auto"}),
    "work": Kind(14, body(work=MAKE), "review", "review", repository=True),
    "kept": Kind(6, body(work=MAKE), "testing", "testing", {"verify": 'test -e "$AQ_JOB_ID.txt"'}, repository=True),
    "verified": Kind(8, body(), "shipped", "shipped", {"verify": "test -e /", "ship": "auto"}),
    "unverified": Kind(4, body(), "failed", "retries_exhausted",
                       {"verify": '"false"', "retry": "{max: 1, backoff: 0.1s, on: [verify_failed]}"}),
    "flaky": Kind(8, FAILS_ONCE, "review", "review", {"retry": "{max: 1, backoff: 0.1s, on: [crash]}"}),
    "broken": Kind(4, body(code=3), "failed", "retries_exhausted", {"retry": "{max: 1, backoff: 0.1s, on: [crash]}"}),
    "late": Kind(4, body(work="sleep 60"), "failed", "timeout", {"timeout": "0.4s"}),
    "locked": Kind(8, body(work="sleep 0.6"), "review", "review", locked=1),
    "twice": Kind(4, body(work="sleep 0.05"), "testing", "testing", {"verify": "sleep 0.05"}, locked=2),
    "family": Kind(4, body(work=FAMILY), "review", "review"),
}  # fmt: skip
assert sum(kind.weight for kind in KINDS.values()) == 100


def kind_of(job: str) -> Kind:
    """Told by its name, `NUMBER-KIND` after its time."""
    return KINDS[job.rpartition("-")[2]]


def drawn(count: int, dice: random.Random) -> list[str]:
    """The kinds of so many jobs, in their order: each has its share, and no stretch is all of one kind."""
    names = [name for name, kind in KINDS.items() for _ in range(kind.weight)]
    found: list[str] = []
    while len(found) < count:
        found += dice.sample(names, len(names))
    return found[:count]


def write(bench: Bench, number: int, name: str, dice: random.Random) -> Path:
    """Write a job file beside the queue."""
    kind = KINDS[name]
    locks = dice.sample(NAMES, kind.locked)
    keys = {**kind.keys, "lock": f"[{', '.join(locks or [f'own-{number}'])}]"}
    text = kind.text
    if locks:
        head, mark, rest = text.partition('echo "start')
        text = head + "".join(HOLD.format(name=lock) for lock in locks) + mark + rest
    if kind.repository:
        del keys["lock"]  # its worktree is its own
    cwd = f"{bench.folder}/repository" if kind.repository else str(bench.folder)
    said = [f"{key}: {value}" for key, value in keys.items()]
    return Path(bench.write_job(f"{number:04}-{name}", text, *said, cwd=cwd))
