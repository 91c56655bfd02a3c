"""What a job file comes to mean in its queue: job over profile over the queue's defaults, key by key."""

import difflib
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from agent_queue.core.errors import ManifestError
from agent_queue.core.frontmatter import Problem
from agent_queue.core.manifest import EMPTY, JobFile, Manifest
from agent_queue.core.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What of a queue's surroundings gives meaning to a job file.

    `profile` finds one by name, None when there is none, and raises ManifestError for a file that cannot be read;
    `profiles` names all of them. `mutexes` and `engines` are what an effective manifest needs to start: the locks, and
    the engines that may run it, () where none is known; `fallback` gives the installed ones of its fallbacks.
    """

    defaults: Manifest = EMPTY
    profile: Callable[[str], Profile | None] = lambda _: None
    profiles: Callable[[], Collection[str]] = tuple
    mutexes: Callable[[Manifest], tuple[str, ...]] = lambda manifest: manifest.lock
    engines: Callable[[Manifest], tuple[str, ...]] = lambda manifest: (manifest.engine,) if manifest.engine else ()
    fallback: Callable[[Manifest], tuple[str, ...]] = lambda manifest: manifest.fallback

    def effective(self, file: JobFile, name: str) -> JobFile:
        """Fill in what the file leaves open; its body stays as it is. `name` is the file's, for messages.

        Raises:
            ManifestError: there is no such profile, or it cannot be read.
        """
        wanted = file.manifest.profile or self.defaults.profile
        if wanted is None:
            return self.without_profile(file)
        profile = self.profile(wanted)
        if profile is None:
            raise ManifestError(self._unknown(file, wanted, name))
        manifest = file.manifest.under(profile.defaults).under(self.defaults)
        return replace(file, manifest=manifest, persona=profile.persona)

    def without_profile(self, file: JobFile) -> JobFile:
        """The same for a job in work, whose profile may have gone since: its run keeps what it was claimed with."""
        return replace(file, manifest=file.manifest.under(self.defaults))

    def _unknown(self, file: JobFile, wanted: str, name: str) -> str:
        near = difflib.get_close_matches(wanted, list(self.profiles()), n=1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        line, column = file.places.get("profile", (1, 1))
        return Problem(line, column, f"no profile is called '{wanted}'{hint}; `aq profiles` lists them").at(name)
