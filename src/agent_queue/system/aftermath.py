"""What a run did beside its work, to refs, its own branch, configuration and hooks: undone, kept or named."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from agent_queue.core.errors import AqError
from agent_queue.core.job import JobId
from agent_queue.core.run import Kept, Place
from agent_queue.system.before import Before, Settings, guarded, others, refs
from agent_queue.system.checkpoint import folders
from agent_queue.system.files import Disk
from agent_queue.system.git import Git, GitError
from agent_queue.system.put_back import Undo, put_back

UNSAVED = ("left_out", "not_saved", "ignored", "nested")
JOURNALED = 20
"""So many of the paths that are not simply on the branch stand in the journal; `aq show` has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A workspace in git whose processes have ended. `refs` are patterns of what the agent might move besides."""

    job: JobId
    place: Place
    root: str
    branch: str
    base: str
    own: bool
    keep_open: tuple[int, ...]
    refs: tuple[str, ...]
    disk: Disk

    @property
    def user(self) -> Git:
        return Git(self.place.repository or self.root, self.keep_open)


def rescued(work: Work, before: Before | None, commit: str) -> tuple[str, ...]:
    """A ref for what the branch held when the run began, where its agent took that off the branch."""
    tip = before.tip if before else ""
    if tip in ("", work.base, commit) or work.user.ask("merge-base", "--is-ancestor", tip, commit) is not None:
        return ()
    ref = f"refs/aq/rescued/{work.job}/{tip[:12]}"
    work.user.run("update-ref", ref, tip)
    return (ref,)


def altered(work: Work, before: Before | None, said: Settings) -> tuple[str, ...]:
    """What of the repository's configuration and hooks is not as it was. It may have been a person: it stays."""
    if before is None:
        return ()
    now = others(said, folders(work.user)[1])
    return tuple(sorted(name for name in {*now, *before.others} if now.get(name) != before.others.get(name)))


def restored(work: Work, before: Before | None, said: Settings) -> tuple[str, ...]:
    """Put back the settings by which the person's checkout would be none, or run other hooks; their names."""
    now = guarded(said)
    if before is None or now == before.guarded:
        return ()
    different = sorted(key for key in {*now, *before.guarded} if now.get(key) != before.guarded.get(key))
    config = os.path.join(folders(work.user)[1], "config")
    for key in different:
        how = (key, before.guarded[key]) if key in before.guarded else ("--unset-all", key)
        Git(work.root, work.keep_open).run("config", "--file", config, *how)
    return tuple(different)


def with_undone(work: Work, before: Before | None, kept: Kept, now: Mapping[str, str] | None = None) -> Kept:
    """The same, after the refs were put back that the run moved and were not its own; `now` is where they all are."""
    named, notes = dict(kept.named), [kept.note]
    if before is not None:
        try:
            done = put_back(_undo(work), before, refs(work.user) if now is None else now, work.refs)
        except AqError as error:
            done, notes = (), [*notes, f"its repository could not be looked through for moved refs: {error}"]
        named["refs_put_back"] = done
        if done:
            notes.append(f"its agent had moved {', '.join(done)}: put back; see refs/aq/rescued/{work.job}/")
    if back := named.get("settings_put_back"):
        notes.append(f"changed in its repository while it ran, and put back: {', '.join(back)}")
    if changed := named.get("altered"):
        notes.append(f"changed in its repository while it ran, and left so: {', '.join(changed)}")
    named = {what: names for what, names in named.items() if names}
    counts: dict[str, object] = {what: len(names) for what, names in named.items()}
    if "refs_put_back" in named:
        counts["refs_put_back"] = list(named["refs_put_back"])
    if journaled := {what: list(named[what][:JOURNALED]) for what in UNSAVED if what in named}:
        counts["named"] = journaled
    return replace(kept, facts={**kept.facts, **counts}, named=named, note="; ".join(filter(None, notes)))


def _undo(work: Work) -> Undo:
    common = folders(work.user)[1]
    worktree = ""
    if work.own:
        try:
            worktree = folders(Git(work.root))[0]
        except GitError:
            worktree = os.path.join(common, "worktrees", os.path.basename(work.root))
    return Undo(work.user, common, worktree, work.job, work.branch)
