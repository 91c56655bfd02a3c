"""Which engines may run a job: the one that it names, or those of its class in order of preference."""

from collections.abc import Mapping

from agent_queue.core.manifest import Manifest

Classes = Mapping[str, tuple[str, ...]]

CLASSES: Classes = {
    "agentic-coder": ("devin", "claude", "codex", "gemini", "qwen", "opencode", "pi", "copilot"),
    "chat-coder": ("copilot",),
}
"""The classes that need no configuration: a class to its engines, the first one that is there is taken."""


def candidates(manifest: Manifest, classes: Classes) -> tuple[str, ...]:
    """The engines to try, best first; () for a job that names neither an engine nor a class that there is."""
    if manifest.engine is not None:
        return (manifest.engine,)
    members = classes.get(manifest.engine_class or "", ())
    preferred = (name for name in manifest.prefers_engine if name in members)
    return tuple(dict.fromkeys((*preferred, *members)))
