"""The drawing of what waits for what."""

from hypothesis import given
from hypothesis import strategies as st

from agent_queue.core.graph import Need, Node, forest
from agent_queue.core.job import JobId, Stage


def node(job: str, *needs: str, stage: Stage | None = Stage.INBOX) -> Node:
    wanted = (Need(name=name, job=JobId(name) if stage else None, stage=stage, unmet=None) for name in needs)
    return Node(job=JobId(job), needs=tuple(wanted))


def drawn(*nodes: Node) -> list[str]:
    return ["  " * line.depth + line.name + (" again" if line.again else "") for line in forest(nodes)]


def test_what_is_waited_for_stands_above_what_waits() -> None:
    assert drawn(node("b", "a"), node("c", "b"), node("d", "b")) == ["a", "  b", "    c", "    d"]


def test_a_job_with_two_needs_is_drawn_below_both_and_its_own_only_once() -> None:
    assert drawn(node("c", "a", "b"), node("d", "c")) == ["a", "  c", "    d", "b", "  c again"]


def test_a_circle_is_drawn_from_its_first_job_on() -> None:
    assert drawn(node("a", "b"), node("b", "a")) == ["a", "  b", "    a again"]


def test_a_name_that_means_nobody_is_drawn_too() -> None:
    (first, _) = forest([node("a", "nobody", stage=None)])
    assert (first.name, first.job, first.stage) == ("nobody", None, None)


edges = st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefxy"), min_size=1, max_size=3))


@given(edges)
def test_every_need_is_drawn_once(needs: dict[str, list[str]]) -> None:
    nodes = [node(job, *dict.fromkeys(names)) for job, names in sorted(needs.items())]
    lines = list(forest(nodes))
    starts = [line for line in lines if line.depth == 0]
    assert len(lines) - len(starts) == sum(len(one.needs) for one in nodes)
    assert {line.name for line in lines} == {name for one in nodes for name in (one.job, *(n.name for n in one.needs))}


def test_a_long_chain() -> None:
    lines = list(forest([node(f"{number + 1:05}", f"{number:05}") for number in range(3000)]))
    assert [line.depth for line in lines] == list(range(3001))
