"""Which job a dependency means, whether it is met, and whether dependencies run in a circle."""

from collections.abc import Callable, Iterable, Mapping

from agent_queue.core.choices import DepsMode
from agent_queue.core.job import JobId, Stage

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


def circles(needs: Mapping[JobId, tuple[str, ...]], named: Callable[[str], JobId | None]) -> dict[JobId, list[JobId]]:
    """The jobs that wait for themselves, each with a way back to itself. Linear in the number of jobs and needs."""
    edges = {job: [found for found in edges_of(needs, named)(job) if found in needs] for job in needs}
    free = [job for job in edges if not edges[job]]
    open_ends = {job: len(set(needed)) for job, needed in edges.items()}
    needed_by: dict[JobId, list[JobId]] = {}
    for job, needed in edges.items():
        for one in set(needed):
            needed_by.setdefault(one, []).append(job)
    while free:  # whoever needs nothing that is left is in no circle
        done = free.pop()
        del edges[done]
        for job in needed_by.get(done, ()):
            open_ends[job] -= 1
            if not open_ends[job]:
                free.append(job)
    ways = {job: circle(job, lambda at: (one for one in edges[at] if one in edges)) for job in edges}
    return {job: way for job, way in ways.items() if way}


def circular(way: list[JobId]) -> str:
    """What is said of a job that waits for itself."""
    return f"its dependencies run in a circle: {' -> '.join(way)}; take one of them out"


def same_key(key: str, holder: JobId) -> str:
    """What is said of a file whose idempotency key another job had first."""
    return f"idempotency-key '{key}' is that of {holder}; give it another, or remove one of the two"
