"""Harness H: whatever bytes lie where aq reads, it takes them for what they are or says in words what is wrong.

    python -m crash.fuzz FOLDER KIND COUNT SEED

tries so many inputs of a kind (see KINDS) and prints a tally as JSON. `taken` are those that were read as something:
where it is none or all of them, nothing was tried.
"""

import json
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path

from .fuzz_journals import journals
from .fuzz_kinds import Tried
from .fuzz_readers import configurations, engine_lines, every_value, items, manifests
from .tally import Tally

KINDS: dict[str, Callable[[random.Random, Path], Iterator[Tried]]] = {
    "manifests": manifests, "journals": journals, "engine lines": engine_lines, "configurations": configurations,
    "tracker items": items,
}  # fmt: skip


def main(folder: str, kind: str, count: int, seed: int) -> None:
    tally, taken = Tally(), 0
    inputs = KINDS[kind](random.Random(seed), Path(folder))
    first = every_value(Path(folder)) if kind == "configurations" and not seed else ()
    for number, tried in enumerate(islice(chain(first, inputs), count)):
        tally.tried += 1
        taken += tried.taken
        tally.add(f"{kind} {number}: {tried.data[:400]!r}", tried.found)
    if not 0 < taken < tally.tried:
        tally.add(kind, ["the inputs are all alike: nothing was tried"])
    tally.counts[f"{kind} taken"] = taken
    print(json.dumps(asdict(tally)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
