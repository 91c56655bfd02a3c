"""What is wrong with a job when it is seen beside the others: its id or key is another's, or it waits for itself."""

from typing import TYPE_CHECKING

from agent_queue.core.job import JobId, Stage
from agent_queue.system.layout import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_queue.core.board import Row

Place = tuple[str, str, bool]
"""A stage, a job's id there, and whether that is where its journal says it lies."""


def mark_duplicates(rows: "list[Row]") -> None:
    """An id names one job, in upper or lower case.

    Of several files the job is the one that lies where its journal says, else the first that is not in the inbox.
    """
    places: dict[str, list[Place]] = {}
    for row in rows:
        places.setdefault(row["id"].casefold(), []).append((row["stage"], row["id"], row["stage"] == row["lies"]))
    for row in rows:
        also = ((stage, row["id"], stage == row["lies"]) for stage in row["also"])
        same = [*places[row["id"].casefold()], *also]
        if len(same) == 1 or row["invalid"]:
            continue
        mine = (row["stage"], row["id"])
        if mine != min(same, key=lambda place: (not place[2], place[0] == Stage.INBOX))[:2]:
            others = ", ".join(f"{stage}/{name}{SUFFIX}" for stage, name, _ in same if (stage, name) != mine)
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
