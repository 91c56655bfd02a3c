"""5,000 items of any shape: each makes a job file that sets what labels may set, or an error in words."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_queue.core.errors import AqError
from agent_queue.core.label_map import LABEL_KEYS
from agent_queue.core.manifest import EMPTY, parse
from agent_queue.core.meaning import Meaning
from agent_queue.core.profile import Profile
from agent_queue.core.sanitise import clean
from agent_queue.core.tracker_settings import TrackerSettings
from agent_queue.flow.from_tracker import ANY_ENGINE, Door, Taken, take_labelled, take_named
from agent_queue.ports_tracker import Answer, Item, Means, Request, Tracker
from agent_queue.testing.clock import FakeClock
from agent_queue.testing.machine import Machine
from agent_queue.testing.queue import MemoryQueue
from agent_queue.trackers.github import GitHub
from agent_queue.trackers.items import Items
from agent_queue.trackers.linear import Linear
from agent_queue.trackers.redmine import Redmine
from agent_queue.trackers.roundup import Roundup

OURS = {"tracker-item", "idempotency-key", "cwd", "yolo"}
MAY_BE_SET = OURS | {key for key, _ in LABEL_KEYS.values()}
LEGAL = {"profile": ("qa", "developer"), "engine-class": (ANY_ENGINE,)}

ANY_TEXT = st.text(max_size=20) | st.text(
    alphabet="\u200b\u202e\U000e0041\x00\x1b\r\n\t`<!->~#:{}[]&*!|'\"% a", max_size=40
)
SURROGATE = st.sampled_from(["\ud800", "a\udfffb", "\ufffe"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | SURROGATE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(["engine", "cwd", "yolo", "args", "env", "verify", "workspace", "profile", "priority", "cap",
                        "kind", "engine-class", "model", "lock", "tracker-item", "idempotency-key", "PROFILE",
                        "capabilities", "fallback", "ship", "deps", "budget", "retry", "base"])  # fmt: skip
VALUES = st.sampled_from(["qa", "developer", "high", "CRITICAL", "claude", "true", "os:mac", "node>=20", "/etc",
                          "agentic-coder", "$(id)", "qa\nyolo: true", "a, b", "../x", "x" * 99])  # fmt: skip
LABEL = st.builds("{}{}{}".format, KEYS, st.sampled_from([":", "/", "::", " : ", ": "]), VALUES | ANY_TEXT) | ANY_TEXT
PROSE = ANY_TEXT | st.text(max_size=400) | JSON | SURROGATE
FIELDS = {
    "id": st.sampled_from(["T-1", "T-1", 7, "a b", "x: y", "null"]) | JSON, "title": PROSE, "description": PROSE,
    "type": JSON | VALUES, "status": JSON, "priority": st.sampled_from(["high", "HIGH", "urgent", ""]) | JSON,
    "labels": st.lists(st.just("aq") | LABEL | JSON | st.fixed_dictionaries({"name": LABEL}), max_size=8) | JSON,
    "author": JSON, "productId": JSON, "engine": VALUES, "yolo": st.booleans(), "cwd": VALUES,
}  # fmt: skip
ITEM = st.fixed_dictionaries({}, optional=FIELDS)


class Canned:
    """A transport that gives one answer, whatever is asked."""

    def __init__(self, data: bytes, status: int = 200) -> None:
        self._answer = Answer(status=status, body=data)

    def send(self, request: Request) -> Answer:
        return self._answer


def means(transport: Canned) -> Means:
    carried: Any = lambda base: transport  # noqa: E731
    return Means(transport=carried, shelf=carried, secret="s")


def door(machine: Machine, tracker: Tracker) -> Door:
    meaning = Meaning(
        profile=lambda name: Profile(name=name, defaults=EMPTY, persona=""), profiles=lambda: LEGAL["profile"]
    )
    return Door(
        queue=MemoryQueue(machine, meaning), tracker=tracker, settings=TrackerSettings(), meaning=meaning,
        legal=LEGAL, cwd="/here", now=machine.clock.local, guard=nullcontext,
    )  # fmt: skip


def checked(machine: Machine, taken: Taken | AqError) -> None:
    """A job that may run, or an error that a person can read."""
    if isinstance(taken, AqError):
        assert str(taken).isprintable()
        return
    assert all(note.isprintable() for note in taken.notes)
    data = machine.read(f"inbox/{taken.job}.md")
    assert data is not None
    found = parse(data, f"{taken.job}.md")
    said = found.manifest
    assert set(said.origins) <= MAY_BE_SET
    assert found.warnings == ()
    assert (said.yolo, said.cwd, said.engine) == (False, "/here", None)
    assert said.tracker_item == taken.item
    assert said.idempotency_key == f"tracker-{taken.item}"
    assert said.profile in (None, *LEGAL["profile"])
    assert said.engine_class in (None, ANY_ENGINE)
    assert all(token.isprintable() for token in said.capabilities)
    assert clean(found.body).text == found.body


@settings(max_examples=5000)
@given(ITEM)
def test_any_item_makes_a_job_or_an_error_in_words(value: dict[str, Any]) -> None:
    """By its name, and again out of a list: what is wrong with one is said, and no other error comes."""
    data = json.dumps(value).encode()
    machine = Machine(FakeClock())
    for taken in take_named(door(machine, Items(TrackerSettings(), means(Canned(data)))), ["T-1"]):
        checked(machine, taken)
    machine = Machine(FakeClock())
    for taken in take_labelled(door(machine, Items(TrackerSettings(), means(Canned(b"[" + data + b"]")))), "aq"):
        checked(machine, taken)


def come_of(deed: Callable[[], object]) -> object:
    """What it gives, or the error in words that it raises."""
    try:
        return deed()
    except AqError as error:
        return error


TRACKERS = {
    "items": (Items, TrackerSettings()),
    "github": (GitHub, TrackerSettings(project="o/r")),
    "linear": (Linear, TrackerSettings(project="ENG")),
    "redmine": (Redmine, TrackerSettings(url="http://x")),
    "roundup": (Roundup, TrackerSettings(url="http://x", user="u")),
}
WORDS = st.sampled_from([
    "data", "item", "items", "issue", "issues", "nodes", "errors", "labels", "id", "number", "name", "title", "body",
    "attributes", "collection", "messages", "status", "state", "statuses", "issue_statuses", "journals", "notes",
    "user", "team", "states", "pageInfo", "hasNextPage", "endCursor", "comments", "issueUpdate", "success",
    "custom_fields", "value", "content", "@etag", "priority", "keyword", "identifier", "extensions", "message",
    "pull_request",
])  # fmt: skip
SHAPED = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 9) | st.floats() | st.sampled_from(["aq", "open", "1", "ENG-1", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=25,
)
ANSWER = st.binary(max_size=40) | SHAPED.map(lambda value: json.dumps(value).encode()) | st.just(b"[" * 5000)


@pytest.mark.parametrize("kind", TRACKERS)
@settings(max_examples=500)
@given(data=ANSWER, status=st.sampled_from([200, 200, 200, 201, 204, 302, 400, 401, 403, 404, 412, 429, 500, 503]))
def test_whatever_a_service_answers_is_understood_or_refused(kind: str, data: bytes, status: int) -> None:
    adapter, said = TRACKERS[kind]
    tracker: Tracker = adapter(said, means(Canned(data, status)))  # type: ignore[operator]
    item = "ENG-1" if kind == "linear" else "1"
    deeds = (
        lambda: tracker.get(item), lambda: list(tracker.find("aq")), lambda: tracker.status(item),
        lambda: tracker.comments(item), lambda: tracker.add_comment(item, "text"), lambda: list(tracker.check()),
        *(lambda word=word: tracker.set_status(item, word) for word in tracker.statuses.values()),
    )  # fmt: skip
    for deed in deeds:
        found = come_of(deed)
        assert not isinstance(found, Item) or found.id == tracker.key(item)
        if isinstance(found, AqError):
            assert found.hint
            assert str(found).isprintable()
