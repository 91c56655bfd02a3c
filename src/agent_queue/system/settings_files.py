"""Reading config.toml, and finding the queue's root."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from agent_queue.core.errors import SettingsError


def root(flag: str | None, environment: Mapping[str, str]) -> str:
    """Where the queue is: `--root`, else AGENT_QUEUE_ROOT, else the user's data folder."""
    if flag or environment.get("AGENT_QUEUE_ROOT"):
        return os.path.abspath(os.path.expanduser(flag or environment["AGENT_QUEUE_ROOT"]))
    data = environment.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.path.join(os.path.abspath(data), "agent-queue")


def read(path: str) -> Mapping[str, Any]:
    """The tables of a TOML file; none when it is not there.

    Raises:
        SettingsError: it cannot be read, or is no TOML, with the line.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    import tomllib

    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}", hint="it must be TOML; see the configuration reference") from error


def profile_folders(root: str, environment: Mapping[str, str]) -> list[str]:
    """Where a person keeps profiles, in order of search; AGENT_QUEUE_PROFILES may name several, as PATH does."""
    named = (part for part in environment.get("AGENT_QUEUE_PROFILES", "").split(os.pathsep) if part)
    return [os.path.join(root, "profiles"), *(os.path.abspath(os.path.expanduser(part)) for part in named)]


def fingerprint(path: str, profiles: Iterable[str], environment: Mapping[str, str]) -> str:
    """Changes whenever the settings, or the profiles in these folders, may have changed; nothing is read."""
    names = ("AGENT_QUEUE_ENGINE", "AGENT_QUEUE_VERIFY", "AGENT_QUEUE_STALL_MIN", "PATH")
    stamps = [_stamp(path), *(environment.get(name, "") for name in names)]
    for folder in profiles:
        with suppress(OSError):
            stamps += [f"{name}:{_stamp(os.path.join(folder, name))}" for name in sorted(os.listdir(folder))]
    return "|".join(stamps)


def _stamp(path: str) -> str:
    try:
        found = os.stat(path)
    except OSError:
        return "none"
    return f"{found.st_mtime_ns}-{found.st_size}"
