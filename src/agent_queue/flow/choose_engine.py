"""Which agent program runs a job: the one it names, the first of its class, or a fallback while those are closed."""

from dataclasses import dataclass, replace

from agent_queue.core.engine_class import candidates
from agent_queue.core.job import Result
from agent_queue.core.manifest import Manifest
from agent_queue.core.outcome import Refused
from agent_queue.core.settings import engine_settings
from agent_queue.flow.tools import Tools
from agent_queue.ports import Engine


@dataclass(frozen=True, slots=True)
class Chosen:
    """An adapter under the name that the job or its class gives it, and its program on this machine."""

    name: str
    engine: Engine
    program: str
    instead: bool = False
    """It stands in for the engine that the job names: the job's `model` and `args` are not meant for it."""
    closed: bool = False
    """No engine takes the job just now: this is the one it would go to."""


def choose(manifest: Manifest, tools: Tools, *, admitted: str = "") -> Chosen | Refused:
    """Find the engine; refused with what was looked for, and how to get it.

    `admitted`: the one that the job was let in for a moment ago, and whose lane may have closed behind it.
    """
    names, closed = candidates(manifest, tools.settings.classes), {*tools.closed_lanes(), *tools.lanes.closed()}
    closed -= {admitted}
    waits: Chosen | None = None
    missing: list[str] = []
    for name in names:
        found = _look(name, tools)
        if isinstance(found, str):
            missing.append(found)
        elif name not in closed:
            return found
        else:
            waits = waits or replace(found, closed=True)
    if waits is None:
        known = ", ".join(sorted(tools.settings.classes))
        reason = "; ".join(missing) or f"no engine class is called {manifest.engine_class}; there are {known}"
        return Refused(result=Result.NO_ENGINE, reason=reason)
    for name in manifest.fallback:
        found = _look(name, tools) if name not in closed else ""
        if isinstance(found, Chosen):
            return replace(found, instead=True)
    return waits


def _look(name: str, tools: Tools) -> Chosen | str:
    """An engine as it is here, or why it is not."""
    engine = tools.engine(name)
    if engine is None:
        return f"no adapter is called {name}"
    program = find_program(name, engine, tools)
    return Chosen(name, engine, program) if program else f"{name} is not installed ({engine.hint})"


def find_program(name: str, engine: Engine, tools: Tools) -> str | None:
    """Its program: as configured, else as its environment variable says, else on PATH."""
    said = engine_settings(tools.settings, name).bin or tools.environment.get(engine.bin_variable)
    candidates = (said,) if said else engine.programs
    return next((found for candidate in candidates if (found := tools.program(candidate))), None)
