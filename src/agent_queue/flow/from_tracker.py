"""An item becomes a job: read, gated, cleaned, mapped, and put into the inbox the way `add` does it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar

from agent_queue.core.errors import AqError
from agent_queue.core.item import Item
from agent_queue.core.job import JobId, Stage
from agent_queue.core.label_map import body, frontmatter, job_text, key_of, mapped
from agent_queue.core.manifest import EMPTY
from agent_queue.core.meaning import Meaning
from agent_queue.core.sanitise import clean
from agent_queue.core.tracker_settings import TrackerSettings
from agent_queue.core.trouble import TrackerError, Trouble
from agent_queue.flow import intake
from agent_queue.ports import Queue
from agent_queue.ports_tracker import Tracker

One = TypeVar("One")

ANY_ENGINE = "agentic-coder"
"""The engine class of an item's job where neither labels nor configuration name an engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What taking an item in needs. `cwd` is where its agent works when no setting says it."""

    queue: Queue
    tracker: Tracker
    settings: TrackerSettings
    meaning: Meaning
    legal: Mapping[str, Collection[str]]
    """The names that a label may give a key, for the keys that name something."""
    cwd: str
    now: Callable[[], datetime]
    guard: Callable[[], AbstractContextManager[None]]
    met: dict[JobId, str] = field(default_factory=dict)
    """Jobs by id with their keys: '' for those that were there before `queue` was asked for any, which it knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An item and its job: a new one, or the one that it has already, which then lies in `stage`."""

    item: str
    job: JobId
    stage: Stage
    new: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The job file that an item makes, and what people should know about that."""

    item: str
    data: bytes
    notes: tuple[str, ...]


class _Meanwhile(Exception):  # noqa: N818 - an ending, not an error
    def __init__(self, taken: Taken) -> None:
        super().__init__(taken)
        self.taken = taken


def take(door: Door, name: str, *, read: Item | None = None) -> Taken:
    """Make a job of an item. One that has a job already, in whatever stage, keeps that one, edited or not.

    Raises:
        TrackerError: the tracker fails, or the item may not become a job. ManifestError: the job file cannot be one.
    """
    item = door.tracker.key(name)
    if (known := _known(door, item)) is not None:
        return known
    made = draft(door, read or door.tracker.get(item))

    @contextmanager
    def alone() -> Iterator[None]:
        with door.guard():
            for job in ids(door.queue) - door.met.keys():  # what another process added meanwhile
                with suppress(AqError):
                    door.met[job] = door.queue.file(job).manifest.idempotency_key or ""
            if (known := _known(door, made.item)) is not None:
                raise _Meanwhile(known)
            yield

    source = intake.Source(name=made.item, data=made.data, stem=made.item)
    try:
        (added,) = intake.add(
            door.queue, [source], keys={}, meaning=door.meaning, cwd=door.cwd, now=door.now(), guard=alone
        )  # fmt: skip
    except _Meanwhile as meanwhile:
        return meanwhile.taken
    text = made.data[made.data.index(b"\n---\n") + len(b"\n---\n") :]
    entry = {"event": "from_tracker", "tracker_item": made.item, "body_sha256": sha256(text).hexdigest()}
    door.queue.note(added.job, entry)
    return Taken(item=made.item, job=added.job, stage=Stage.INBOX, new=True, notes=(*made.notes, *added.warnings))


def take_named(door: Door, names: Iterable[str]) -> Iterator[Taken | AqError]:
    """Make jobs of items; one that cannot be taken is no reason to leave the others."""
    for name in names:
        yield _or_error(partial(take, door, name))


def take_labelled(door: Door, label: str) -> Iterator[Taken | AqError]:
    """The same with all items that carry a label."""
    for item in found(door, label):
        yield item if isinstance(item, AqError) else _or_error(partial(take, door, item.id, read=item))


def drafts(door: Door, names: Iterable[str], label: str) -> Iterator[Draft | Taken | AqError]:
    """What would be made of these items, or of all that carry a label; nothing is."""
    for one in found(door, label) if label else (_or_error(partial(_known_or_read, door, name)) for name in names):
        yield _or_error(partial(_drafted, door, one)) if isinstance(one, Item) else one


def found(door: Door, label: str) -> Iterator[Item | AqError]:
    """The items that carry a label; where the tracker fails midway, that comes last."""
    try:
        yield from door.tracker.find(label)
    except AqError as error:
        yield error


def _or_error(deed: Callable[[], One]) -> One | AqError:
    try:
        return deed()
    except AqError as error:
        return error


def _known_or_read(door: Door, name: str) -> Item | Taken:
    return _known(door, door.tracker.key(name)) or door.tracker.get(name)


def _drafted(door: Door, item: Item) -> Draft | Taken:
    return _known(door, item.id) or draft(door, item)


def _known(door: Door, item: str) -> Taken | None:
    """The job that an item has, wherever it lies."""
    others = (job for job, key in door.met.items() if key == key_of(item))
    job = door.queue.keyed(key_of(item)) or next(others, None)
    found = door.queue.job(job) if job is not None else None
    return None if found is None else Taken(item=item, job=found.id, stage=found.stage, new=False)


def ids(queue: Queue) -> set[JobId]:
    """Every job, wherever it lies."""
    return {job for stage in Stage for job in queue.ids(stage)}


def draft(door: Door, item: Item) -> Draft:
    """The job file of an item.

    Raises:
        TrackerError: the gates of the configuration keep it out.
    """
    _gate(door.settings, item)
    title, text = clean(item.title), clean(item.text)
    hidden = hidden_note(title.comments + text.comments, title.characters + text.characters)
    item = replace(item, title=title.text, text=text.text)
    found = mapped(item, door.legal)
    of_type = door.settings.types.get(item.kind.casefold(), EMPTY)
    values = frontmatter(item, found, door.settings.defaults, of_type)
    values["cwd"] = door.settings.cwd or values.get("cwd") or door.cwd
    if not {"engine", "engine-class"} & {*values, *_inherited(door.meaning, values)}:
        values["engine-class"] = ANY_ENGINE
    data = job_text(values, body(item)).encode()
    return Draft(item=item.id, data=data, notes=tuple(f"{item.id}: {note}" for note in (*hidden, *found.ignored)))


def _inherited(meaning: Meaning, values: Mapping[str, Any]) -> set[str]:
    """The keys that a job takes from the queue's defaults, and from its profile."""
    name = values.get("profile") or meaning.defaults.profile
    profile = meaning.profile(name) if name else None
    return {*meaning.defaults.origins, *(profile.defaults.origins if profile is not None else ())}


def hidden_note(comments: int, characters: int) -> tuple[str, ...]:
    """What was taken out of a text, in words; () when that was nothing."""
    counted = ((comments, "hidden comment"), (characters, "invisible character"))
    parts = [f"{number} {what}{'s' * (number != 1)}" for number, what in counted if number]
    return (f"taken out of its text: {' and '.join(parts)}",) if parts else ()


def _gate(settings: TrackerSettings, item: Item) -> None:
    if settings.allow_authors and item.author.casefold() not in map(str.casefold, settings.allow_authors):
        who = f"by {item.author!r}" if item.author else "by nobody that the tracker names"
        raise TrackerError(
            Trouble.REFUSED, f"{item.id} is {who}", hint="[tracker] allow_authors lists who may ask for work"
        )
    if settings.require_label and settings.require_label not in item.labels:
        text = f"{item.id} has no label {settings.require_label!r}"
        raise TrackerError(
            Trouble.REFUSED, text, hint="[tracker] require_label wants it on every item that becomes a job"
        )
