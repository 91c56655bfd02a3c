"""What the glance has to be told when its cache does not know: everything here needs imports that take time."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from agent_queue.core.job import Stage
from agent_queue.system import regular_file
from agent_queue.system.layout import SUFFIX

if TYPE_CHECKING:
    from agent_queue.core.board import Glimpse
    from agent_queue.core.job import JobId
    from agent_queue.core.manifest import JobFile
    from agent_queue.core.meaning import Meaning
    from agent_queue.core.settings import Settings
    from agent_queue.ports import Engine, Queue

KEYS = (
    "title", "engine", "engine_class", "profile", "rank", "priority", "engines", "fallback", "locks", "deps", "soft",
    "key", "tracker_item", "verify", "auto_promote", "invalid",
)  # fmt: skip
"""The keys of a `Glimpse`, in the order in which the cache keeps their values."""

STATE = (
    "result", "started_at", "ended_at", "engine", "wip_branch", "exit", "verify_exit", "scope_warning",
    "tracker_echoed",
)  # fmt: skip
"""What lists show of a journal's state."""

NEW: dict[str, Any] = {
    "run": 0, "attempts": 0, "next_eligible": 0.0, "lane": "", "lies": "", "kind": "", "skipped": 0, "state": {},
    "figures": {},
}  # fmt: skip
"""The past of a job that has none."""


class Answers:
    """Settings and engines are asked for only when a file or journal is new or has changed."""

    def __init__(
        self, settings: "Callable[[], Settings]", meaning: "Callable[[], Meaning]", queue: "Callable[[], Queue]",
        engine: "Callable[[str], Engine | None]",
    ) -> None:  # fmt: skip
        self._settings = settings
        self._meaning = meaning
        self._queue = queue
        self._engine = engine

    def glimpse(self, path: str, name: str, stage: Stage) -> "Glimpse":
        """What one file says. A file that cannot be a job says why."""
        from agent_queue.core.errors import ManifestError
        from agent_queue.core.manifest import parse
        from agent_queue.queues.examine import bad_name, problem_of

        bad = bad_name(name.removesuffix(SUFFIX), stage)
        if bad is not None:
            return _unusable(bad.problem)
        try:
            found = self._effective(parse(regular_file.read(path)[0], name), name, stage)
        except ManifestError as error:
            return _unusable(str(error))
        except OSError as error:
            return _unusable(f"{name}: cannot be read: {error.strerror}")
        return self._said(found, problem_of(name, found) if stage is Stage.INBOX else "")

    def _effective(self, found: "JobFile", name: str, stage: Stage) -> "JobFile":
        from agent_queue.core.errors import ManifestError

        try:
            return self._meaning().effective(found, name)
        except ManifestError:
            if stage is Stage.INBOX:
                raise
            return self._meaning().without_profile(found)

    def _said(self, found: "JobFile", invalid: str) -> "Glimpse":
        manifest, meaning = found.manifest, self._meaning()
        return {
            "title": found.title, "engine": manifest.engine or "",
            "engine_class": manifest.engine_class or "", "profile": manifest.profile or "",
            "rank": manifest.priority.rank, "priority": manifest.priority.value,
            "engines": list(meaning.engines(manifest)), "fallback": list(meaning.fallback(manifest)),
            "locks": [] if invalid else list(meaning.mutexes(manifest)),
            "deps": list(manifest.deps), "soft": manifest.deps_mode.value == "soft",
            "key": manifest.idempotency_key or "",
            "tracker_item": manifest.tracker_item or "", "verify": bool(manifest.verify),
            "auto_promote": manifest.review_policy.auto, "invalid": invalid,
        }  # fmt: skip

    def past(self, path: str) -> dict[str, Any]:
        """What a journal says, as far as lists show it."""
        from agent_queue.core.history import fold
        from agent_queue.core.insights import figures
        from agent_queue.system.journal import entries

        try:
            with open(path, "rb") as file:
                found, skipped = entries(file.read())
        except OSError as error:
            return {**NEW, "invalid": f"its journal {path} cannot be read: {error.strerror}"}
        past = fold(found, skipped=skipped)
        return {
            "run": past.run, "attempts": past.attempts, "next_eligible": past.next_eligible, "lane": past.lane,
            "lies": past.stage.value if past.stage else "", "kind": past.kind, "skipped": past.skipped,
            "state": {key: past.state[key] for key in STATE if key in past.state},
            "figures": figures(found),
        }  # fmt: skip

    def pending(self, said: Mapping[str, Any], past: Mapping[str, Any]) -> bool:
        """True when aq itself has work to do on a job in review."""
        from agent_queue.core.history import History
        from agent_queue.core.job import JobId
        from agent_queue.core.lifecycle import Job, Policy, pending

        policy = Policy(verify=said["verify"], auto_promote=said["auto_promote"])
        return pending(Job(id=JobId(""), stage=Stage.REVIEW, past=History(kind=past["kind"])), policy)

    def keyed(self, key: str) -> "JobId | None":
        """The job that had this idempotency key first."""
        return self._queue().keyed(key)

    def quiet_s(self, engine: str) -> float | None:
        """After how many seconds without output an engine's run is marked as stalled; None for never."""
        found = self._engine(engine)
        return None if found is None or found.silent else self._settings().run.stall_after_s


def _unusable(problem: str) -> "Glimpse":
    return {
        "title": "", "engine": "", "engine_class": "", "profile": "", "rank": 0, "priority": "", "engines": [],
        "fallback": [], "locks": [], "deps": [], "soft": False, "key": "", "tracker_item": "", "verify": False,
        "auto_promote": False, "invalid": problem,
    }  # fmt: skip
