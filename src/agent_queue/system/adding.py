"""Bringing files of a work tree into an index, as many of them as git can store."""

import os
from collections.abc import Sequence

from agent_queue.system.filters import for_a_look, forgiving
from agent_queue.system.git import Git, GitError

MANY = 300
"""Up to so many changed paths, git is told their names; beyond, looking at every file again is faster."""
REFUSED = 50
"""Once git has refused so many files one by one, what it refuses after that is not divided any more."""
CONVERTED = ("filter", "working-tree-encoding")
"""Attributes of files that are stored otherwise than they lie there, and so may be refused."""


def add(
    own: Git, wanted: Sequence[bytes], excluded: Sequence[bytes], limit_s: float
) -> tuple[list[str], dict[bytes, str]]:
    """Add these paths; git's complaints about what it could not read, and why it refused to store a file.

    A filter that fails for one file must not keep all the others from being saved.
    """
    if not wanted and not excluded:
        return [], {}
    try:
        if len(wanted) <= MANY:
            _add_by_name(own, wanted, limit_s)
            return [], {}
    except GitError:
        pass  # one has gone meanwhile, lies behind a new link, or cannot be read or stored
    everything = [b":(top)", *(b":(top,exclude,literal)" + path for path in excluded)]
    try:
        return _add(own, everything, limit_s), {}
    except GitError:
        return _add_what_can_be(own, wanted, limit_s)


def _add_what_can_be(own: Git, wanted: Sequence[bytes], limit_s: float) -> tuple[list[str], dict[bytes, str]]:
    """Filters are asked for each of their files first. They must not be asked again for the sake of unchanged ones."""
    refused: dict[bytes, str] = {}
    converted, told = _converted(own, wanted), list[str]()
    _try(own, converted, limit_s, refused)
    plain = set(wanted) - set(converted)
    for way, paths in ((forgiving(own), converted), (for_a_look(own), plain)):
        rest = [path for path in wanted if path in paths and path not in refused]
        try:
            _add_by_name(way, rest, limit_s)
        except GitError:
            told += _add(way, rest, limit_s, literal=True)
    return told, refused


def _converted(own: Git, paths: Sequence[bytes]) -> list[bytes]:
    """Those of these files that a filter or an encoding is for."""
    said = own.read("check-attr", "-z", "--stdin", *CONVERTED, given=b"".join(path + b"\0" for path in paths))
    words = said.split(b"\0")
    found = (path for path, value in zip(words[::3], words[2::3], strict=False) if value != b"unspecified")
    files = dict.fromkeys(found)
    return [path for path in files if os.path.isfile(os.path.join(os.fsencode(own.folder), path))]


def _try(own: Git, paths: Sequence[bytes], limit_s: float, refused: dict[bytes, str]) -> None:
    """Have git store these files; those to blame where it refuses."""
    if not paths:
        return
    try:
        own.run("hash-object", "-w", "--", *map(os.fsdecode, paths[:MANY]), limit_s=limit_s)
        _try(own, paths[MANY:], limit_s, refused)
    except GitError as error:
        if len(paths) == 1 or len(refused) >= REFUSED:
            refused.update(dict.fromkeys(paths, str(error)))
            return
        middle = len(paths) // 2
        _try(own, paths[:middle], limit_s, refused)
        _try(own, paths[middle:], limit_s, refused)


def _add_by_name(own: Git, paths: Sequence[bytes], limit_s: float) -> None:
    """The fastest way, which knows no partial success."""
    given = b"".join(path.rstrip(b"/") + b"\0" for path in paths)
    if paths:
        own.run("update-index", "--add", "--remove", "--replace", "-z", "--stdin", given=given, limit_s=limit_s)


def _add(own: Git, pathspecs: Sequence[bytes], limit_s: float, *, literal: bool = False) -> list[str]:
    how = ("--literal-pathspecs",) if literal else ()
    # --sparse: a file that lies outside of a sparse checkout all the same is work too.
    options = ("-A", "--sparse", "--ignore-errors", "--pathspec-from-file=-", "--pathspec-file-nul")
    return own.attempt(*how, "add", *options, given=b"\0".join(pathspecs), limit_s=limit_s)
