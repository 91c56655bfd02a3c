"""The hooks of the how-to on checking job files do what it says."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from .conftest import AQ

HOW_TO = Path(__file__).parents[2] / "docs/how-to/check-job-files.md"


def test_the_hook_of_the_how_to_refuses_a_commit_of_a_bad_job_file(
    repo: Path, git: Callable[..., str], home: Path
) -> None:
    found = re.search(r"```sh\n(#!/bin/sh\n.*?)```", HOW_TO.read_text(), re.DOTALL)
    assert found is not None
    hook = repo / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(found[1])
    program = home / "bin/aq"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {" ".join(AQ)} "$@"\n')
    for path in (hook, program):
        path.chmod(0o755)

    def commit() -> "subprocess.CompletedProcess[str]":
        identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
                    "GIT_COMMITTER_EMAIL": "a@b"}  # fmt: skip
        env = {**os.environ, **identity, "PATH": f"{program.parent}:{os.environ['PATH']}"}
        return subprocess.run(
            ["git", "-C", str(repo), "commit", "-qm", "jobs"], capture_output=True, text=True, env=env
        )

    (repo / "jobs").mkdir()
    (repo / "jobs/two words.md").write_text("---\nengine: shell\ntimeout: soon\n---\ntrue\n")
    git(repo, "add", "-A")
    ran = commit()
    assert ran.returncode != 0
    assert "jobs/two words.md:3:10: timeout: expected a duration" in ran.stdout + ran.stderr
    (repo / "jobs/two words.md").write_text("---\nengine: shell\ntimeout: 5m\n---\ntrue\n")
    (repo / "other.md").write_text("---\ntimeout: soon\n---\n")
    git(repo, "add", "-A")
    ran = commit()
    assert ran.returncode == 0, ran.stderr
    (repo / "other.md").unlink()
    git(repo, "add", "-A")
    assert commit().returncode == 0, "nothing to check is fine"
