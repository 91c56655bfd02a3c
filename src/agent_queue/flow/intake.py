"""New jobs: a file a person names becomes a job file in the inbox, its body untouched, its place written in."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent_queue.core.errors import ManifestError
from agent_queue.core.fields import is_relative
from agent_queue.core.frontmatter import decode
from agent_queue.core.manifest import add_keys, parse
from agent_queue.core.meaning import Meaning
from agent_queue.flow.oddities import Around
from agent_queue.flow.places import Added, Places, Ready
from agent_queue.ports import Queue

NOTHING_IS_ODD = Around()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One text to be added: what to call it in messages, its bytes, and the name that the job's slug comes from."""

    name: str
    data: bytes
    stem: str


def add(
    queue: Queue, sources: Sequence[Source], *, keys: Mapping[str, Any], meaning: Meaning, cwd: str, now: datetime,
    guard: Callable[[], AbstractContextManager[None]], around: Around = NOTHING_IS_ODD,
) -> list[Added]:  # fmt: skip
    """Make jobs of these sources, all or none: a bad one is refused before any is made.

    `keys` are the caller's flags; what a file says itself stands. An idempotency key that a job has already makes no
    second one. `guard` keeps other adders out between the look-up of ids and keys and the creation. What a
    file names and is not `around` is warned of.

    Raises:
        ManifestError: every problem of every source, in one text. AqError: a job with such a key is under way.
    """
    ready, problems = [], []
    for source in sources:
        try:
            ready.append(_completed(source, keys, meaning, cwd, around))
        except ManifestError as error:
            problems.append(str(error))
    if problems:
        raise ManifestError("\n".join(problems), hint="nothing was added; `aq lint FILE` checks a file")
    with guard(), Places(queue, now) as places:
        for item in ready:
            places.find(item)
        return places.fill()


def _completed(source: Source, keys: Mapping[str, Any], meaning: Meaning, cwd: str, around: Around) -> Ready:
    """The file as it will lie in the inbox: checked, with the flags and the cwd that it does not say itself."""
    found = parse(source.data, source.name)
    if not found.body.strip():
        raise ManifestError(f"{source.name}:1:1: the body is empty: there is nothing to do")
    said = found.manifest
    missing = {key: value for key, value in keys.items() if value is not None and key not in said.origins}
    if said.cwd is None:
        missing.setdefault("cwd", cwd)
    elif is_relative(said.cwd):  # the supervisor may run anywhere
        missing["cwd"] = f"{cwd.rstrip('/')}/{said.cwd}".removesuffix("/.")
    effective = meaning.effective(found, source.name).manifest
    if effective.engine is None and effective.engine_class is None and "engine" not in missing:
        raise ManifestError(
            f"{source.name}:1:1: no engine; add `engine: claude` to its frontmatter, or use --engine",
            hint="`aq doctor` lists the engines found on this machine",
        )
    try:
        data = add_keys(decode(source.data), missing).encode()
    except UnicodeEncodeError:
        raise ManifestError(f"{source.name}: the name of its cwd is not UTF-8; give another with --cwd") from None
    warnings = [problem.at(source.name) for problem in found.warnings]
    missed = (around.no_engine(missing.get("engine", effective.engine)), around.no_cwd(missing.get("cwd", said.cwd)))
    warnings += [f"{source.name}: {complaint}" for complaint in missed if complaint]
    return Ready(
        name=source.name, stem=source.stem, data=data, body=found.body, key=effective.idempotency_key,
        deps=effective.deps, warnings=tuple(warnings),
    )  # fmt: skip
