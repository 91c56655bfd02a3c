"""Which jobs wait for which, as a forest: what is waited for above what waits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent_queue.core.job import JobId, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A dependency as a job names it. `job` is None where nothing is called that; `unmet` says why it is not met."""

    name: str
    job: JobId | None
    stage: Stage | None
    unmet: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A waiting job and what it needs, in the order of its file."""

    job: JobId
    needs: tuple[Need, ...]
    problem: str = ""
    """Why it can never start as it is, e.g. a circle; '' when it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the drawing. `again`: the job was drawn before, with all that waits for it."""

    depth: int
    name: str
    job: JobId | None
    stage: Stage | None
    again: bool = False


def forest(nodes: Sequence[Node]) -> Iterator[Line]:
    """The drawing, top down: each job below everything that it waits for first, below each of them once.

    What runs in a circle has no beginning: it is drawn from its first job on.
    """
    below: dict[str, list[Node]] = {}
    stages: dict[str, tuple[JobId | None, Stage | None]] = {node.job: (node.job, Stage.INBOX) for node in nodes}
    for node in nodes:
        for need in node.needs:
            name = need.job or need.name
            below.setdefault(name, []).append(node)
            stages.setdefault(name, (need.job, need.stage))
    waiting = {node.job for node in nodes}
    drawn: set[str] = set()
    # Jobs that wait for nothing first, then what no job is called, then circles.
    for start in sorted(below, key=lambda name: (name in waiting, stages[name][0] is None, name)):
        if start not in drawn:
            yield from _tree(start, below, stages, drawn)


def _tree(
    start: str, below: Mapping[str, Sequence[Node]], stages: Mapping[str, tuple[JobId | None, Stage | None]],
    drawn: set[str],
) -> Iterator[Line]:  # fmt: skip
    todo = [(start, 0)]  # a list of our own: a chain may be longer than any recursion
    while todo:
        name, depth = todo.pop()
        job, stage = stages[name]
        again = name in drawn and name in below
        yield Line(depth=depth, name=name, job=job, stage=stage, again=again)
        if not again:
            drawn.add(name)
            todo += [(node.job, depth + 1) for node in reversed(below.get(name, ()))]
