"""The profiles of an old queue that come over to ours, mended where a job file would be."""

import os
from dataclasses import dataclass

from agent_queue.core.errors import ManifestError
from agent_queue.core.frontmatter import NodeError, decode
from agent_queue.core.job import bad_id, renamed
from agent_queue.core.profile import parse
from agent_queue.core.raw_lines import mended
from agent_queue.queues.old_queue import OldQueue
from agent_queue.system.layout import SUFFIX, Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProfile:
    """A profile to copy: its file here, and what was noticed."""

    file: str
    data: bytes
    quoted: tuple[tuple[int, str], ...] = ()
    problem: str = ""


def new_profiles(old: OldQueue, layout: Layout) -> list[NewProfile]:
    """The profiles whose name is free in the new queue."""
    found: dict[str, NewProfile] = {}
    for stem, data in old.profiles():
        name = stem if bad_id(stem) is None else renamed(stem)
        file = f"{name}{SUFFIX}"
        if file not in found and not os.path.lexists(f"{layout.root}/profiles/{file}"):
            found[file] = _profile(file, name, data)
    return list(found.values())


def _profile(file: str, name: str, data: bytes) -> NewProfile:
    place = f"profiles/{file}"
    try:
        text = decode(data)
        better = mended(text)
    except NodeError as error:
        return NewProfile(file=file, data=data, problem=error.problem.at(place))
    copy = data if better.text == text else better.text.encode()
    try:
        parse(copy, name, place)
    except ManifestError as error:
        return NewProfile(file=file, data=copy, quoted=better.lines, problem=str(error))
    return NewProfile(file=file, data=copy, quoted=better.lines)
