"""What items mean for jobs: nothing they say can set what runs, and nothing they say can break the file."""

import json
from typing import Any

import pytest

from agent_queue.core.errors import AqError
from agent_queue.core.item import Item
from agent_queue.core.job import Stage
from agent_queue.core.label_map import STANDINGS, Standing, body, frontmatter, job_text, mapped
from agent_queue.core.manifest import EMPTY, parse
from agent_queue.core.tracker_settings import TrackerSettings
from agent_queue.ports_tracker import Answer, Means, Request
from agent_queue.trackers.items import Items


class Canned:
    """A transport that gives one answer."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def send(self, request: Request) -> Answer:
        return Answer(status=200, body=json.dumps(self._value).encode())


def read(value: Any) -> Item:
    transport = Canned(value)
    return Items(TrackerSettings(), Means(transport=lambda _: transport, shelf=lambda _: None)).get("T-1")  # type: ignore[arg-type,return-value]


def test_huge_items_are_refused_in_words() -> None:
    for value in ({"title": "a" * (2 << 20)}, {"title": "a", "description": "b" * (2 << 20)}):
        with pytest.raises(AqError, match="more than 1048576 characters"):
            read(value)


@pytest.mark.parametrize("name", ["T-1", "1", "null", "no", "github:o/r#12", "a b", "x: y", "- a", "0x1F", "é", "true"])
def test_ids_read_back_as_they_are(name: str) -> None:
    item = Item(id=name, title="t")
    found = parse(job_text(frontmatter(item, mapped(item, {}), EMPTY, EMPTY), body(item)).encode(), "x.md")
    assert found.manifest.tracker_item == name
    assert found.manifest.idempotency_key == f"tracker-{name}"


def test_every_stage_has_a_standing_but_the_inbox() -> None:
    assert {stage for stage in Stage if STANDINGS[stage] is None} == {Stage.INBOX}
    assert {STANDINGS[stage] for stage in Stage} == {None, *Standing}
