"""What of a work tree is saved: all that git does not ignore, but for a few new files that no commit should hold."""

import os
import re
import stat
from dataclasses import dataclass, replace

from agent_queue.system.git import Git, GitError

LARGE = 50_000_000
MANY = 300
"""Up to so many changed paths, git is told their names; beyond, looking at every file again is faster."""
LINK, SPLIT = b"\0\0\xe0\0", b"\0link\0\0"
"""In an index: the mode of a link to another repository; the mark of one whose entries lie in another file as well."""
SECRET = re.compile(
    rb"\.env(\.(?!(example|sample|template)$).*)?|id_(rsa|dsa|ecdsa|ed25519)|.*\.(pem|key|p12)", re.DOTALL
)
"""Names of files that hold secrets more often than not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A work tree as a tree of git's. Paths are relative to its top."""

    tree: str
    missed: tuple[str, ...] = ()
    """What could not be read, in git's words."""
    left_out: tuple[str, ...] = ()
    """New files that look like secrets, or are too large."""
    nested: tuple[str, ...] = ()
    """Repositories inside it, submodules among them: of those the tree holds a link at most."""


def content(git: Git, index: str, known: str | None, *, limit_s: float) -> Content:
    """Write the work tree as a tree, by way of this index; `known` is the commit that a lost index is made from.

    Raises:
        GitError: git refused.
    """
    own = replace(git, env={**git.env, "GIT_INDEX_FILE": index})
    if known and not os.path.exists(index):
        rebuild(own, index, known)
    try:
        found, told = _found(own)
    except GitError:
        if known is None:
            raise
        rebuild(own, index, known)  # it was torn by a power cut
        found, told = _found(own)
    linked = links(own, index)
    missed = told + (_add(own, found, limit_s) if found.wanted or found.excluded else [])
    return Content(
        tree=own.run("write-tree", limit_s=limit_s), missed=tuple(missed),
        left_out=tuple(map(os.fsdecode, found.left_out)),
        nested=(*(os.fsdecode(path).rstrip("/") for path in found.nested), *linked),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    wanted: list[bytes]
    left_out: list[bytes]
    nested: list[bytes]
    empty: list[bytes]
    """Nested repositories that have no commit to link to."""

    @property
    def excluded(self) -> list[bytes]:
        return self.left_out + self.empty


def _found(own: Git) -> tuple[_Found, list[str]]:
    """Both looks only read, and the second walks the folders while the first compares files."""
    (changed, _), (others, told) = own.together(
        ("diff-files", "--name-only", "-z", "--ignore-submodules=dirty"),
        ("ls-files", "-z", "--others", "--exclude-standard"),
    )
    new = [path for path in others.split(b"\0") if path]
    nested = [path for path in new if path.endswith(b"/")]
    empty = [path for path in nested if not _has_commit(own, path)]
    left_out = [path for path in new if not path.endswith(b"/") and _left_out(own.folder, path)]
    skipped = {*empty, *left_out}
    wanted = [path for path in dict.fromkeys(changed.split(b"\0")) if path] + [p for p in new if p not in skipped]
    return _Found(wanted=wanted, left_out=left_out, nested=nested, empty=empty), told


def links(git: Git, index: str) -> list[str]:
    """The repositories inside the work tree that this index links to, where they are checked out."""
    try:
        with open(index, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return []
    if LINK not in data and SPLIT not in data:
        return []  # told without a process: most repositories have none
    rows = git.read("ls-files", "-z", "--stage").split(b"\0")
    paths = [os.fsdecode(row.partition(b"\t")[2]) for row in rows if row.startswith(b"160000 ")]
    return [path for path in paths if os.path.lexists(os.path.join(git.folder, path, ".git"))]


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


def _add(own: Git, found: _Found, limit_s: float) -> list[str]:
    """Bring these paths into the index; git's complaints about what could not be read."""
    if len(found.wanted) <= MANY:
        try:
            return _add_these(own, found.wanted, limit_s, literal=True) if found.wanted else []
        except GitError:
            pass  # one of them has gone meanwhile, or lies behind a new link: then look at everything
    return _add_these(own, [b":(top)", *(b":(top,exclude,literal)" + path for path in found.excluded)], limit_s)


def _add_these(own: Git, pathspecs: list[bytes], limit_s: float, *, literal: bool = False) -> list[str]:
    how = ("--literal-pathspecs",) if literal else ()
    # --sparse: a file that lies outside of a sparse checkout all the same is work too.
    options = ("-A", "--sparse", "--ignore-errors", "--pathspec-from-file=-", "--pathspec-file-nul")
    return own.attempt(*how, "add", *options, given=b"\0".join(pathspecs), limit_s=limit_s)


def rebuild(own: Git, index: str, known: str) -> None:
    """Make an index from a commit anew. Of a sparse checkout what is not there lies outside of it."""
    for path in (index, f"{index}.lock"):
        if os.path.exists(path):
            os.unlink(path)
    own.run("read-tree", known)
    if own.ask("config", "--type=bool", "core.sparseCheckout") == "true":
        gone = own.read("ls-files", "-z", "--deleted")
        own.run("update-index", "-z", "--skip-worktree", "--stdin", given=gone)
