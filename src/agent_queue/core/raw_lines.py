"""Frontmatter that a simpler tool read line by line, taking what stands after `key:` as it is: made into YAML."""

import re
from dataclasses import dataclass

from agent_queue.core.frontmatter import Node, NodeError, quoted, read, split

_LINE = re.compile(r"([A-Za-z][\w-]*):[ \t]+(\S.*?)([ \t\r]*)")
COMMANDS = ("verify", "default-verify")
"""Keys whose value is a shell command: what YAML makes of its brackets, braces and # is not what was meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A text that can be read, and which of its lines were put in quotes for that: line number and key."""

    text: str
    lines: tuple[tuple[int, str], ...] = ()


def mended(text: str) -> Mended:
    """Put in quotes what YAML refuses, and commands that it would read as something else. All else stays to the byte.

    Raises:
        NodeError: it cannot be read even so.
    """
    head, _ = split(text)
    if not head:
        return Mended(text=text)
    refused = _refused(head)
    lines = head.split("\n")
    done: list[tuple[int, str]] = []
    for index, line in enumerate(lines):
        found = _LINE.fullmatch(line)
        if found is None or _goes_on(lines[index + 1 :]):
            continue
        key, value = found[1], found[2]
        if (refused and _refused(f"{key}: {value}\n")) or (key in COMMANDS and _misread(key, value)):
            lines[index] = f"{key}: {quoted(value)}{found[3]}"
            done.append((index + 2, key))
    changed = "\n".join(lines)
    read(changed)
    start = text.index("\n") + 1
    return Mended(text=text[:start] + changed + text[start + len(head) :], lines=tuple(done))


def _refused(head: str) -> bool:
    try:
        read(head)
    except NodeError:
        return True
    return False


def _goes_on(following: list[str]) -> bool:
    """True when the next line belongs to this one's value."""
    return bool(following) and following[0][:1] in (" ", "\t") and bool(following[0].strip())


def _misread(key: str, value: str) -> bool:
    if _refused(f"{key}: {value}\n"):
        return False  # a part of a value of several lines, as the whole can be read
    node = read(f"{key}: {value}\n")[key][1]
    match node.value:
        case dict():
            return True
        case list() as items:
            return len(items) == 1 and _test(items[0], value)
        case _:
            return value[0] not in "\"'" and node.text != value


def _test(item: Node, value: str) -> bool:
    """True when what looks like a list of this one item is the shell's own `[ ... ]` or `[[ ... ]]`."""
    return isinstance(item.value, list) or (value.startswith("[ ") and item.text == value.strip("[] \t"))
