"""Which job a dependency means, whether it is met, and whether dependencies run in a circle."""

from collections.abc import Callable, Iterable, Mapping

from agent_queue.core.job import JobId, Stage
from agent_queue.core.manifest import DepsMode

Edges = Callable[[JobId], Iterable[JobId]]


def unmet(stage: Stage | None, mode: DepsMode) -> str | None:
    """Why a dependency that lies in `stage` (None: there is no such job) is not met yet; None when it is."""
    if stage is None:
        return "no job is called that"
    enough = (Stage.SHIPPED,) if mode is DepsMode.HARD else (Stage.SHIPPED, Stage.TESTING)
    return None if stage in enough else stage.value


def circle(start: JobId, edges: Edges) -> list[JobId]:
    """A way from `start` back to itself along dependencies, [] when there is none: depth first, each job once."""
    seen: set[JobId] = set()
    way: list[JobId] = []
    todo: list[tuple[JobId, int]] = [(start, 0)]
    while todo:
        job, depth = todo.pop()
        del way[depth:]
        if job == start and depth:
            return [*way, start]
        if job in seen:
            continue
        seen.add(job)
        way.append(job)
        todo += [(needed, depth + 1) for needed in edges(job)]
    return []


def edges_of(needs: Mapping[JobId, tuple[str, ...]], named: Callable[[str], JobId | None]) -> Edges:
    """The jobs that each job needs, out of what their files say; names that mean no job are passed over."""
    return lambda job: [found for name in needs.get(job, ()) if (found := named(name)) is not None]
