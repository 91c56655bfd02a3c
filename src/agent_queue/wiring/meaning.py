"""What gives meaning to the job files of one queue: its settings, its profiles, what is installed."""

from collections.abc import Callable
from functools import cache

from agent_queue.core.engine_class import candidates
from agent_queue.core.manifest import Manifest
from agent_queue.core.meaning import Meaning
from agent_queue.core.settings import Settings
from agent_queue.flow.choose_engine import find_program
from agent_queue.flow.tools import Tools
from agent_queue.system.profiles import Profiles


def meaning(
    settings: Settings, profiles: Profiles, mutexes: Callable[[Manifest], tuple[str, ...]], tools: Callable[[], Tools]
) -> Meaning:
    """Every question a job file can leave open, with who answers it. What is installed is looked up once."""

    @cache
    def installed(name: str) -> bool:
        engine = tools().engine(name)
        return engine is not None and find_program(name, engine, tools()) is not None

    def engines(manifest: Manifest) -> tuple[str, ...]:
        names = candidates(manifest, settings.classes)
        return names if manifest.engine else tuple(filter(installed, names))

    return Meaning(
        defaults=settings.defaults, profile=profiles.find, profiles=profiles.names, mutexes=mutexes, engines=engines,
        fallback=lambda manifest: tuple(filter(installed, manifest.fallback)),
    )  # fmt: skip
