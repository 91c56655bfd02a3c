"""Which agent program runs a job: the one it names, or the first of its class that is installed."""

from dataclasses import dataclass

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


def choose(manifest: Manifest, tools: Tools) -> Chosen | Refused:
    """Find the engine; refused with what was looked for, and how to get it."""
    names = candidates(manifest, tools.settings.classes)
    closed = tools.closed_lanes()
    paused: Chosen | None = None
    missing: list[str] = []
    for name in names:
        engine = tools.engine(name)
        if engine is None:
            missing.append(f"no adapter is called {name}")
            continue
        program = find_program(name, engine, tools)
        if program is None:
            missing.append(f"{name} is not installed ({engine.hint})")
        elif name not in closed:
            return Chosen(name, engine, program)
        else:
            paused = paused or Chosen(name, engine, program)
    if paused is not None:
        return paused  # none is open: it was let in a moment before that
    known = ", ".join(sorted(tools.settings.classes))
    reason = "; ".join(missing) or f"no engine class is called {manifest.engine_class}; there are {known}"
    return Refused(result=Result.NO_ENGINE, reason=reason)


def find_program(name: str, engine: Engine, tools: Tools) -> str | None:
    """Its program: as configured, else as its environment variable says, else on PATH."""
    said = engine_settings(tools.settings, name).bin or tools.environment.get(engine.bin_variable)
    candidates = (said,) if said else engine.programs
    return next((found for candidate in candidates if (found := tools.program(candidate))), None)
