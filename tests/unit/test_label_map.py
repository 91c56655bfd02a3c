"""What items mean for jobs: nothing they say can set what runs, and nothing they say can break the file."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_queue.core.errors import AqError
from agent_queue.core.item import Item
from agent_queue.core.job import Stage
from agent_queue.core.label_map import STANDINGS, Standing, body, frontmatter, job_text, mapped
from agent_queue.core.manifest import EMPTY, parse
from agent_queue.core.sanitise import clean
from agent_queue.core.tracker_settings import TrackerSettings
from agent_queue.ports_tracker import Answer, Means, Request
from agent_queue.trackers.items import Items

MAY_BE_SET = {
    "tracker-item", "idempotency-key", "engine-class", "profile", "priority", "capabilities", "kind", "yolo",
}  # fmt: skip
LEGAL = {"profile": ("qa", "developer"), "engine-class": ("agentic-coder",)}


class Canned:
    """A transport that gives one answer."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def send(self, request: Request) -> Answer:
        return Answer(status=200, body=json.dumps(self._value).encode())


def read(value: Any) -> Item:
    transport = Canned(value)
    return Items(TrackerSettings(), Means(transport=lambda _: transport, shelf=lambda _: None)).get("T-1")  # type: ignore[arg-type,return-value]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(["engine", "cwd", "yolo", "args", "env", "verify", "workspace", "profile", "priority", "cap",
                        "kind", "engine-class", "model", "lock", "tracker-item", "PROFILE", "x"])  # fmt: skip
LABEL = st.builds("{}{}{}".format, KEYS, st.sampled_from([":", "/", "::"]), st.text(max_size=30)) | st.text(max_size=30)
ITEM = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON, "title": st.text(max_size=200) | JSON, "description": st.text(max_size=400) | JSON, "type": JSON,
        "status": JSON, "priority": st.sampled_from(["high", "HIGH", "urgent", ""]) | JSON,
        "labels": st.lists(LABEL | JSON | st.fixed_dictionaries({"name": LABEL}), max_size=8) | JSON,
        "author": JSON, "productId": JSON,
    },
)  # fmt: skip


@settings(max_examples=1000)
@given(ITEM)
def test_any_item_makes_a_job_file_or_an_error_in_words(value: dict[str, Any]) -> None:
    try:
        item = read(value)
    except AqError:
        return  # any other error ends the test
    title, text = clean(item.title), clean(item.text)
    item = Item(**{**{key: getattr(item, key) for key in Item.__dataclass_fields__},
                   "title": title.text, "text": text.text})  # fmt: skip
    data = job_text(frontmatter(item, mapped(item, LEGAL), EMPTY, EMPTY), body(item)).encode()
    found = parse(data, "T-1.md")
    assert set(found.manifest.origins) <= MAY_BE_SET
    assert found.manifest.yolo is False
    assert found.manifest.tracker_item == "T-1"
    assert found.body == body(item)
    assert found.manifest.profile in (None, *LEGAL["profile"])
    assert all(token.isprintable() for token in found.manifest.capabilities)


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
