"""Puts an agent program of a pinned version into a folder of the user's cache, once."""

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

# Read at import: every test changes HOME and XDG_*, and npm needs the person's own settings to find its registry.
ENVIRONMENT = dict(os.environ)
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
if os.path.exists(CERTIFICATES):  # node has a list of its own, and does not know who else is trusted on this machine
    ENVIRONMENT.setdefault("NODE_EXTRA_CA_CERTS", CERTIFICATES)
CACHE = Path(ENVIRONMENT.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agent-queue-tests" / "engines"

UNREACHABLE = frozenset(
    ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH",
     "ERR_SOCKET_TIMEOUT", "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
     "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "DEPTH_ZERO_SELF_SIGNED_CERT")
)  # fmt: skip
"""The codes with which npm says that it could not talk to its registry, or not to one that it may trust."""
LONGEST_S = 600


@dataclass(frozen=True)
class Package:
    """An agent program, as npm has it."""

    name: str
    version: str
    program: str
    node: int = 0
    """The least Node.js that it runs with; 0 for a program that brings its own."""

    @property
    def folder(self) -> Path:
        return CACHE / f"{self.program}-{self.version}-{sys.platform}-{platform.machine()}"


def installed(package: Package) -> Path:
    """The folder that holds the program; installs it where it is missing. Skips the test that asks where npm cannot."""
    folder, npm = package.folder, shutil.which("npm")
    if node() < package.node:
        pytest.skip(f"{package.program} needs Node.js {package.node}, and this machine has {node() or 'none'}")
    marker = folder / "complete"
    if npm is None and not marker.exists():
        pytest.skip(f"npm is not installed, so {package.program} cannot be fetched (apt-get install npm)")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if npm is not None and not marker.exists():
            shutil.rmtree(folder, ignore_errors=True)
            fetch(package, npm, folder)
            marker.touch()  # last: a folder without it is begun anew
    return folder / "node_modules" / ".bin"


def node() -> int:
    """The major version of the Node.js that is here, 0 for none."""
    found = shutil.which("node")
    said = subprocess.run([found, "--version"], capture_output=True, text=True).stdout if found else ""
    version = re.match(r"v(\d+)\.", said)
    return int(version[1]) if version else 0


def fetch(package: Package, npm: str, folder: Path) -> None:
    """Install, and see that the program starts: npm also ends well without the part that is for this platform."""
    folder.mkdir()
    options = ("--no-save", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=60000")
    command = [npm, "install", "--prefix", str(folder), *options, f"{package.name}@{package.version}"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=LONGEST_S, cwd=folder)
    if done.returncode:
        code = re.search(r"npm (?:error|ERR!) code (\S+)", done.stderr)
        if code and code[1] in UNREACHABLE:
            pytest.skip(f"npm cannot reach its registry ({code[1]}), so {package.program} cannot be fetched")
        pytest.fail(f"{package.name}@{package.version} could not be installed:\n{done.stderr[-3000:]}", pytrace=False)
    program = folder / "node_modules" / ".bin" / package.program
    alone = {**ENVIRONMENT, "HOME": str(folder)}
    told = subprocess.run([program, "--version"], env=alone, capture_output=True, text=True, timeout=60)
    assert package.version in told.stdout + told.stderr, told
