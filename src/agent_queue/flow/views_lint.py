"""What is wrong with a job file, and what is odd about it, each at its place."""

from collections.abc import Mapping

from agent_queue.core.errors import ManifestError
from agent_queue.core.frontmatter import Node, NodeError, Problem, decode, read, split
from agent_queue.core.manifest import EMPTY, Manifest, typed
from agent_queue.core.meaning import Meaning
from agent_queue.flow.oddities import Around, unknown

Pairs = Mapping[str, tuple[Node, Node]]


def lint(data: bytes, meaning: Meaning, around: Around) -> list[Problem]:
    """Every problem, in the order of lines."""
    try:
        head, body = split(decode(data))
        pairs = read(head) if head else {}
    except NodeError as error:
        return [error.problem]
    manifest, problems = typed(pairs, "job")
    if not body.strip():
        problems.append(Problem(1, 1, "the body is empty: there is nothing to do"))
    defaults, complaint = _profile(manifest, meaning)
    problems += [_odd(pairs, "profile", complaint)] if complaint else []
    effective = manifest.under(defaults).under(meaning.defaults)
    if effective.engine is None and effective.engine_class is None:
        text = "no engine; add e.g. `engine: claude`, or give --engine to `aq add`"
        problems.append(Problem(1, 1, text, warning=True))
    for key, complaint in (("engine", around.no_engine(manifest.engine)), ("cwd", around.no_cwd(manifest.cwd))):
        problems += [_odd(pairs, key, complaint)] if complaint else []
    return sorted(problems, key=lambda problem: (problem.line, problem.column))


def _profile(manifest: Manifest, meaning: Meaning) -> tuple[Manifest, str]:
    """What the job's profile sets, and what is wrong with that profile; '' when nothing is."""
    wanted = manifest.profile or meaning.defaults.profile
    if wanted is None:
        return EMPTY, ""
    try:
        found = meaning.profile(wanted)
    except ManifestError as error:
        return EMPTY, f"its profile cannot be used: {str(error).splitlines()[0]}"
    return (found.defaults, "") if found else (EMPTY, unknown("profile", wanted, meaning.profiles()))


def _odd(pairs: Pairs, key: str, message: str) -> Problem:
    line, column = (pairs[key][1].line, pairs[key][1].column) if key in pairs else (1, 1)
    return Problem(line, column, message, warning=True)
