"""Which adapter an engine's name means: one of ours, one of an installed package, or `module:Class`."""

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_queue.ports import Engine

ENGINES = {
    "aider": "agent_queue.engines.aider:Aider",
    "claude": "agent_queue.engines.claude:Claude",
    "codex": "agent_queue.engines.codex:Codex",
    "copilot": "agent_queue.engines.copilot:Copilot",
    "devin": "agent_queue.engines.devin:Devin",
    "gemini": "agent_queue.engines.gemini:Gemini",
    "mini": "agent_queue.engines.mini:Mini",
    "opencode": "agent_queue.engines.opencode:OpenCode",
    "openhands": "agent_queue.engines.openhands:OpenHands",
    "pi": "agent_queue.engines.pi:Pi",
    "qwen": "agent_queue.engines.qwen:Qwen",
    "shell": "agent_queue.engines.shell:Shell",
}


def load(name: str) -> "Engine | None":
    """The adapter of this name; None when there is none."""
    adapter = found(name, ENGINES, "agent_queue.engines")
    try:
        engine: Engine | None = adapter() if adapter is not None else None
    except (TypeError, ValueError):
        return None
    return engine


def found(name: str, ours: Mapping[str, str], group: str) -> Any:
    """The class that a name means: one of ours, an entry point's, or `module:Class`; None when there is none."""
    module, _, member = (ours.get(name) or _entry_point(name, group) or name).partition(":")
    if not member:
        return None
    from importlib import import_module

    sys.path.append(os.getcwd())
    try:
        return getattr(import_module(module), member)
    except (ImportError, AttributeError, TypeError, SyntaxError, ValueError):
        return None
    finally:
        sys.path.pop()


def _entry_point(name: str, group: str) -> str | None:
    from importlib.metadata import entry_points

    found = [entry.value for entry in entry_points(group=group) if entry.name == name]
    return found[0] if found else None
