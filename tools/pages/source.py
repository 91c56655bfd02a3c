"""What the source itself says: who reads a key, which names are used. A page cannot claim more than the code does."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import agent_queue

PACKAGE = Path(agent_queue.__file__).parent


@cache
def modules() -> dict[str, ast.Module]:
    """Every module that `aq` can come to, parsed, by its path such as `core/manifest.py`.

    What no command and no engine imports is not part of what `aq` does, however finished it looks.
    """
    found: dict[str, ast.Module] = {}
    waiting = [
        str(path.relative_to(PACKAGE))
        for room in ("cli", "engines", "trackers")
        for path in (PACKAGE / room).glob("*.py")
    ]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
            waiting += imported(found[name])
    return dict(sorted(found.items()))


def imported(tree: ast.Module) -> set[str]:
    """The modules of the package that a module imports, at its top or later."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    paths = [name.removeprefix("agent_queue.").replace(".", "/") for name in names if name.startswith("agent_queue.")]
    files = (file for path in paths for file in (f"{path}.py", f"{path}/__init__.py"))
    return {file for file in files if (PACKAGE / file).exists()}


@cache
def walked() -> list[tuple[str, ast.AST]]:
    """(module, node) of the whole package. Every page asks for it many times, and walking takes a second."""
    return [(name, node) for name, tree in modules().items() for node in ast.walk(tree)]


def nodes(without: Iterable[str] = ()) -> Iterator[tuple[str, ast.AST]]:
    """(module, node) of the whole package, some modules left out."""
    left_out = set(without)
    return ((name, node) for name, node in walked() if name not in left_out)


@cache
def attributes() -> dict[tuple[str, str], set[str]]:
    """The modules that read an attribute, by the last name before the dot and the attribute's own."""
    found: dict[tuple[str, str], set[str]] = {}
    for name, node in walked():
        if isinstance(node, ast.Attribute):
            found.setdefault((_last(node.value), node.attr), set()).add(name)
    return found


def readers(owner: str, attribute: str) -> set[str]:
    """The modules that read `owner.attribute`, where `owner` is the last name before the dot: `x.manifest.verify`."""
    return set(attributes().get((owner, attribute), ()))


def strings(without: Iterable[str] = ()) -> set[str]:
    """Every text constant of the package, documentation left out."""
    return {node.value for _, node in nodes(without) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def _last(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A markdown table; a `|` within a cell is escaped."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def same(what: str, told: Iterable[str], there: Iterable[str]) -> None:
    """Fail when a page's own words are about something that is gone, or miss something that is there.

    Raises:
        SystemExit: with what is missing and what is too much.
    """
    told, there = set(told), set(there)
    if told != there:
        raise SystemExit(f"{what}: not described {sorted(there - told)}, no longer there {sorted(told - there)}")
