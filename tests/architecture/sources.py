"""The package's source, as syntax trees with names resolved through their imports."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

PROJECT = Path(__file__).parents[2]
SOURCE = PROJECT / "src"
PACKAGE = SOURCE / "agent_queue"


@dataclass(frozen=True)
class Module:
    """One file; `name` is its path below the package, e.g. `core/job.py`."""

    name: str
    text: str = field(repr=False)

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)


@cache
def modules(floor: str = "") -> tuple[Module, ...]:
    """Every module of the package, or of one floor of it."""
    paths = sorted((PACKAGE / floor).rglob("*.py"))
    assert paths, f"nothing lies in {PACKAGE / floor}"
    return tuple(Module(str(path.relative_to(PACKAGE)), path.read_text(encoding="utf-8")) for path in paths)


def imported(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for: `import os as o` gives o -> os, `from os import link` link -> os.link."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return names


def dotted(node: ast.AST, names: dict[str, str]) -> str:
    """The full name of `a.b.c` as far as imports tell; '?.c' for an attribute of something that has no name."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, names) or '?'}.{node.attr}"
    return ""


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call, with the full name of what is called."""
    names = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield dotted(node.func, names), node
