"""Which adapter an engine's name means: one of ours, one of an installed package, or `module:Class`."""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_queue.ports import Engine

ENGINES = {
    "claude": "agent_queue.engines.claude:Claude",
    "codex": "agent_queue.engines.codex:Codex",
    "copilot": "agent_queue.engines.copilot:Copilot",
    "devin": "agent_queue.engines.devin:Devin",
    "gemini": "agent_queue.engines.gemini:Gemini",
    "opencode": "agent_queue.engines.opencode:OpenCode",
    "pi": "agent_queue.engines.pi:Pi",
    "qwen": "agent_queue.engines.qwen:Qwen",
    "shell": "agent_queue.engines.shell:Shell",
}


def load(name: str) -> "Engine | None":
    """The adapter of this name; None when there is none."""
    return _made(ENGINES.get(name) or _entry_point(name) or name)


def _entry_point(name: str) -> str | None:
    from importlib.metadata import entry_points

    found = [entry.value for entry in entry_points(group="agent_queue.engines") if entry.name == name]
    return found[0] if found else None


def _made(target: str) -> "Engine | None":
    from importlib import import_module

    module, _, name = target.partition(":")
    if not name:
        return None
    sys.path.append(os.getcwd())
    try:
        engine: Engine = getattr(import_module(module), name)()
    except (ImportError, AttributeError, TypeError, SyntaxError, ValueError):
        return None
    finally:
        sys.path.pop()
    return engine
