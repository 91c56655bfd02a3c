"""What no module may do, found in its syntax tree. Each rule gives what it found, as words."""

import ast
import sys
from collections.abc import Iterator

from .sources import calls, dotted, imported

_OS = """
    rename renames replace link symlink unlink remove removedirs mkdir makedirs rmdir mkfifo mknod truncate ftruncate
    chmod fchmod chown utime setxattr copy_file_range O_WRONLY O_RDWR O_CREAT O_TRUNC O_APPEND
"""
_KERNEL = ("agent_queue.system.kernel.rename_noreplace", "agent_queue.system.kernel.exchange")
MUTATING = frozenset([f"os.{name}" for name in _OS.split()] + list(_KERNEL))
READING = frozenset(("shutil.which", "shutil.get_terminal_size", "shutil.disk_usage"))
PATH_METHODS = frozenset(
    ("write_text", "write_bytes", "touch", "symlink_to", "hardlink_to", "unlink", "mkdir", "rmdir", "chmod")
)
RENAMES = frozenset(("renameat2", "renamex_np"))
"""What the C library calls a rename that does not overwrite; ctypes finds it by this text."""

NOT_IN_CORE = frozenset(("open", "print", "input", "exec", "eval", "breakpoint", "__import__"))
CLOCKS = frozenset(("now", "utcnow", "today"))
BROAD = frozenset(("Exception", "BaseException"))


def mutations(tree: ast.AST) -> set[str]:
    """How the module changes files."""
    names = imported(tree)
    found = {name for node in ast.walk(tree) if (name := dotted(node, names)) in MUTATING}
    found |= {name for node in ast.walk(tree) if (name := dotted(node, names)).startswith(("shutil.", "tempfile."))}
    found |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in RENAMES}
    found |= {said for name, call in calls(tree) if (said := _written(name, call))}
    return found - READING


def _written(name: str, call: ast.Call) -> str:
    """What a call of `open` or of a path's method writes, '' when it does not."""
    method = name.rpartition(".")[2]
    if name in ("open", "io.open") or (method == "open" and name != "os.open"):
        place = 1 if name in ("open", "io.open") else 0
        given = [word.value for word in call.keywords if word.arg == "mode"] or call.args[place : place + 1]
        mode = given[0].value if given and isinstance(given[0], ast.Constant) else "r"
        return f"open {mode}" if set(str(mode)) <= set("rwaxbt+") and set(str(mode)) & set("wax+") else ""
    if name.startswith("os.") or "." not in name:
        return ""
    # str.replace takes two texts, datetime.replace takes keywords; a path's takes one path.
    one = len(call.args) == 1 and not call.keywords
    return f".{method}" if method in PATH_METHODS or (method in ("replace", "rename") and one) else ""


def built(tree: ast.AST, kind: str) -> list[int]:
    """Lines on which a value of `agent_queue.core.move`'s class `kind` is made, or made anew by `replace`."""
    made = []
    for name, call in calls(tree):
        again = name == "dataclasses.replace" and "move" in (dotted(call.args[0], {}).lower() if call.args else "")
        homes = ("", "agent_queue.core.lifecycle.", "lifecycle.", "agent_queue.core.move.", "move.")
        if name in [f"{home}{kind}" for home in homes] or (kind == "Move" and again):
            made.append(call.lineno)
    return made


def impurities(tree: ast.AST) -> list[str]:
    """What a module of the core does that only the world can answer, and what it imports from outside."""
    found = [name for name, _ in calls(tree) if name in NOT_IN_CORE or name.rpartition(".")[2] in CLOCKS]
    roots = {name.split(".")[0] for name in _modules_of(tree)}
    return found + sorted(roots - set(sys.stdlib_module_names) - {"agent_queue", "yaml"})


def _modules_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


def broad_catches(tree: ast.AST) -> list[int]:
    """Lines that catch everything: `except:`, `except Exception`, `suppress(Exception)`."""
    names = imported(tree)
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(kind is None or dotted(kind, names) in BROAD for kind in kinds):
                lines.append(node.lineno)
    suppressed = [call for name, call in calls(tree) if name == "contextlib.suppress"]
    return lines + [call.lineno for call in suppressed if any(dotted(kind, names) in BROAD for kind in call.args)]


def long_functions(tree: ast.AST, most: int) -> list[str]:
    """Functions of more than `most` lines, decorators not counted."""
    return [
        f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > most
    ]


def is_command(tree: ast.Module) -> bool:
    """True for a file of the command line that holds a command: a function `command` with a decorator."""
    return any(
        isinstance(node, ast.FunctionDef) and node.name == "command" and node.decorator_list for node in tree.body
    )
