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
    """The jobs that wait for themselves, each with a way back to itself.

    Who only waits for a circle, or is only waited for, costs no more than a look.
    """
    edges = {job: {found for found in edges_of(needs, named)(job) if found in needs} for job in needs}
    waiting = _endless(edges)
    needed = _endless(_turned(waiting))
    ways = {job: circle(job, lambda at: sorted(waiting[at] & needed.keys())) for job in edges if job in needed}
    return {job: way for job, way in ways.items() if way}


def _endless(edges: Mapping[JobId, set[JobId]]) -> dict[JobId, set[JobId]]:
    """The jobs from which one can go on for ever, each with those of them that it leads to."""
    left, before = {job: set(after) for job, after in edges.items()}, _turned(edges)
    ends = [job for job, after in left.items() if not after]
    while ends:
        end = ends.pop()
        del left[end]
        for job in before[end]:
            left[job].discard(end)
            if not left[job]:
                ends.append(job)
    return left


def _turned(edges: Mapping[JobId, set[JobId]]) -> dict[JobId, set[JobId]]:
    """Every edge the other way round."""
    turned: dict[JobId, set[JobId]] = {job: set() for job in edges}
    for job, after in edges.items():
        for one in after:
            turned[one].add(job)
    return turned


def circular(way: list[JobId]) -> str:
    """What is said of a job that waits for itself."""
    return f"its dependencies run in a circle: {' -> '.join(way)}; take one of them out"


def same_key(key: str, holder: JobId) -> str:
    """What is said of a file whose idempotency key another job had first."""
    return f"idempotency-key '{key}' is that of {holder}; give it another, or remove one of the two"
