"""Which adapter an engine's name means: one of ours, one of an installed package, or `module:Class`."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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


def load(name: str, tell: Callable[[str], None] = lambda _: None) -> "Engine | None":
    """The adapter of this name; None when there is none. `tell` hears why one that is there cannot be used."""
    adapter = found(name, ENGINES, "agent_queue.engines", tell)
    if adapter is None:
        return None
    from agent_queue.ports import Engine

    engine = _tried(adapter, name, tell)
    wanted = {*Engine.__annotations__, *(member for member in vars(Engine) if not member.startswith("_"))}
    lacking = sorted(member for member in wanted if not hasattr(engine, member))
    if engine is not None and lacking:
        tell(f"{name} is no engine: it has no {', '.join(lacking)}")
    return None if lacking else engine


def found(name: str, ours: Mapping[str, str], group: str, tell: Callable[[str], None] = lambda _: None) -> Any:
    """The class that a name means: one of ours, an entry point's, or `module:Class`; None when there is none."""
    module, _, member = (ours.get(name) or _entry_point(name, group) or name).partition(":")
    if not member:
        return None
    from importlib import import_module

    with _here_as_well():
        meant = getattr(_tried(lambda: import_module(module), name, tell), member, None)
    return meant if isinstance(meant, type) else None


@contextmanager
def _here_as_well() -> Iterator[None]:
    """Modules of the current folder can be imported meanwhile, after all others."""
    try:
        here = os.getcwd()
    except FileNotFoundError:
        here = ""  # it was removed: nothing can be imported from it
    added = here not in sys.path
    sys.path += [here] if added else []
    try:
        yield
    finally:
        if added:
            sys.path.remove(here)


def _tried(deed: Callable[[], Any], name: str, tell: Callable[[str], None]) -> Any:
    """What an outsider's code gives; None when it fails, in whatever way: a job's file may name any module."""
    try:
        return deed()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it may raise anything, and is one engine's trouble alone
        tell(f"{name} cannot be loaded: {type(error).__name__}: {error}")
        return None


def _entry_point(name: str, group: str) -> str | None:
    from importlib.metadata import entry_points

    found = [entry.value for entry in entry_points(group=group) if entry.name == name]
    return found[0] if found else None
