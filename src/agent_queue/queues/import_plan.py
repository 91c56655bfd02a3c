"""What an import of an old queue will do, job by job. Nothing is changed here."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import sha256

from agent_queue.core.errors import ManifestError
from agent_queue.core.frontmatter import NodeError, decode, read, split
from agent_queue.core.history import Entry
from agent_queue.core.imported import entry, goes_to
from agent_queue.core.job import JobId, Stage, bad_id, renamed
from agent_queue.core.manifest import EMPTY, Manifest, add_keys, parse
from agent_queue.core.raw_lines import mended
from agent_queue.queues.examine import problem_of
from agent_queue.queues.old_queue import OldJob, OldQueue
from agent_queue.system import journal
from agent_queue.system.layout import SUFFIX, Layout


class Step(StrEnum):
    """What is left to do for a job."""

    COPY = "copy"
    FINISH = "finish"
    """Its journal was begun by an import that was cut short."""
    NOTHING = "nothing"
    """It was imported before, wherever it lies by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A job file as it will be written, and what was noticed."""

    data: bytes
    quoted: tuple[tuple[int, str], ...] = ()
    says_yolo: bool = True
    problem: str = ""
    manifest: Manifest = EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One job, with the name that it gets."""

    job: JobId
    old: OldJob
    step: Step
    text: Text
    entry: Entry

    @property
    def stage(self) -> Stage:
        return goes_to(self.old.stage)


@dataclass(slots=True)
class Taken:
    """The names that are taken in the new queue, ignoring case, and which job came from what."""

    names: set[str] = field(default_factory=set)
    imported: dict[str, tuple[JobId, bool]] = field(default_factory=dict)
    """By hash of what it was called: its name, and whether its file was put there."""


def taken(layout: Layout) -> Taken:
    """Look through the new queue, which may not be there yet."""
    found = Taken()
    lying: set[str] = set()
    for stage in Stage:
        lying |= {name.removesuffix(SUFFIX) for name in _names(layout.stage(stage)) if name.endswith(SUFFIX)}
    found.names = {name.casefold() for name in lying}
    for name in (name for name in _names(f"{layout.root}/journal") if name.endswith(".jsonl")):
        job = JobId(name.removesuffix(".jsonl"))
        found.names.add(job.casefold())
        with open(layout.journal(job), "rb") as file:
            entries, _ = journal.entries(file.read())
        for line in entries:
            if line["event"] == "imported" and isinstance(line.get("source_sha256"), str):
                found.imported[line["source_sha256"]] = (job, job in lying or len(entries) > 1)
    return found


def plan(old: OldQueue, found: Taken, defaults: Manifest, *, yolo: bool) -> list[Planned]:
    """Every job of the old queue, the oldest first. `defaults` are the new queue's.

    Names are given to those with a legal one first: they keep it.
    """
    planned = []
    own = {job.stem.casefold() for job in old.jobs}
    for job in sorted(old.jobs, key=lambda job: (job.copy, bad_id(job.stem) is not None)):
        source = _source(old, job)
        name, there = found.imported.get(source, (None, False))
        step = Step.COPY if name is None else Step.NOTHING if there else Step.FINISH
        name = name or _free(job.stem, found.names, own)
        found.names.add(name.casefold())
        text = _text(job, f"{name}{SUFFIX}", defaults, yolo=yolo)
        line = entry(job.said, job.stage, engine=text.manifest.engine, logs=bool(job.logs), source=source)
        planned.append(Planned(job=name, old=job, step=step, text=text, entry=line))
    return sorted(planned, key=lambda each: each.old.written_ns)


def pending(planned: Iterable[Planned]) -> list[Planned]:
    """Those for which something is left to do."""
    return [each for each in planned if each.step is not Step.NOTHING]


def _source(old: OldQueue, job: OldJob) -> str:
    return sha256(f"{old.root}/{job.stem}/{job.copy}".encode(errors="surrogateescape")).hexdigest()


def _free(stem: str, names: set[str], own: set[str]) -> JobId:
    """The stem, or the nearest name that no job has and none of the others is called."""
    base = stem if bad_id(stem) is None else renamed(stem)
    number, name = 1, base
    while name.casefold() in names or (name != stem and name.casefold() in own):
        number += 1
        name = f"{base[:120]}-{number}"
    return JobId(name)


def _text(job: OldJob, name: str, defaults: Manifest, *, yolo: bool) -> Text:
    """The copy: the same to the byte but for lines put in quotes, and `yolo: true` where that is wanted."""
    try:
        text = decode(job.data)
        better = mended(text)
        says_yolo = "yolo" in read(split(better.text)[0])
    except NodeError as error:
        return Text(data=job.data, problem=error.problem.at(name))
    changed = add_keys(better.text, {"yolo": True}) if yolo and not says_yolo else better.text
    data = job.data if changed == text else changed.encode()
    try:
        found = parse(data, name)
    except ManifestError as error:
        return Text(data=data, quoted=better.lines, says_yolo=says_yolo, problem=str(error))
    whole = replace(found, manifest=found.manifest.under(defaults))
    problem = problem_of(name, whole) if goes_to(job.stage) is Stage.INBOX else ""
    return Text(data=data, quoted=better.lines, says_yolo=says_yolo, problem=problem, manifest=found.manifest)


def renamed_deps(planned: list[Planned]) -> Iterator[tuple[JobId, str, JobId]]:
    """Jobs whose `deps` say a name that another job no longer has: the job, the old name, the new one."""
    names = {each.old.stem: each.job for each in planned if each.old.stem != each.job}
    for each in planned:
        yield from ((each.job, dep, names[dep]) for dep in each.text.manifest.deps if dep in names)


def passed_over(planned: list[Planned]) -> Counter[str]:
    """Keys of notes that were not kept, with how often."""
    counted: Counter[str] = Counter()
    for each in planned:
        counted.update(each.old.said.unknown)
        counted.update({f"{key} (value)": number for key, number in each.old.said.unsound.items()})
    return counted


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
