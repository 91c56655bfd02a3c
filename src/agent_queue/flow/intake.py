"""New jobs: a file a person names becomes a job file in the inbox, its body untouched, its place written in."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent_queue.core.errors import AqError, ManifestError
from agent_queue.core.frontmatter import decode
from agent_queue.core.job import JobId, slug
from agent_queue.core.manifest import Manifest, add_keys, parse
from agent_queue.ports import Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One text to be added: what to call it in messages, its bytes, and the name that the job's slug comes from."""

    name: str
    data: bytes
    stem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A job that was made, with what is odd about its file."""

    job: JobId
    source: str
    warnings: tuple[str, ...] = ()


def add(
    queue: Queue, sources: Sequence[Source], *, keys: Mapping[str, Any], defaults: Manifest, cwd: str,
    now: datetime, guard: Callable[[], AbstractContextManager[None]],
) -> list[Added]:  # fmt: skip
    """Make jobs of these sources, all or none: a bad one is refused before any is made.

    `keys` are the caller's flags; what a file says itself stands. `guard` keeps other adders out between the look-up
    of free ids and the creation.

    Raises:
        ManifestError: every problem of every source, in one text.
    """
    ready, problems = [], []
    for source in sources:
        try:
            ready.append(_completed(source, keys, defaults, cwd))
        except ManifestError as error:
            problems.append(str(error))
    if problems:
        raise ManifestError("\n".join(problems), hint="nothing was added; `aq lint FILE` checks a file")
    added: list[Added] = []
    with guard():
        taken: set[str] = set()
        files: list[tuple[JobId, bytes]] = []
        for source, data, warnings in ready:
            job = _free_id(queue, f"{now:%Y%m%d-%H%M}__{slug(source.stem)}", taken)
            files.append((job, data))
            added.append(Added(job=job, source=source.name, warnings=warnings))
        made = queue.create(files)
        if not all(made):
            raise AqError(f"{files[made.index(False)][0]} appeared in the inbox meanwhile", hint="add it again")
    return added


def _completed(
    source: Source, keys: Mapping[str, Any], defaults: Manifest, cwd: str
) -> tuple[Source, bytes, tuple[str, ...]]:
    """The file as it will lie in the inbox: checked, with the flags and the cwd that it does not say itself."""
    found = parse(source.data, source.name)
    if not found.body.strip():
        raise ManifestError(f"{source.name}:1:1: the body is empty: there is nothing to do")
    said = found.manifest
    missing = {key: value for key, value in keys.items() if value is not None and key not in said.origins}
    if said.cwd is None:
        missing.setdefault("cwd", cwd)
    effective = said.under(defaults)
    if effective.engine is None and effective.engine_class is None and "engine" not in missing:
        raise ManifestError(
            f"{source.name}:1:1: no engine; add `engine: claude` to its frontmatter, or use --engine",
            hint="`aq doctor` lists the engines found on this machine",
        )
    try:
        data = add_keys(decode(source.data), missing).encode()
    except UnicodeEncodeError:
        raise ManifestError(f"{source.name}: the name of its cwd is not UTF-8; give another with --cwd") from None
    warnings = tuple(problem.at(source.name) for problem in found.warnings)
    return source, data, warnings


def _free_id(queue: Queue, wanted: str, taken: set[str]) -> JobId:
    number, name = 1, wanted
    while name in taken or queue.taken(JobId(name)):
        number += 1
        name = f"{wanted}-{number}"
    taken.add(name)
    return JobId(name)
