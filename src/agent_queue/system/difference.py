"""What a job changed, as git tells it: its branch against its base, or its worktree while it still runs."""

import os
import subprocess
from dataclasses import dataclass

from agent_queue.core.errors import AqError
from agent_queue.system.git import FLAGS, GitError, environment, own_exclude

LIMIT_S = 600.0
# Programs that a repository's configuration names for showing files are not run: what they say is not what changed.
# Nor is git let into repositories inside: their configuration is an agent's.
PLAIN = ("--no-ext-diff", "--no-textconv", "--submodule=short", "--ignore-submodules=dirty", "--src-prefix=a/",
         "--dst-prefix=b/")  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileDifference:
    """One path. The line counts are None for a binary file."""

    path: str
    added: int | None
    deleted: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`tip` is the job's last commit, '' for the worktree as it is now, with `untracked` files new to git."""

    base: str
    tip: str
    worktree: str
    """Where it works; '' when that is gone."""
    files: tuple[FileDifference, ...]
    untracked: tuple[str, ...]
    text: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How to say it: a summary of this many columns, or every line. Without colour a patch can be applied."""

    patch: bool = False
    colour: bool = False
    columns: int = 80


def difference(folder: str, worktree: str, base: str, tip: str, form: Form) -> Difference:
    """Compare `base` with the commit `tip`, or with the worktree as it is now where `tip` is ''.

    Raises:
        AqError: the commits are not there any more.
    """
    for commit in (base, tip):
        if commit and _git(folder, "cat-file", "-e", f"{commit}^{{commit}}", check=False) is None:
            hint = "its branch was deleted, and git has dropped what only the branch held"
            raise AqError(f"commit {commit[:12]} is not in {folder} any more", hint=hint)
    ends = (base, tip) if tip else (base,)
    how = [f"--stat={form.columns}"] if not form.patch else ["--patch"] if form.colour else ["--patch", "--binary"]
    text = _git(folder, "diff", *PLAIN, f"--color={'always' if form.colour else 'never'}", *how, *ends, "--") or b""
    numbers = _git(folder, "diff", *PLAIN, "--numstat", "-z", "--no-renames", *ends, "--") or b""
    others = b"" if tip else _git(folder, "ls-files", "--others", "--exclude-standard", "-z") or b""
    return Difference(
        base=base, tip=tip, worktree=worktree, files=tuple(map(_counted, _parts(numbers))),
        untracked=tuple(_parts(others)), text=text,
    )  # fmt: skip


def summary(folder: str, base: str, tree: str) -> str:
    """The diffstat of a tree against a commit, its first 40 files; '' when they are the same or one is not there."""
    how = (*PLAIN, "--color=never", "--stat=100,70,40")
    return (_git(folder, "diff", *how, base, tree, "--", check=False) or b"").decode(errors="replace")


def _parts(data: bytes) -> list[str]:
    return [os.fsdecode(part) for part in data.split(b"\0") if part]


def _counted(row: str) -> FileDifference:
    added, deleted, path = row.split("\t", 2)
    return FileDifference(path, int(added) if added.isdigit() else None, int(deleted) if deleted.isdigit() else None)


def _git(folder: str, *arguments: str, check: bool = True) -> bytes | None:
    """Run git for its bytes: a patch must keep its line ends. None when it failed and that is no error."""
    flags = [part for flag in (*FLAGS, *own_exclude(folder)) for part in ("-c", flag)]
    argv = ["git", "-C", folder, *flags, "-c", "core.quotePath=false", *arguments]
    try:
        done = subprocess.run(
            argv, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise GitError(f"git {arguments[0]} in {folder}: no end after {LIMIT_S:.0f} s") from None
    except FileNotFoundError:
        raise GitError("git is not installed", hint="install git; `aq doctor` says what else is missing") from None
    if done.returncode == 0:
        return done.stdout
    if check:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise GitError(f"git {arguments[0]} in {folder}: {last[0]}")
    return None
