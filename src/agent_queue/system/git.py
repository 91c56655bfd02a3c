"""Running git so that nothing of the user's is touched on the way: no hooks, daemons or prompts, all on the disk."""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO

from agent_queue.core.errors import AqError
from agent_queue.system import kernel

LIMIT_S = 60.0
# Every object and ref is flushed. An index is not: it can be made again from a commit, and is when it is found torn.
FLAGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.fsync=all,-index",
    "core.splitIndex=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    "advice.addEmbeddedRepo=false",
)
DUBIOUS = "dubious ownership"
"""What git says of a repository of another user, which it does not go into unless a person allows it."""
EXCLUDE = "aq-exclude"
"""In git's own folder of a worktree: what is left out of commits there, because it is no job's work."""
IDENTITY = {
    "GIT_AUTHOR_NAME": "agent-queue",
    "GIT_AUTHOR_EMAIL": "aq@localhost",
    "GIT_COMMITTER_NAME": "agent-queue",
    "GIT_COMMITTER_EMAIL": "aq@localhost",
}


class GitError(AqError):
    """git refused; the text is its own first complaint."""


@dataclass(frozen=True, slots=True)
class Git:
    """git in one folder. Its processes hold the files `keep_open`, so that a job's lock outlives us in them."""

    folder: str
    keep_open: tuple[int, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[tuple[str, str], ...] = ()
    """Further settings of its configuration, key and value: they outrank every file of it."""

    def run(self, *arguments: str, limit_s: float = LIMIT_S, given: bytes = b"") -> str:
        """Run git, with `given` on its stdin, and return what it printed, without the last newline.

        Raises:
            GitError: it ended with another code than 0, ran too long, or is not there.
        """
        return os.fsdecode(self.read(*arguments, limit_s=limit_s, given=given)).removesuffix("\n")

    def read(self, *arguments: str, limit_s: float = LIMIT_S, given: bytes = b"") -> bytes:
        """Run git and return what it printed, to the byte: names may hold any line end.

        Raises:
            GitError: as `run`.
        """
        code, output, errors = self._finished(self._started(arguments, given), arguments, given, limit_s)
        if code:
            raise self._error(arguments, code, errors)
        return output

    def together(self, *calls: Sequence[str], limit_s: float = LIMIT_S) -> list[tuple[bytes, list[str]]]:
        """Run several at once that only read; what each printed, and its warnings, in their order.

        Raises:
            GitError: as `run`.
        """
        with ExitStack() as running:
            asked = [running.enter_context(self.beside(*call, limit_s=limit_s)) for call in calls]
            return [told() for told in asked]

    @contextmanager
    def beside(self, *arguments: str, limit_s: float = LIMIT_S) -> Iterator[Callable[[], tuple[bytes, list[str]]]]:
        """Run git where it only reads, while we go on; what it yields gives, once, what git printed and its warnings.

        Raises:
            GitError: as `run`, when that is called.
        """
        with ExitStack() as ending:
            if memory := kernel.memory_file():  # what git prints need not wait in a pipe until it is asked for
                ending.enter_context(memory)
            process = self._started(arguments, b"", memory or subprocess.PIPE)
            ending.callback(_ended, process)

            def told() -> tuple[bytes, list[str]]:
                code, output, errors = self._finished(process, arguments, b"", limit_s)
                if code:
                    raise self._error(arguments, code, errors)
                if memory:
                    memory.seek(0)
                    output = memory.read()
                return output, _said(errors, "warning: ")

            yield told

    def attempt(self, *arguments: str, limit_s: float = LIMIT_S, given: bytes = b"") -> list[str]:
        """Run git where exit code 1 means that only a part could be done; returns its complaints about the rest.

        Raises:
            GitError: as `run`, but for exit code 1.
        """
        code, _, errors = self._finished(self._started(arguments, given), arguments, given, limit_s)
        if code not in (0, 1):
            raise self._error(arguments, code, errors)
        return _said(errors, "error: ")

    def merge_tree(self, one: str, other: str) -> tuple[str, list[str]]:
        """The tree of a merge of two commits, and the paths in conflict. No work tree and no ref is touched.

        Raises:
            GitError: they cannot be merged at all, or git is older than 2.38.
        """
        arguments = ("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", one, other)
        code, output, errors = self._finished(self._started(arguments, b""), arguments, b"", LIMIT_S)
        if code not in (0, 1):
            raise self._error(arguments, code, errors)
        tree, *paths = os.fsdecode(output).rstrip("\0").split("\0")
        return tree, paths

    def ask(self, *arguments: str, given: bytes = b"") -> str | None:
        """Run git; what it printed, or None when it ended with another code than 0."""
        code, output, _ = self._finished(self._started(arguments, given), arguments, given, LIMIT_S)
        return None if code else os.fsdecode(output).removesuffix("\n")

    def _error(self, arguments: Sequence[str], code: int, errors: bytes) -> GitError:
        lines = os.fsdecode(errors).strip().splitlines() or [f"exit code {code}"]
        told = next((line for line in lines if line.startswith(("fatal: ", "error: "))), lines[-1])
        hint = f"if you trust it: git config --global --add safe.directory {self.folder}" if DUBIOUS in told else ""
        return GitError(f"git {_command(arguments)} in {self.folder}: {told}", hint=hint)

    def _started(
        self, arguments: Sequence[str], given: bytes, output: IO[bytes] | int = subprocess.PIPE
    ) -> "subprocess.Popen[bytes]":
        flags = [part for flag in (*FLAGS, *own_exclude(self.folder)) for part in ("-c", flag)]
        try:
            return subprocess.Popen(
                ["git", "-C", self.folder, *flags, *arguments],
                env={**environment(), **self.env, **_settings(self.settings)},
                stdin=subprocess.PIPE if given else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                pass_fds=self.keep_open,
            )
        except FileNotFoundError:
            raise GitError("git is not installed", hint="install git; `aq doctor` says what else is missing") from None

    def _finished(
        self, process: "subprocess.Popen[bytes]", arguments: Sequence[str], given: bytes, limit_s: float
    ) -> tuple[int, bytes, bytes]:
        with process:
            try:
                output, errors = process.communicate(given or None, timeout=limit_s)
            except subprocess.TimeoutExpired:
                process.kill()
                told = f"git {_command(arguments)} in {self.folder}: no end after {limit_s:.0f} s"
                raise GitError(told) from None
        return process.returncode, output or b"", errors


def lines(told: str) -> list[str]:
    """The lines of what git says, but for empty ones: names and messages hold what Python ends a line at as well."""
    return [line for line in told.split("\n") if line]


def _ended(process: "subprocess.Popen[bytes]") -> None:
    """End one whose result nobody has asked for, as something else went wrong."""
    if process.returncode is None:
        process.kill()
        with process:
            pass


def _settings(settings: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """As variables, not as `-c name=value`: a key may hold a `=`."""
    found = {f"GIT_CONFIG_KEY_{number}": key for number, (key, _) in enumerate(settings)}
    found |= {f"GIT_CONFIG_VALUE_{number}": value for number, (_, value) in enumerate(settings)}
    return {**found, "GIT_CONFIG_COUNT": str(len(settings))} if settings else {}


def _said(errors: bytes, kind: str) -> list[str]:
    return [line.removeprefix(kind) for line in os.fsdecode(errors).splitlines() if line.startswith(kind)]


def _command(arguments: Sequence[str]) -> str:
    return next((word for word in arguments if not word.startswith("-")), "")


def environment() -> dict[str, str]:
    """Our environment without what would point git elsewhere, and with an identity that is not the user's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, **IDENTITY, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}


def own_exclude(folder: str) -> tuple[str, ...]:
    """The setting that has git leave out what was put into this worktree; () where nothing was."""
    try:
        with open(os.path.join(folder, ".git"), encoding="utf-8", errors="surrogateescape") as file:
            path = os.path.join(folder, file.read().strip().removeprefix("gitdir: "), EXCLUDE)
    except OSError:
        return ()
    return (f"core.excludesFile={path}",) if os.path.exists(path) else ()


def repository(folder: str) -> str | None:
    """The top of the work tree that holds `folder`, told by looking for `.git`; no process is started."""
    here = os.path.realpath(folder)
    while True:
        if os.path.lexists(os.path.join(here, ".git")):
            return here
        above = os.path.dirname(here)
        if above == here:
            return None
        here = above


def bare(folder: str) -> bool:
    """True in a repository without a work tree, told by what lies there; no process is started."""
    here = os.path.realpath(folder)
    while True:
        if all(os.path.exists(os.path.join(here, name)) for name in ("HEAD", "objects", "refs", "config")):
            return True
        above = os.path.dirname(here)
        if above == here:
            return False
        here = above
