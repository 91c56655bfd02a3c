"""Puts an agent program of a pinned version into a folder of the user's cache, once: from npm or from PyPI."""

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

HOME = Path(ENVIRONMENT.get("HOME", "/"))

UNREACHABLE = frozenset(
    ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH",
     "ERR_SOCKET_TIMEOUT", "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
     "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "DEPTH_ZERO_SELF_SIGNED_CERT")
)  # fmt: skip
"""The codes with which npm says that it could not talk to its registry, or not to one that it may trust."""
NO_INDEX = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ReadTimeoutError", "SSLError",
            "ProxyError", "Failed to fetch", "dns error")  # fmt: skip
"""With these words pip and uv say the same of theirs."""
LONGEST_S = 900


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


@dataclass(frozen=True)
class PythonPackage(Package):
    """One that PyPI has, and what it lacks of its own."""

    python: str = "3.12"
    with_: tuple[str, ...] = ()


def installed_from_pypi(package: PythonPackage) -> Path:
    """The folder that holds the program, in an environment of its own. Skips the test where it cannot be had."""
    folder, python = package.folder, interpreter(package.python)
    if python is None:
        pytest.skip(f"{package.program} needs Python {package.python} with venv and pip, and this machine has none")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            fetch_from_pypi(package, python, folder)
            (folder / "complete").touch()
    return folder / "bin"


def interpreter(version: str) -> str | None:
    """One that starts: a version manager may have a name on PATH with nothing behind it."""
    named = [shutil.which(f"python{version}"), *map(str, HOME.glob(f".pyenv/versions/{version}.*/bin/python"))]
    asks = ("-c", "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])")
    for one in filter(None, named):
        said = subprocess.run([one, *asks], env=ENVIRONMENT, capture_output=True, text=True, timeout=60).stdout
        if said.strip() == version:
            return one
    return None


def fetch_from_pypi(package: PythonPackage, python: str, folder: Path) -> None:
    wanted = [f"{package.name}=={package.version}", *package.with_]
    uv = shutil.which("uv")
    install = [uv, "pip", "install", "--python", f"{folder}/bin/python"] if uv else [f"{folder}/bin/pip", "install"]
    for command in ([python, "-m", "venv", str(folder)], [*install, "--quiet", *wanted]):
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=LONGEST_S)
        if done.returncode:
            if any(word in done.stderr for word in NO_INDEX):
                pytest.skip(f"PyPI cannot be reached, so {package.program} cannot be fetched")
            pytest.fail(f"{wanted[0]} could not be installed:\n{done.stderr[-3000:]}", pytrace=False)


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
