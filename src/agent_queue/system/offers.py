"""What this host offers a job: looked up when first asked for, then kept in a cache until `aq doctor --rescan`."""

import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from hashlib import sha256

from agent_queue.system.files import Disk
from agent_queue.system.host import find, version

VERSIONED = ("node", "python", "go", "rust", "java", "docker", "git")
_PROGRAMS = {"python": "python3", "rust": "rustc"}
_OTHER_NAMES = {"x86_64": ("x86_64", "amd64"), "aarch64": ("aarch64", "arm64"), "arm64": ("arm64", "aarch64")}


class HostOffers:
    """Answers `core.capabilities.Lookup`. `engines` maps the name of each engine that is found to its program."""

    def __init__(self, cache: str, disk: Disk, engines: Callable[[], Mapping[str, str]]) -> None:
        self._cache = cache
        self._disk = disk
        self._engines = engines
        self._path = sha256(os.environ.get("PATH", "").encode()).hexdigest()[:16]
        self._known: dict[str, list[str]] | None = None

    def lookup(self, key: str, value: str) -> tuple[str, ...]:
        """What the host offers under a key; for `has` whether it has the tool `value`."""
        if key == "has":
            return (value,) if find(value) else ()
        known = self._load()
        if key not in known:
            known[key] = self._look(key)
            self._disk.put(self._cache, json.dumps({"path": self._path, "known": known}).encode(), durable=False)
        return tuple(known[key])

    def all(self, *, rescan: bool = False) -> dict[str, tuple[str, ...]]:
        """Everything that has a name of its own; `has:TOOL` is looked up when asked for."""
        if rescan:
            self._known = {}
        names = ("os", "arch", "cpus", "mem", "engine", *VERSIONED, *self._engines())
        return {name: self.lookup(name, "") for name in dict.fromkeys(names)}

    def _load(self) -> dict[str, list[str]]:
        if self._known is None:
            try:
                with open(self._cache, "rb") as file:
                    value = json.load(file)
                self._known = value["known"] if value["path"] == self._path else {}
            except (OSError, ValueError, KeyError, TypeError):
                self._known = {}
        return self._known

    def _look(self, key: str) -> list[str]:
        match key:
            case "os":
                return ["linux"] if sys.platform.startswith("linux") else ["mac", "darwin", "macos"]
            case "arch":
                return list(_OTHER_NAMES.get(platform.machine(), (platform.machine(),)))
            case "cpus":
                return [str(os.cpu_count() or 1)]
            case "mem":
                return [str(round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30))]
            case "engine":
                return sorted(self._engines())
        program = self._engines().get(key) or find(_PROGRAMS.get(key, key))
        if program is None:
            return []
        argument = "version" if key == "go" else "--version"
        return [version(program, argument) or "0"]
