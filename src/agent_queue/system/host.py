"""What this machine offers: programs, who we are, what a child may see of our environment."""

import fnmatch
import functools
import glob
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping

from agent_queue.ports import Host

LARGEST_SIDE_FILE = 256 << 20

INHERITED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TZ", "TERM", "TMPDIR", "XDG_*", "SSH_AUTH_SOCK",
    "http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
)  # fmt: skip
"""Variables that any agent, verify or setup command may see; `*` matches any ending."""


def host() -> Host:
    """This machine, as far as a command depends on it."""
    return Host(is_root=os.geteuid() == 0, system="linux" if sys.platform.startswith("linux") else sys.platform)


def find(name: str, path: str | None = None) -> str | None:
    """A program by name on PATH, or by path; absolute, None when it is not there or not executable."""
    found = shutil.which(os.path.expanduser(name), path=path)
    return os.path.abspath(found) if found else None


def child_environment(environment: Mapping[str, str], patterns: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """What of our environment a child sees, and the names of what it does not."""
    allowed = _any_of((*INHERITED, *patterns))
    kept = {name: value for name, value in environment.items() if allowed(name)}
    return kept, sorted(environment.keys() - kept.keys())


@functools.cache
def _any_of(patterns: tuple[str, ...]) -> Callable[[str], object]:
    # One expression for all: trying them one by one was a tenth of the supervisor's work on a job.
    return re.compile("|".join(map(fnmatch.translate, patterns))).match


def version(program: str, argument: str = "--version") -> str:
    """The first line that a program prints for `--version` (or `argument`).

    '' when it says nothing within ten seconds, or ends with a failure: what it prints then is no version.
    """
    try:
        done = subprocess.run(
            [program, argument], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=10, check=False, env=child_environment(os.environ, ())[0],
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return lines[0].strip() if lines and done.returncode == 0 else ""


def side_files(pattern: str) -> list[tuple[str, bytes]]:
    """The files that match a glob, oldest first, each no larger than is sensible to read at once."""
    found: list[tuple[str, bytes]] = []
    for path in sorted(glob.glob(pattern), key=os.path.getmtime):
        if os.path.getsize(path) <= LARGEST_SIDE_FILE:
            with open(path, "rb") as file:
                found.append((path, file.read()))
    return found
