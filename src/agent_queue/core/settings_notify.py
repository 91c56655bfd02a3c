"""What a person sets about notices: `[notify] command`."""

from collections.abc import Mapping
from typing import Any

from agent_queue.core.errors import SettingsError
from agent_queue.core.tables import known, text, texts


def notify_command(table: Mapping[str, Any]) -> tuple[str, ...]:
    """The program with its arguments; a text is a line for `/bin/sh`. () for none."""
    known(table, ("command",), "notify.")
    said = table.get("command")
    if said is None:
        return ()
    if isinstance(said, str):
        return ("/bin/sh", "-c", text(said, "notify.command"))
    found = texts(said, "notify.command")
    if not found:
        raise SettingsError("config.toml: notify.command must name a program")
    return found
