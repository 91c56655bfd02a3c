"""What a job file names that is not there: no error, for it may come before the job runs, and likely a mistake."""

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What there is around a job. `engines` are the names that a wrong one may have meant."""

    engines: Collection[str] = ()
    is_engine: Callable[[str], bool] = lambda _: True
    is_folder: Callable[[str], bool] = lambda _: True

    def no_engine(self, name: str | None) -> str:
        """What is odd about an engine's name; '' when nothing is."""
        known = name is None or name in self.engines or self.is_engine(name)
        return "" if known else unknown("engine", str(name), self.engines)

    def no_engines(self, named: Mapping[str, str]) -> dict[str, str]:
        """The same of many names; by where each stands."""
        return {where: odd for name, where in named.items() if (odd := self.no_engine(name))}

    def no_cwd(self, folder: str | None) -> str:
        """What is odd about a working folder; '' when nothing is."""
        return "" if folder is None or self.is_folder(folder) else f"cwd: {folder} is not there"


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"no {kind} is called '{name}'" + (f" (did you mean '{near[0]}'?)" if near else "")
