"""A profile: a persona that is put before a job's body, and defaults for what the job leaves open."""

from dataclasses import dataclass

from agent_queue.core.errors import ManifestError
from agent_queue.core.frontmatter import Node, NodeError, Problem, decode, read, split
from agent_queue.core.manifest import KEYS, Manifest, typed

INHERITED = ("verify", "capabilities", "engine-class", "prefers-engine", "allowed-scope", "review-policy")
"""What a job takes from its profile. `default-verify` is another name of `verify` there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """`name` is its file's stem; `persona` the body, verbatim."""

    name: str
    defaults: Manifest
    persona: str
    description: str = ""

    @property
    def summary(self) -> str:
        """Its description; without one, the first line of the persona that says something."""
        return self.description or next(
            (line.strip("# ") for line in self.persona.splitlines() if line.strip("# ")), ""
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A profile and its file; `problem` says why it cannot be read, and then there is no profile."""

    name: str
    path: str
    profile: Profile | None
    problem: str = ""


def parse(data: bytes, name: str, file: str) -> Profile:
    """Read a profile file.

    Raises:
        ManifestError: one line `file:line:column: message` for each problem.
    """
    try:
        head, body = split(decode(data))
        pairs = read(head) if head else {}
    except NodeError as error:
        raise ManifestError(error.problem.at(file)) from None
    renamed: dict[str, tuple[Node, Node]] = {}
    problems: list[Problem] = []
    for key, (place, value) in pairs.items():
        target = "verify" if key == "default-verify" else key
        if target not in INHERITED and key not in ("name", "description"):
            known = ", ".join(INHERITED)
            problems.append(Problem(place.line, place.column, f"a profile has no key '{key}'; possible are {known}"))
        elif target in renamed:
            problems.append(Problem(place.line, place.column, f"'{key}' says again what 'verify' says already"))
        elif target in KEYS:
            renamed[target] = (place, value)
    defaults, wrong = typed(renamed, f"profile:{name}")
    problems += wrong
    if problems:
        raise ManifestError("\n".join(problem.at(file) for problem in problems))
    said = pairs.get("description")
    return Profile(name=name, defaults=defaults, persona=body, description=said[1].text.strip() if said else "")


def prompt(persona: str, body: str) -> str:
    """What the agent is told: the persona, if there is one, then the job's body, verbatim."""
    return f"{persona.rstrip()}\n\n---\n\n{body}" if persona.strip() else body
