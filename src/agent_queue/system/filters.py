"""Filters, as they were configured before an agent ran: a program that it named there since is not run by us."""

from dataclasses import replace

from agent_queue.system.before import Before, filters
from agent_queue.system.git import Git

OFF = {"clean": "", "smudge": "", "process": "", "required": "false"}
SHOWN = 50


def as_before(before: Before | None, now: dict[str, str]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Settings that give every filter what it was before, and the names of those that differ now.

    No setting can take away a `process` that was added to a filter with a `clean`: such a filter is off altogether.
    """
    if before is None:
        return (), ()
    drivers = sorted({key[len("filter.") :].rpartition(".")[0] for key in {*now, *before.filters}})
    different = tuple(name for name in drivers if _of(name, now) != _of(name, before.filters))
    settings = [
        (f"filter.{name}.{key}", before.filters.get(f"filter.{name}.{key}", off))
        for name in different
        for key, off in OFF.items()
        if now.get(f"filter.{name}.{key}") != before.filters.get(f"filter.{name}.{key}")
    ]
    return tuple(settings), different


def _of(name: str, filters: object) -> dict[str, str]:
    assert isinstance(filters, dict)
    return {key: filters.get(f"filter.{name}.{key}", off) for key, off in OFF.items()}


def for_a_look(git: Git) -> Git:
    """git without filters: one that is broken keeps nobody from seeing what has changed, or a file too much."""
    names = {key[len("filter.") :].rpartition(".")[0] for key in filters(git)}
    off = tuple((f"filter.{name}.{key}", value) for name in sorted(names) for key, value in OFF.items())
    return replace(git, settings=(*git.settings, *off))


def forgiving(git: Git) -> Git:
    """git where no filter has to succeed."""
    required = tuple((key, "false") for key in filters(git) if key.endswith(".required"))
    return replace(git, settings=(*git.settings, *required))


def paths_of(git: Git, names: tuple[str, ...]) -> tuple[str, ...]:
    """The files that these filters are for, the first of them.

    Raises:
        GitError: git refused.
    """
    if not names:
        return ()
    listed = git.read("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    told = git.run("check-attr", "-z", "--stdin", "filter", given=listed).split("\0")
    found = [path for path, value in zip(told[::3], told[2::3], strict=False) if value in names]
    return tuple(found[:SHOWN])
