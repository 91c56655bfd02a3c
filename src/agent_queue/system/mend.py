"""Mending the link between a job's worktree and its repository, after a power cut or an agent broke it.

git flushes none of the files by which it knows a worktree, so a power cut may empty them, and an agent may have deleted
them or begun a repository of its own in their place. What lies in the folder is the job's work in any case.
"""

import os
from contextlib import suppress

REASON = "an agent-queue job works here"
"""Written by git into the lock of each worktree of ours, before anything else of it."""
OPENED = "aq-opened"
"""In git's own folder of a worktree once that was handed to a job: what lies in its files is work from then on."""
LINK = "gitdir: "


def mend(path: str, common: str, branch: str) -> str | None:
    """Have git know the worktree at `path` again; what was mended, '' when nothing had to be.

    None when no file of the job's lies there. `common` is the repository's own folder. HEAD is only written where it
    was lost.
    """
    if not holds_work(path):
        return None
    link = os.path.join(path, ".git")
    record = _record(link, path, common)
    wanted = {
        link: f"{LINK}{record}", os.path.join(record, "gitdir"): link, os.path.join(record, "commondir"): "../..",
        os.path.join(record, "HEAD"): f"ref: refs/heads/{branch}",
    }  # fmt: skip
    if all(text(name) for name in wanted) and text(link) == wanted[link]:
        return ""
    told = f"the link of {path} to its repository was broken and is mended"
    if os.path.isdir(link) and not os.path.islink(link):
        aside = _free(f"{path}.git")
        os.replace(link, aside)
        told += f"; the repository that had been made there is at {aside}"
    os.makedirs(record, exist_ok=True)
    for name, said in {**wanted, os.path.join(record, "locked"): REASON, os.path.join(record, OPENED): ""}.items():
        if not text(name) or name == link:
            put(name, f"{said}\n" if said else "")
    return told


def holds_work(path: str) -> bool:
    """True for a folder that holds more than the link that git makes first."""
    return os.path.isdir(path) and any(name != ".git" for name in os.listdir(path))


def _record(link: str, path: str, common: str) -> str:
    """git's own folder of this worktree: the one it links to, the one that links to it, or one yet to be made."""
    records = os.path.join(common, "worktrees")
    linked = text(link).removeprefix(LINK)
    if (
        os.path.dirname(linked) == records
        and os.path.isdir(linked)
        and text(os.path.join(linked, "gitdir")) in (link, "")
    ):
        return linked
    names = sorted(os.listdir(records)) if os.path.isdir(records) else []
    for name in names:
        if text(os.path.join(records, name, "gitdir")) == link:
            return os.path.join(records, name)
    own = os.path.join(records, os.path.basename(path))
    lost = os.path.isdir(own) and not text(os.path.join(own, "gitdir"))
    return own if lost else _free(own)


def _free(path: str) -> str:
    number = 1
    while os.path.lexists(path if number == 1 else f"{path}{number}"):
        number += 1
    return path if number == 1 else f"{path}{number}"


def put(path: str, text: str) -> None:
    """Write a file of git's as a whole, onto the disk: half of one would be another broken link."""
    temporary = f"{path}.aq-{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    with open(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def elsewhere(path: str, common: str) -> str:
    """The repository that a healthy worktree at `path` belongs to, where that is another one; '' otherwise."""
    link = os.path.join(path, ".git")
    record = text(link).removeprefix(LINK)
    healthy = record and text(os.path.join(record, "gitdir")) == link
    return (
        os.path.dirname(os.path.dirname(record)) if healthy and os.path.dirname(record) != f"{common}/worktrees" else ""
    )


def text(path: str) -> str:
    """What a small file says; '' when it is not there, or a power cut left nothing of it."""
    with suppress(OSError), open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read().strip().strip("\0")
    return ""
