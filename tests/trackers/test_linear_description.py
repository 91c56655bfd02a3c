"""What is asked of Linear is what Linear's own schema has, and what that allows as an answer is understood."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_queue.core.tracker_settings import TrackerSettings
from agent_queue.core.trouble import TrackerError, Trouble
from agent_queue.ports_tracker import Item, Means
from agent_queue.testing.tracker_contract import LABEL, SECRET, TITLE, TrackerContract
from agent_queue.trackers.linear import QUERIES, Linear

from .fetched import fetched
from .linear_schema import Types
from .linear_service import LinearService

SDK, GRAPHQL = "@linear/sdk@98.0.0", "graphql-core==3.2.6"
USED = {"Query": ("issue", "issues", "viewer"), "Mutation": ("issueUpdate", "commentCreate")}


@pytest.fixture(scope="module")
def schema() -> Iterator[Any]:
    folder = fetched("linear", SDK, GRAPHQL)
    sys.path.insert(0, str(folder / "python"))
    try:
        from graphql import build_schema, validate_schema

        found = build_schema(Types(folder / "node_modules/@linear/sdk").sdl(**USED))
        assert validate_schema(found) == []
        yield found
    finally:
        sys.path.remove(str(folder / "python"))


def problems(schema: Any, query: str) -> list[str]:
    from graphql import parse, validate

    return [error.message for error in validate(schema, parse(query))]


def test_every_query_is_one_that_linear_describes(schema: Any) -> None:
    assert [found for query in QUERIES for found in problems(schema, query)] == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("identifier", "identifer"), ("$id: String!", "$id: Int!"), ("labels { nodes", "labels { node"),
        ("stateId:", "status:"), ("issueId:", "issue:"), ("IssueFilter!", "ProjectFilter!"), ("success", "succeeded"),
        ("first: 100", 'first: "100"'), ("viewer {", "viewers {"),
    ],
)  # fmt: skip
def test_what_linear_does_not_describe_is_seen(schema: Any, right: str, wrong: str) -> None:
    changed = [query.replace(right, wrong) for query in QUERIES if right in query]
    assert changed
    assert all(problems(schema, query) for query in changed)


class TestLinear(TrackerContract):
    """All of it, on a service that can do no more than the schema."""

    missing = "ENG-99999"

    @pytest.fixture(autouse=True)
    def _service(self, schema: Any) -> None:
        self.service = LinearService(schema, SECRET)

    def tracker(self) -> Linear:
        carried: Any = lambda base: self.service  # noqa: E731
        return Linear(TrackerSettings(project="ENG"), Means(transport=carried, shelf=carried, secret=SECRET))

    def create(self) -> str:
        return self.service.create(TITLE, "other", LABEL)

    def test_what_an_issue_says(self) -> None:
        item = self.create()
        assert self.tracker().get(item.lower()) == Item(
            id=f"linear:{item}", title=TITLE, text="It fails.", status="Backlog", priority="high",
            labels=("other", LABEL), author="ann@example.org",
        )  # fmt: skip

    def test_an_issue_that_says_nothing(self) -> None:
        item = self.create()
        self.service.issues[item].update(description=None, creator=None, priority=0.0, labels={"nodes": []})
        found = self.tracker().get(item)
        assert (found.text, found.author, found.priority, found.labels, found.odd) == ("", "", "", (), ())

    def test_every_page_is_read(self) -> None:
        names = [self.create() for _ in range(5)]
        self.service.create(TITLE, LABEL, team="OPS")
        found = list(self.tracker().find(LABEL))
        assert [item.id for item in found if isinstance(item, Item)] == [f"linear:{name}" for name in names]
        for number in range(5):
            self.tracker().add_comment(names[0], f"comment {number}")
        assert self.tracker().comments(names[0]) == [f"comment {number}" for number in range(5)]

    def test_a_state_that_the_team_has_not(self) -> None:
        with pytest.raises(TrackerError, match="no state 'Shipped'") as found:
            self.tracker().set_status(self.create(), "Shipped")
        assert found.value.trouble is Trouble.MISCONFIGURED
        assert "In Progress" in found.value.hint

    def test_a_key_that_is_refused(self) -> None:
        self.service.key = "another"
        with pytest.raises(TrackerError) as found:
            self.tracker().get(self.create())
        assert found.value.trouble is Trouble.REFUSED
        assert "AQ_TRACKER_TOKEN" in found.value.hint


def test_the_package_is_what_the_schema_is_made_of(tmp_path: Path) -> None:
    """Null, lists and arguments come over; what is not reached stays behind."""
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "x.d.mts").write_text("""
type Scalars = {
  ID: string;
};
/** A thing. */
type Thing = Node & {
  __typename?: "Thing";
  /** The
   * owner: Owner; */
  parts: Array<Maybe<Thing>>;
  size?: Maybe<Size>;
  at: Scalars["DateTime"];
};
type ThingPartsArgs = {
  first?: InputMaybe<Scalars["Int"]>;
  filter: Filter;
};
type Filter = {
  and?: InputMaybe<Array<Filter>>;
};
declare enum Size {
  Big = "big",
}
type Query = {
  thing: Thing;
  other: Unknown;
};
""")
    made = Types(tmp_path).sdl(Query=("thing",)).splitlines()
    assert "  parts(first: Int, filter: Filter!): [Thing]!" in made
    assert "  size: Size" in made
    assert "  at: DateTime!" in made
    assert "  and: [Filter!]" in made
    assert {"enum Size { big }", "scalar DateTime", "input Filter {", "  thing: Thing!"} < set(made)
    assert "Unknown" not in "".join(made)
