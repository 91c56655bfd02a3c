"""What this host offers a job, looked up when first asked for. Versions of programs are kept in a cache.

A version is asked for again when its program is another file, or was written since; and by `aq doctor --rescan`, for
programs that only stand in for others, as those of version managers do. What is not here is looked for every time.
"""

import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any

from agent_queue.system.files import Disk
from agent_queue.system.host import find, version
from agent_queue.system.records import read_object

VERSIONED = ("node", "python", "go", "rust", "java", "docker", "git")
UNKNOWN = "unknown"
"""The version of an engine that does not tell it: it is here, and no comparison holds for it."""
_PROGRAMS = {"python": "python3", "rust": "rustc"}
_ARGUMENTS = {"go": "version", "java": "-version"}
_OTHER_NAMES = {"x86_64": ("x86_64", "amd64"), "aarch64": ("aarch64", "arm64"), "arm64": ("arm64", "aarch64")}

Known = dict[str, list[Any]]
"""By key: the program, when it was written in ns, what it says its version is."""


class HostOffers:
    """Answers `core.capabilities.Lookup`. `engines` maps the name of each engine that is found to its program."""

    def __init__(self, cache: str, disk: Disk, engines: Callable[[], Mapping[str, str]]) -> None:
        self._cache = cache
        self._disk = disk
        self._engines = engines
        self._path = sha256(os.environ.get("PATH", "").encode()).hexdigest()[:16]
        self._known: Known = {}
        self._read_at = -1

    def lookup(self, key: str, value: str) -> tuple[str, ...]:
        """What the host offers under a key; for `has` whether it has the tool `value`."""
        match key:
            case "has":
                return (value,) if find(value) else ()
            case "os":
                return ("linux",) if sys.platform.startswith("linux") else ("mac", "darwin", "macos")
            case "arch":
                return _OTHER_NAMES.get(platform.machine(), (platform.machine(),))
            case "cpus":
                return (str(os.cpu_count() or 1),)
            case "mem":
                return (str(round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)),)
            case "engine":
                return tuple(sorted(self._engines()))
        engine = self._engines().get(key)
        program = engine or find(_PROGRAMS.get(key, key))
        if program is None:
            return ()
        said = self._version(key, program) or (UNKNOWN if engine else "")
        return (said,) if said else ()

    def all(self, *, rescan: bool = False) -> dict[str, tuple[str, ...]]:
        """Everything that has a name of its own; `has:TOOL` is looked up when asked for."""
        if rescan:
            self._keep({})
        names = ("os", "arch", "cpus", "mem", "engine", *VERSIONED, *self._engines())
        return {name: self.lookup(name, "") for name in dict.fromkeys(names)}

    def _version(self, key: str, program: str) -> str:
        """What it says; '' when it says none, or cannot run."""
        self._look_again()
        stamp = [program, _written_ns(program)]
        if self._known.get(key, [])[:2] != stamp:
            said = version(program, _ARGUMENTS.get(key, "--version"))
            self._keep({**self._known, key: [*stamp, said]})
        return str(self._known[key][2])

    def _look_again(self) -> None:
        """Read the cache, if another process wrote it since."""
        written = _written_ns(self._cache)
        if written != self._read_at:
            value = read_object(self._cache) or {}
            self._known = value.get("versions", {}) if value.get("path") == self._path else {}
            self._read_at = written

    def _keep(self, known: Known) -> None:
        self._known = known
        with suppress(OSError):  # without a queue, or in one that may only be read, it is remembered here alone
            self._disk.put(self._cache, json.dumps({"path": self._path, "versions": known}).encode(), durable=False)
        self._read_at = _written_ns(self._cache)


def _written_ns(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
