"""Dependencies: met or not, and never in a circle."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_queue.core.choices import DepsMode
from agent_queue.core.dependencies import circle, circles, edges_of, unmet
from agent_queue.core.job import JobId, Stage

JOBS = [JobId(f"j{number}") for number in range(8)]
graphs = st.dictionaries(st.sampled_from(JOBS), st.lists(st.sampled_from(JOBS), max_size=4).map(tuple))


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("mode", DepsMode)
def test_only_shipped_is_enough_or_testing_where_that_is_asked_for(stage: Stage, mode: DepsMode) -> None:
    enough = stage is Stage.SHIPPED or (stage is Stage.TESTING and mode is DepsMode.SOFT)
    assert unmet(stage, mode) == (None if enough else stage.value)


def test_a_job_that_is_not_there_is_named_as_missing() -> None:
    assert unmet(None, DepsMode.HARD) == "no job is called that"


@given(graphs, st.sampled_from(JOBS))
def test_a_circle_is_a_real_way_back_and_is_found_exactly_when_there_is_one(
    needs: dict[JobId, tuple[JobId, ...]], start: JobId
) -> None:
    way = circle(start, edges_of(needs, JobId))
    assert bool(way) is (start in reachable(needs, start))
    if way:
        assert way[0] == way[-1] == start
        assert all(after in needs[before] for before, after in pairwise(way))


@given(graphs)
def test_every_job_of_a_circle_and_no_other_is_among_them(needs: dict[JobId, tuple[JobId, ...]]) -> None:
    named = {job: job for job in needs}.get
    inner = {job: tuple(one for one in wanted if one in needs) for job, wanted in needs.items()}
    found = circles(needs, lambda name: named(JobId(name)))
    assert set(found) == {job for job in needs if job in reachable(inner, job)}
    for job, way in found.items():
        assert way[0] == way[-1] == job
        assert all(after in needs[before] for before, after in pairwise(way))


@pytest.mark.parametrize("turned", [False, True])
def test_thousands_that_wait_for_a_circle_or_that_it_waits_for_take_no_time(turned: bool) -> None:
    line = [JobId(f"j{number}") for number in range(5000)]
    needs: dict[JobId, tuple[str, ...]] = {after: (before,) for before, after in pairwise(line)}
    needs |= {line[0]: ()} if turned else {line[0]: (line[1],)}
    needs |= {line[-1]: (line[-2], "last"), JobId("last"): (line[-1],)} if turned else {}
    began = time.monotonic()
    found = circles(needs, JobId)
    assert set(found) == ({line[-1], "last"} if turned else {line[0], line[1]})
    assert time.monotonic() - began < 5


def reachable(needs: dict[JobId, tuple[JobId, ...]], start: JobId) -> set[JobId]:
    found: set[JobId] = set()
    todo = list(needs.get(start, ()))
    while todo:
        job = todo.pop()
        if job not in found:
            found.add(job)
            todo += needs.get(job, ())
    return found
