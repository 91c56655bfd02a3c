"""Running git so that nothing of the user's is touched on the way: no hooks, daemons or prompts, all on the disk."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent_queue.core.errors import AqError

LIMIT_S = 60.0
FLAGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.fsync=all",
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    "advice.addEmbeddedRepo=false",
)
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

    def run(self, *arguments: str, limit_s: float = LIMIT_S) -> str:
        """Run git and return what it printed, without the last newline.

        Raises:
            GitError: it ended with another code than 0, ran too long, or is not there.
        """
        code, output, errors = self._call(arguments, limit_s)
        if code:
            raise self._error(arguments, code, errors)
        return output.removesuffix("\n")

    def attempt(self, *arguments: str, limit_s: float = LIMIT_S) -> list[str]:
        """Run git where exit code 1 means that only a part could be done; returns its complaints about the rest.

        Raises:
            GitError: as `run`, but for exit code 1.
        """
        code, _, errors = self._call(arguments, limit_s)
        if code not in (0, 1):
            raise self._error(arguments, code, errors)
        return [line.removeprefix("error: ") for line in errors.splitlines() if line.startswith("error: ")]

    def ask(self, *arguments: str) -> str | None:
        """Run git; what it printed, or None when it ended with another code than 0."""
        code, output, _ = self._call(arguments, LIMIT_S)
        return None if code else output.removesuffix("\n")

    def _error(self, arguments: Sequence[str], code: int, errors: str) -> GitError:
        lines = errors.strip().splitlines() or [f"exit code {code}"]
        told = next((line for line in lines if line.startswith(("fatal: ", "error: "))), lines[-1])
        return GitError(f"git {arguments[0]} in {self.folder}: {told}")

    def _call(self, arguments: Sequence[str], limit_s: float) -> tuple[int, str, str]:
        flags = [part for flag in FLAGS for part in ("-c", flag)]
        try:
            done = subprocess.run(
                ["git", "-C", self.folder, *flags, *arguments],
                env={**environment(), **self.env},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="surrogateescape",
                timeout=limit_s,
                check=False,
                pass_fds=self.keep_open,
            )
        except subprocess.TimeoutExpired:
            raise GitError(f"git {arguments[0]} in {self.folder}: no end after {limit_s:.0f} s") from None
        except FileNotFoundError:
            raise GitError("git is not installed", hint="install git; `aq doctor` says what else is missing") from None
        return done.returncode, done.stdout, done.stderr


def environment() -> dict[str, str]:
    """Our environment without what would point git elsewhere, and with an identity that is not the user's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, **IDENTITY, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}


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
