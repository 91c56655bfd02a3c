"""Descriptions that vendors publish, and what reads them: fetched once from npm and PyPI, and kept in the cache."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ENVIRONMENT = dict(os.environ)
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
if os.path.exists(CERTIFICATES):  # node has a list of its own, and does not know who else is trusted on this machine
    ENVIRONMENT.setdefault("NODE_EXTRA_CA_CERTS", CERTIFICATES)
CACHE = Path(ENVIRONMENT.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agent-queue-tests"


def fetched(name: str, of_npm: str, of_pypi: str) -> Path:
    """The folder with both: `node_modules/` and `python/`. Skips the test where they cannot be had."""
    folder, npm = CACHE / name / f"{of_npm}+{of_pypi}".replace("/", "_"), shutil.which("npm")
    marker = folder / "complete"
    if not marker.exists():
        if npm is None:
            pytest.skip(f"npm is not installed, so {of_npm} cannot be fetched")
        folder.mkdir(parents=True, exist_ok=True)
        for command in (
            [npm, "install", "--prefix", str(folder), "--no-save", "--no-audit", "--no-fund", "--ignore-scripts",
             of_npm],
            [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder / "python"), of_pypi],
        ):  # fmt: skip
            done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, cwd=folder)
            if done.returncode:
                pytest.skip(f"{command[-1]} cannot be fetched: {done.stderr[-300:]}")
        marker.touch()
    return folder
