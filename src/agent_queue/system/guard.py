"""Keeping an agent from moving the user's refs: hooks of ours that its git runs, by way of its environment.

Refs, stash and configuration are shared between the worktrees of a repository, so `git stash` or `git branch -D` in a
job's worktree would change the user's. The hooks refuse that; any other hook calls the repository's own.
"""

import os

from agent_queue.system.files import Disk

HOOKS = (
    "applypatch-msg", "pre-applypatch", "post-applypatch", "pre-commit", "pre-merge-commit", "prepare-commit-msg",
    "commit-msg", "post-commit", "pre-rebase", "post-checkout", "post-merge", "post-rewrite", "pre-push", "pre-receive",
    "update", "post-receive", "post-update", "reference-transaction", "pre-auto-gc", "sendemail-validate",
)  # fmt: skip
"""All that git knows, but for those whose mere presence changes what git does."""
EXECUTABLE = 0o700
_SOURCE = os.path.join(os.path.dirname(__file__), "guard_hook.sh")


def install(folder: str, disk: Disk) -> None:
    """Have our hooks in this folder. They are the same for every job: what differs is in the environment."""
    with open(_SOURCE, "rb") as file:
        wanted = file.read()
    disk.folder(folder, durable=False)
    for name in HOOKS:
        path = os.path.join(folder, name)
        if _text(path) != wanted or not os.access(path, os.X_OK):
            disk.put(path, wanted, durable=False, mode=EXECUTABLE)


def _text(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def environment(
    folder: str, *, branch: str, refs: tuple[str, ...], repository: str, worktree: str | None
) -> dict[str, str]:
    """What an agent's git needs to run our hooks.

    `refs` are patterns of further refs that it may move; `repository` and `worktree` are git's own folders of both,
    the second None where the job works in the user's checkout.
    """
    return {
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": folder,
        "AQ_GUARD_BRANCH": f"refs/heads/{branch}", "AQ_GUARD_REFS": "\n".join(map(full, refs)),
        "AQ_GUARD_REPOSITORY": os.path.realpath(repository),
        "AQ_GUARD_WORKTREE": os.path.realpath(worktree) if worktree else "", "AQ_GUARD_ENTRY": "0",
    }  # fmt: skip


def full(pattern: str) -> str:
    """A pattern for whole ref names; a short one means branches."""
    return pattern if pattern.startswith("refs/") else f"refs/heads/{pattern}"
