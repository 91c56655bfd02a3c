"""The list of those that wait stays in order, and holds each job once."""

from hypothesis import given
from hypothesis import strategies as st

from agent_queue.core.job import JobId
from agent_queue.core.schedule import Waiting
from agent_queue.flow.waiting import WaitingList

rows = st.builds(
    Waiting, rank=st.integers(0, 2), age=st.integers(0, 2), id=st.sampled_from("abcd").map(JobId),
    next_eligible=st.sampled_from([0.0, 10.0, 20.0]), deps=st.sampled_from([(), (), ("x",), ("x", "y")]),
)  # fmt: skip
deeds = st.lists(
    st.tuples(st.just("put"), rows)
    | st.tuples(st.just("drop"), st.sampled_from("abcdx").map(JobId))
    | st.tuples(st.just("pass"), st.sampled_from([0.0, 5.0, 10.0, 25.0]))
    | st.tuples(st.just("meet"), st.sampled_from(["x", "y"]).map(lambda name: [name])),
    max_size=14,
)


@given(deeds)
def test_it_is_what_a_plain_list_sorted_each_time_would_be(deeds: list[tuple[str, object]]) -> None:
    met: set[str] = set()
    waiting = WaitingList(lambda row: next((name for name in row.deps if name not in met), None))
    plain, now = dict[JobId, Waiting](), 0.0
    for _, value in deeds:
        match value:
            case Waiting():
                waiting.put(value, now)
                plain[value.id] = value
            case str():
                waiting.drop(JobId(value))
                plain.pop(JobId(value), None)
            case float():
                now += value
            case list():
                met.update(value)
                waiting.free(value)
        ready = sorted(row for row in plain.values() if row.next_eligible <= now and met.issuperset(row.deps))
        later = sorted(row for row in plain.values() if row.next_eligible > now)
        assert list(waiting.ready(now)) == ready
        assert sorted(waiting.later(now)) == later
        assert waiting.next_time() == min((row.next_eligible for row in later), default=None)
        assert sorted(waiting) == sorted(plain.values())
        assert len(waiting) == len(plain)


def test_a_job_that_left_and_came_back_while_it_waits_for_a_time_is_there_once() -> None:
    row = Waiting(0, 0, JobId("a"), next_eligible=10.0)
    waiting = WaitingList(lambda _: None)
    waiting.put(row, 0.0)
    waiting.drop(JobId("a"))
    waiting.put(row, 0.0)
    assert list(waiting.ready(10.0)) == [row]
    waiting.drop(JobId("a"))
    assert list(waiting.ready(10.0)) == []
