"""What is wrong with a job when it is seen beside the others: its id or key is another's, or it waits for itself."""

from typing import TYPE_CHECKING

from agent_queue.core.job import JobId
from agent_queue.system.layout import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_queue.core.board import Row

Place = tuple[str, str]
"""A stage, and a job's id there."""


def mark_duplicates(rows: "list[Row]") -> None:
    """An id names one job. Of several files the job is the one that lies where the journal says, else the first."""
    places: dict[str, list[Place]] = {}
    for row in rows:
        places.setdefault(row["id"].casefold(), []).append((row["stage"], row["id"]))
    for row in rows:
        same = [*places[row["id"].casefold()], *((stage, row["id"]) for stage in row["also"])]
        if len(same) == 1 or row["invalid"]:
            continue
        mine = (row["stage"], row["id"])
        if mine != next((place for place in same if place[0] == row["lies"]), same[0]):
            others = ", ".join(f"{stage}/{name}{SUFFIX}" for stage, name in same if (stage, name) != mine)
            row["invalid"] = f"{row['id']}{SUFFIX}: duplicate id: also in {others}; rename one of them"


def mark_names(rows: "list[Row]", keyed: "Callable[[str], JobId | None]") -> None:
    """Of waiting jobs, mark those whose key another job had first, and those that wait for themselves."""
    if any(row["key"] or row["deps"] for row in rows):
        from agent_queue.core.dependencies import circles, circular, same_key

        for row in rows:
            holder = keyed(row["key"]) if row["key"] else None
            if holder not in (None, row["id"]):
                row["invalid"] = f"{row['id']}{SUFFIX}: {same_key(row['key'], holder)}"
        ids = {row["id"]: row["id"] for row in rows} | {row["key"]: row["id"] for row in rows if row["key"]}
        ways = circles({row["id"]: tuple(row["deps"]) for row in rows if row["deps"]}, ids.get)
        for row in rows:
            if row["id"] in ways:
                row["invalid"] = f"{row['id']}{SUFFIX}: {circular(ways[row['id']])}"
