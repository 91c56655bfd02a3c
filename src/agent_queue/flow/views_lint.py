"""What is wrong with a job file, and what is odd about it, each at its place."""

import difflib
from collections.abc import Callable, Iterable, Mapping

from agent_queue.core.frontmatter import Node, NodeError, Problem, decode, read, split
from agent_queue.core.manifest import Manifest, typed

Pairs = Mapping[str, tuple[Node, Node]]


def lint(
    data: bytes, defaults: Manifest, *, engines: Iterable[str], is_engine: Callable[[str], bool],
    is_folder: Callable[[str], bool], profiles: Callable[[], Iterable[str]],
) -> list[Problem]:  # fmt: skip
    """Every problem, in the order of lines. `engines` and `profiles` are the names that a wrong one may have meant."""
    try:
        head, body = split(decode(data))
        pairs = read(head) if head else {}
    except NodeError as error:
        return [error.problem]
    manifest, problems = typed(pairs, "job")
    if not body.strip():
        problems.append(Problem(1, 1, "the body is empty: there is nothing to do"))
    effective = manifest.under(defaults)
    if effective.engine is None and effective.engine_class is None:
        text = "no engine; add e.g. `engine: claude`, or give --engine to `aq add`"
        problems.append(Problem(1, 1, text, warning=True))
    if manifest.engine is not None and not is_engine(manifest.engine):
        problems.append(_odd(pairs, "engine", _unknown("engine", manifest.engine, engines)))
    if manifest.profile is not None and manifest.profile not in (known := list(profiles())):
        problems.append(_odd(pairs, "profile", _unknown("profile", manifest.profile, known)))
    if manifest.cwd is not None and not is_folder(manifest.cwd):
        problems.append(_odd(pairs, "cwd", f"cwd: {manifest.cwd} is not there"))
    return sorted(problems, key=lambda problem: (problem.line, problem.column))


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"no {kind} is called '{name}'" + (f" (did you mean '{near[0]}'?)" if near else "")


def _odd(pairs: Pairs, key: str, message: str) -> Problem:
    node = pairs[key][1]
    return Problem(node.line, node.column, message, warning=True)
