"""What a repository was like before an agent ran in it, so that what it changed there can be seen and undone."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha1

from agent_queue.system.files import Disk
from agent_queue.system.git import Git, lines

NAME = "before.json"
GUARDED = ("core.bare", "core.hookspath", "core.worktree")
"""Settings by which a repository is no checkout any more, or runs other hooks than the person's."""
GITS_OWN = ("filter.", "branch.", "submodule.", "extensions.", "gc.", "maintenance.")
IGNORED = ("refs/remotes/", "refs/aq/", "refs/heads/aq/", "refs/bisect/", "refs/worktree/", "refs/rewritten/")
"""Refs that a fetch moves, those of jobs, and those that each worktree has for itself."""
LIST_REFS = ("for-each-ref", "--format=%(objectname) %(refname) %(symref)")
LIST_SETTINGS = ("config", "-z", "--list", "--show-scope")


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """`at` is when, epoch seconds; `stash` the text of the stash's log; `filters` their settings by key."""

    at: float
    refs: Mapping[str, str] = field(default_factory=dict)
    stash: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)
    distrusted: Mapping[str, str] = field(default_factory=dict)
    """Settings of filters, by key, that an agent made or changed: '' for one that it removed."""
    inner: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    """The last two of each repository inside the workspace that was there, by its path."""

    tip: str = ""
    """The commit of the job's branch."""
    guarded: Mapping[str, str] = field(default_factory=dict)
    """Its own settings of `GUARDED`, as they were."""
    others: Mapping[str, str] = field(default_factory=dict)
    """Further settings of the repository and its hooks, each by its name as a hash: some hold a password."""

    def of(self, path: str) -> "Before":
        """What is known of a repository inside; one that came later is to be without filters of its own."""
        told = self.inner.get(path, {})
        return Before(at=self.at, filters=told.get("filters", self.filters), distrusted=told.get("distrusted", {}))


def look(git: Git, common: str, earlier: Before | None, at: float) -> Before:
    """Look at a repository before a run. What an earlier run's agent changed of its filters is not taken for granted.

    Raises:
        GitError: git refused.
    """
    said = settings(git)
    trusted, distrusted = _trusted(filters_of(said), earlier)
    return Before(
        at=at, refs=refs(git), stash=stash_log(common), filters=trusted, distrusted=distrusted,
        others=others(said, common), guarded=guarded(said),
    )  # fmt: skip


def look_inside(before: Before, earlier: Before | None, there: Mapping[str, Git]) -> Before:
    """The same, with the filters of the repositories inside the workspace. Where an agent of the job has worked before,
    one that was not there then may be its own.
    """
    inner = {}
    for path, git in there.items():
        now = filters(git)
        trusted, distrusted = _trusted(now, earlier.of(path) if earlier else None)
        if earlier and path not in earlier.inner:
            trusted, distrusted = dict(before.filters), _changed(now, before.filters)
        inner[path] = {"filters": trusted, "distrusted": distrusted}
    return replace(before, inner=inner)


def _trusted(now: Mapping[str, str], earlier: Before | None) -> tuple[dict[str, str], dict[str, str]]:
    trusted, distrusted = dict(now), dict(earlier.distrusted) if earlier else {}
    for key, value in distrusted.items():
        if earlier is None or now.get(key, "") != value:
            continue
        trusted.pop(key, None)
        if key in earlier.filters:
            trusted[key] = earlier.filters[key]
    return trusted, distrusted


def refs(git: Git) -> dict[str, str]:
    """The refs that are the user's, by name; not those that only name another ref."""
    return refs_of(git.read(*LIST_REFS))


def refs_of(told: bytes) -> dict[str, str]:
    """The same of what git told on `LIST_REFS`."""
    parts = [row.split(" ") for row in lines(os.fsdecode(told))]
    return {name: value for value, name, link in parts if not link and not name.startswith(IGNORED)}


def stash_log(common: str) -> str:
    """What git remembers of stashes: one line each, the oldest first."""
    try:
        with open(os.path.join(common, "logs/refs/stash"), encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return ""


Settings = list[tuple[str, str, str]]
"""Where each is from, its key, its value; the last one of a key holds."""


def settings(git: Git) -> Settings:
    """All that configures git here."""
    return settings_of(os.fsencode(git.ask(*LIST_SETTINGS) or ""))


def settings_of(told: bytes) -> Settings:
    """The same of what git told on `LIST_SETTINGS`."""
    rows = os.fsdecode(told).split("\0")
    pairs = zip(rows[::2], rows[1::2], strict=False)
    return [(scope, key, value) for scope, (key, _, value) in ((scope, row.partition("\n")) for scope, row in pairs)]


def filters(git: Git) -> dict[str, str]:
    """The settings of every filter, by key."""
    return filters_of(settings(git))


def filters_of(said: Settings) -> dict[str, str]:
    return {key: value for _, key, value in said if key.startswith("filter.")}


def guarded(said: Settings) -> dict[str, str]:
    return {key: value for scope, key, value in said if scope == "local" and key in GUARDED}


def others(said: Settings, common: str) -> dict[str, str]:
    """What the repository's own configuration says besides, and its hooks. What git itself changes is none of it."""
    found: dict[str, str] = {}
    for scope, key, value in said:
        if scope == "local" and key not in GUARDED and not key.startswith(GITS_OWN):
            found[key] = _hash(f"{found.get(key, '')}{value}".encode(errors="surrogateescape"))
    hooks = os.path.join(common, "hooks")
    for name in os.listdir(hooks) if os.path.isdir(hooks) else ():
        with suppress(OSError), open(os.path.join(hooks, name), "rb") as file:
            found[f"hooks/{name}"] = _hash(file.read())
    return found


def _hash(data: bytes) -> str:
    return sha1(data, usedforsecurity=False).hexdigest()[:16]


def written(before: Before, folder: str, disk: Disk) -> None:
    """Put the record into a run's folder; on the disk before its agent starts."""
    disk.folder(folder)
    data = json.dumps(asdict(before), indent=1).encode(errors="surrogateescape")
    disk.put(os.path.join(folder, NAME), data)


def read(folder: str) -> Before | None:
    """The record of a run; None when there is none, or it was torn."""
    try:
        with open(os.path.join(folder, NAME), "rb") as file:
            return Before(**json.loads(file.read()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def distrusting(before: Before, git: Git) -> Before:
    """The same, with what the agent has changed of the filters since."""
    return replace(before, distrusted={**before.distrusted, **_changed(filters(git), before.filters)})


def _changed(now: Mapping[str, str], filters: Mapping[str, str]) -> dict[str, str]:
    return {key: now.get(key, "") for key in {*now, *filters} if now.get(key) != filters.get(key)}
