"""Reading config.toml, and finding the queue's root."""

import os
from collections.abc import Mapping
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


def fingerprint(path: str, environment: Mapping[str, str]) -> str:
    """Changes whenever the settings may have changed, without reading them."""
    try:
        found = os.stat(path)
        stamp = f"{found.st_mtime_ns}-{found.st_size}"
    except FileNotFoundError:
        stamp = "none"
    names = ("AGENT_QUEUE_ENGINE", "AGENT_QUEUE_VERIFY", "AGENT_QUEUE_STALL_MIN")
    return "|".join((stamp, *(environment.get(name, "") for name in names)))
