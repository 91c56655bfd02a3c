"""git as the person would type it: with their own settings, identity and log-ins, in a repository of theirs."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from agent_queue.system.git import GitError

LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Said:
    """What git answered, its last line end removed."""

    code: int
    output: str
    errors: str

    @property
    def complaint(self) -> str:
        """The line of its errors that says most."""
        lines = [line for line in self.errors.splitlines() if line.strip()]
        told = [line for line in lines if line.startswith(("fatal: ", "error: ", "remote: error", " ! "))]
        return (told or lines or [f"exit code {self.code}"])[0].strip()


def call(folder: str, *arguments: str, talk: bool = False) -> Said:
    """Run git; with `talk` it may ask the person on the terminal, e.g. for a passphrase.

    Raises:
        GitError: it is not there, or came to no end.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in KEPT}
    quiet: Mapping[str, str] = {} if talk else {"GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", folder, *arguments], env={**env, **quiet, "LC_ALL": "C.UTF-8"}, capture_output=True,
            stdin=None if talk else subprocess.DEVNULL, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise GitError(f"git {arguments[0]} in {folder}: no end after {LIMIT_S:.0f} s") from None
    except FileNotFoundError:
        raise GitError("git is not installed", hint="install git; `aq doctor` says what else is missing") from None
    texts = [os.fsdecode(text).removesuffix("\n") for text in (done.stdout, done.stderr)]
    return Said(done.returncode, *texts)


def identity(folder: str) -> dict[str, str]:
    """The person's name and address as git's variables; {} where git knows none."""
    names = {kind: call(folder, "config", f"user.{kind}").output for kind in ("name", "email")}
    if not all(names.values()):
        return {}
    return {f"GIT_{who}_{kind.upper()}": text for who in ("AUTHOR", "COMMITTER") for kind, text in names.items()}


KEPT = frozenset(("GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM"))
"""Variables that say who the person is and how they log in; the others would point git elsewhere."""
