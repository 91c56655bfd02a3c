"""Where the demonstration is played: a temporary folder with a queue and a repository, `aq` and git."""

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent_queue.core.errors import EXIT_OK, AqError, UnavailableError
from agent_queue.demo.story import CONFIGURATION, REPOSITORY, SCENES

LIMIT_S = 30.0
WHO = {
    "GIT_AUTHOR_NAME": "Demo", "GIT_AUTHOR_EMAIL": "demo@localhost", "GIT_COMMITTER_NAME": "Demo",
    "GIT_COMMITTER_EMAIL": "demo@localhost", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
}  # fmt: skip


class Theatre:
    """One demonstration's folder. HOME, the user's queue and the user's git configuration are left alone."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "queue"
        self.repository = folder / "shop"
        self.jobs = folder / "jobs"
        self.log = folder / "aq-run.log"
        self.mark = secrets.token_hex(8)
        self.ids: dict[str, str] = {}
        """Name of the scene to job id."""
        foreign = ("AGENT_QUEUE_", "AQ_", "GIT_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self._environment = {**kept, "AGENT_QUEUE_ROOT": str(self.root), "AQ_DEMO": self.mark}

    def build(self) -> None:
        """Make the repository and the job files.

        Raises:
            UnavailableError: git is not installed.
        """
        if shutil.which("git") is None:
            raise UnavailableError("the demonstration needs git", hint="`aq doctor` says what else is missing")
        self.repository.mkdir()
        for name, text in REPOSITORY.items():
            (self.repository / name).write_text(text)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message=Open the shop")
        self.jobs.mkdir()
        for scene in SCENES:
            (self.jobs / f"{scene.name}.md").write_text(scene.text(str(self.repository)))

    def open_queue(self) -> None:
        """`aq init`, with a configuration, and `aq add` for all but what will be dropped by hand."""
        self.aq("init")
        (self.root / "config.toml").write_text(CONFIGURATION)
        files = [str(self.jobs / f"{scene.name}.md") for scene in SCENES if not scene.by_hand]
        added = json.loads(self.aq("add", "--json", *files))["added"]
        self.ids = {Path(item["source"]).stem: item["job"] for item in added}

    def drop_by_hand(self) -> str:
        """Copy what no `aq add` brought into the inbox; returns what a person would have typed."""
        files = [self.jobs / f"{scene.name}.md" for scene in SCENES if scene.by_hand]
        for file in files:
            shutil.copy(file, self.root / "inbox")
            self.ids[file.stem] = file.stem
        return f"cp {' '.join(f'jobs/{file.name}' for file in files)} queue/inbox/"

    def aq(self, *arguments: str, fine: tuple[int, ...] = (EXIT_OK,)) -> str:
        """Run `aq` to its end and return what it printed.

        Raises:
            AqError: it ended with a code that is not among the `fine` ones.
        """
        done = subprocess.run(
            self.command(*arguments), env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=LIMIT_S, check=False,
        )  # fmt: skip
        if done.returncode not in fine:
            raise AqError(f"`aq {shlex.join(arguments)}` ended with exit code {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def start(self) -> subprocess.Popen[bytes]:
        """`aq run --once`, with what it says going to a log."""
        with self.log.open("wb") as log:
            command = self.command("run", "--once", "--slots", str(len(SCENES)))
            return subprocess.Popen(command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def command(self, *arguments: str) -> list[str]:
        """`aq` of this very installation."""
        return [sys.executable, "-m", "agent_queue", *arguments]

    def git(self, *arguments: str) -> str:
        """Run git in the repository and return what it printed.

        Raises:
            AqError: it ended with another code than 0.
        """
        done = subprocess.run(
            ["git", "-C", str(self.repository), *arguments], env={**self._environment, **WHO}, capture_output=True,
            text=True, stdin=subprocess.DEVNULL, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        if done.returncode:
            raise AqError(f"git {arguments[0]} in the demonstration: {done.stderr.strip()}")
        return done.stdout

    def status(self) -> Mapping[str, Any]:
        """What `aq status --json` says."""
        found: Mapping[str, Any] = json.loads(self.aq("status", "--json"))
        return found

    def job(self, name: str) -> Mapping[str, Any]:
        """What `aq show --json` says about a scene's job."""
        found: Mapping[str, Any] = json.loads(self.aq("show", "--json", self.ids[name]))
        return found
