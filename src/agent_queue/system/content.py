"""What of a work tree is saved: all that git does not ignore, but for a few new files that no commit should hold."""

import os
import re
import stat
from dataclasses import dataclass, replace

from agent_queue.system.adding import MANY, add
from agent_queue.system.filters import for_a_look
from agent_queue.system.git import Git, GitError
from agent_queue.system.mend import OPENED

LARGE = 50_000_000
SECRET = re.compile(
    rb"\.env(\.(?!(example|sample|template)$).*)?|id_(rsa|dsa|ecdsa|ed25519)|.*\.(pem|key|p12)", re.DOTALL
)
"""Names of files that hold secrets more often than not."""
MARKED = re.compile(rb"\0(?:([a-zS]) \d+|. 160000) [0-9a-f]+ \d\t([^\0]+)")
"""Of what is in an index: links to other repositories, and files that git was told not to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A work tree as a tree of git's. Paths are relative to its top."""

    tree: str
    missed: tuple[str, ...] = ()
    """What could not be read, in git's words."""
    left_out: tuple[str, ...] = ()
    """New files that look like secrets or are too large, and any file that git refuses to store, say by a filter."""
    refused: tuple[str, ...] = ()
    """Why git refused each of the latter."""
    ignored: tuple[str, ...] = ()
    """What git ignores, whole folders as one, where that was asked for."""
    nested: tuple[str, ...] = ()
    """Repositories inside it, submodules among them: of those the tree holds a link at most."""


def content(git: Git, index: str, known: str | None, *, limit_s: float, ignored: bool = False) -> Content:
    """Write the work tree as a tree, by way of this index; `known` is the commit that a lost index is made from.

    `ignored`: list what git ignores as well.

    Raises:
        GitError: git refused.
    """
    own = replace(git, env={**git.env, "GIT_INDEX_FILE": index})
    ours = os.path.exists(os.path.join(os.path.dirname(index), OPENED))
    if known and not os.path.exists(index):
        rebuild(own, index, known)
    found = _looked(own, index, known, _How(ours=ours, ignored=ignored, limit_s=limit_s))
    told, refused = add(own, found.wanted, found.excluded, limit_s)
    return Content(
        tree=_tree(own, limit_s), missed=(*found.told, *told),
        left_out=tuple(map(os.fsdecode, (*found.left_out, *refused))),
        refused=tuple(f"{os.fsdecode(path)}: {why}" for path, why in refused.items()),
        nested=tuple(os.fsdecode(path).rstrip("/") for path in found.nested),
        ignored=tuple(map(os.fsdecode, found.ignored)),
    )  # fmt: skip


def _tree(own: Git, limit_s: float) -> str:
    """Of files written in the second of the index, git asks their filters once more whether they have changed."""
    try:
        return own.run("write-tree", limit_s=limit_s)
    except GitError:
        return for_a_look(own).run("write-tree", limit_s=limit_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _How:
    """How to look. In a work tree of `ours` it was an agent who told git not to look at a file, which may go with the
    work tree; in a person's own checkout such a file is theirs to keep out.
    """

    ours: bool
    ignored: bool
    limit_s: float


def _looked(own: Git, index: str, known: str | None, how: _How) -> "_Found":
    try:
        return _found(own, how)
    except GitError:
        lenient = for_a_look(own)
    try:
        return _found(lenient, how)
    except GitError:
        if known is None:
            raise
    rebuild(own, index, known)  # it was torn by a power cut
    return _found(lenient, how)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    wanted: list[bytes]
    left_out: list[bytes]
    nested: list[bytes]
    empty: list[bytes]
    """Nested repositories that have no commit to link to."""
    ignored: list[bytes]
    told: list[str]
    """What could not be looked at, in git's words."""

    @property
    def excluded(self) -> list[bytes]:
        return self.left_out + self.empty


def _found(own: Git, how: _How) -> _Found:
    """All these looks only read: one walks the folders while another compares files."""
    (changed, _), (unknown, told), (there, _) = own.together(
        ("diff-files", "--name-only", "-z", "--ignore-submodules=dirty"),
        ("ls-files", "-z", "--others", "--directory", "--no-empty-directory"), ("ls-files", "-z", "-v", "--stage"),
        limit_s=how.limit_s,
    )  # fmt: skip
    marked = _marked(there)
    if how.ours and _looked_at_again(own, [(mark, path) for mark, path in marked if mark]):
        return _found(own, replace(how, ours=False))
    new, ignored, more = _others(own, _paths(unknown), how)
    nested = [path for path in new if path.endswith(b"/")]
    empty = [path for path in nested if not _has_commit(own, path)]
    left_out = [path for path in new if not path.endswith(b"/") and _left_out(own.folder, path)]
    skipped = {*empty, *left_out}
    wanted = list(dict.fromkeys(_paths(changed))) + [path for path in new if path not in skipped]
    inside = [path for mark, path in marked if not mark and _there(own.folder, path + b"/.git")]
    return _Found(
        wanted=wanted, left_out=left_out, nested=nested + inside, empty=empty, ignored=ignored,
        told=list(dict.fromkeys(told + more)),
    )  # fmt: skip


def _others(own: Git, unknown: list[bytes], how: _How) -> tuple[list[bytes], list[bytes], list[str]]:
    """Of what git does not know: each new file; what it ignores, whole folders as one; what it could not look at.

    `unknown` is all of it, whole folders as one: mostly there is nothing.
    """
    if not unknown:
        return [], [], []
    among = [os.fsdecode(path.rstrip(b"/")) for path in unknown] if len(unknown) <= MANY else []
    look = ("--literal-pathspecs", "ls-files", "-z", "--others", "--exclude-standard")
    calls = [(*look, "--", *among)]
    if how.ignored:
        calls.append((*look, "--ignored", "--directory", "--no-empty-directory", "--", *among))
    (new, told), *more = own.together(*calls, limit_s=how.limit_s)
    return _paths(new), [path for output, _ in more for path in _paths(output)], told


def _paths(listed: bytes) -> list[bytes]:
    return [path for path in listed.split(b"\0") if path]


def _marked(listed: bytes) -> list[tuple[bytes, bytes]]:
    """Each with its mark, b'' for a link to another repository."""
    return MARKED.findall(b"\0" + listed)  # each begins alike, so that a large index is passed through quickly


def _looked_at_again(own: Git, marked: list[tuple[bytes, bytes]]) -> bool:
    """Have git look again at files that it was told not to; False when there are none."""
    unchanged = [path for mark, path in marked if mark.islower()]
    skipped = [path for mark, path in marked if mark in b"Ss" and _there(own.folder, path)]
    for how, paths in (("--no-assume-unchanged", unchanged), ("--no-skip-worktree", skipped)):
        if paths:
            own.run("update-index", how, "-z", "--stdin", given=b"\0".join((*paths, b"")))
    return bool(unchanged or skipped)


def links(git: Git) -> list[str]:
    """The repositories inside the work tree that its index links to, where they are checked out."""
    marked = _marked(git.read("ls-files", "-z", "-v", "--stage"))
    return [os.fsdecode(path) for mark, path in marked if not mark and _there(git.folder, path + b"/.git")]


def _there(folder: str, path: bytes) -> bool:
    return os.path.lexists(os.path.join(os.fsencode(folder), path))


def _has_commit(own: Git, path: bytes) -> bool:
    inner = Git(os.path.join(own.folder, os.fsdecode(path)))
    return inner.ask("rev-parse", "-q", "--verify", "HEAD^{commit}") is not None


def _left_out(folder: str, path: bytes) -> bool:
    try:
        found = os.lstat(os.path.join(os.fsencode(folder), path))
    except OSError:
        return False  # gone again, or not ours to look at: git will say
    if stat.S_ISLNK(found.st_mode):
        return False  # it says where to look, and holds nothing
    return SECRET.fullmatch(path.rpartition(b"/")[2]) is not None or found.st_size > LARGE


def rebuild(own: Git, index: str, known: str) -> None:
    """Make an index from a commit anew. Of a sparse checkout what is not there lies outside of it."""
    for path in (index, f"{index}.lock"):
        if os.path.exists(path):
            os.unlink(path)
    own.run("read-tree", known)
    if own.ask("config", "--type=bool", "core.sparseCheckout") == "true":
        gone = own.read("ls-files", "-z", "--deleted")
        own.run("update-index", "-z", "--skip-worktree", "--stdin", given=gone)
