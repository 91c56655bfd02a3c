"""The waiting graph: which waiting jobs need which others, and how far those are."""

from typing import TYPE_CHECKING, Any

from agent_queue.core.choices import DepsMode
from agent_queue.core.dependencies import unmet
from agent_queue.core.graph import Need, Node, forest
from agent_queue.core.job import JobId, Stage
from agent_queue.ports import Queue

if TYPE_CHECKING:
    from agent_queue.core.board import Board, Row


def graph(board: "Board", queue: Queue) -> dict[str, Any]:
    """Every waiting job with dependencies, and the drawing of all of them, one object a line."""
    rows = [row for row in board["rows"] if row["stage"] is Stage.INBOX and row["deps"]]
    nodes = [_node(row, queue) for row in sorted(rows, key=lambda row: row["id"])]
    return {
        "jobs": [
            {
                "job": node.job, "problem": node.problem,
                "needs": [{"name": need.name, "job": need.job, "stage": need.stage, "unmet": need.unmet}
                          for need in node.needs],
            }
            for node in nodes
        ],
        "lines": [
            {"depth": line.depth, "name": line.name, "job": line.job, "stage": line.stage, "again": line.again}
            for line in forest(nodes)
        ],
    }  # fmt: skip


def _node(row: "Row", queue: Queue) -> Node:
    mode = DepsMode.SOFT if row["soft"] else DepsMode.HARD
    needs = tuple(_need(name, queue.named(name), mode, queue) for name in row["deps"])
    return Node(job=row["id"], needs=needs, problem=row["invalid"])


def _need(name: str, job: JobId | None, mode: DepsMode, queue: Queue) -> Need:
    found = queue.job(job) if job is not None else None
    stage = found.stage if found else None
    return Need(name=name, job=job, stage=stage, unmet=unmet(stage, mode))
