"""A markdown file's frontmatter as positioned values: YAML's core schema, and none of its surprises.

`no` and `on` stay text, `12:30` is not 750, a key may stand once. Anchors, aliases, tags, several documents,
depth over 20 and more than 64 KiB are refused: an instruction file needs none of them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import yaml

LARGEST = 64 * 1024
DEEPEST = 20
MESSAGE = 400

Value = str | int | float | bool | None
_LOADER: type[yaml.CSafeLoader] | type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_WORDS: dict[str, bool | None] = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None, "~": None, "": None,
}  # fmt: skip
_INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
_OCTAL = re.compile(r"0o([0-7]{1,300})")
_HEXADECIMAL = re.compile(r"0x([0-9a-fA-F]{1,300})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What JSON leaves as it is and YAML refuses, or takes for the end of a line.
_NOT_IN_QUOTES = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands in the file, line and column from 1.

    `value` is a scalar, a list of nodes, or a dict of text to (key node, value node). `text` is a scalar as written.
    """

    value: "Value | list[Node] | dict[str, tuple[Node, Node]]"
    line: int
    column: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file, or, as a warning, odd about it."""

    line: int
    column: int
    message: str
    warning: bool = False

    def at(self, name: str) -> str:
        """Say it the way compilers do, on one line: `file:line:column: message`."""
        # It may quote the file: whatever stands there, a terminal gets no control character and no endless line.
        said = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in self.message[:MESSAGE])
        return f"{name}:{self.line}:{self.column}: {'warning: ' if self.warning else ''}{said}"


class NodeError(Exception):
    """A value that cannot be used, at its place."""

    def __init__(self, node: Node, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(node.line, node.column, message)


_START = Node(None, 1, 1)


def decode(data: bytes) -> str:
    """Read the bytes of a job file as UTF-8; a byte-order mark is passed over.

    Raises:
        NodeError: the bytes are not UTF-8; it names the first that is not.
    """
    text = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        place = _position(text[: error.start].decode(), 1)
        raise NodeError(place, f"byte 0x{text[error.start]:02x} is not UTF-8; save the file as UTF-8") from None


def split(text: str) -> tuple[str, str]:
    """Cut a file into frontmatter (without its fences, '' when there is none) and body, the body untouched.

    Raises:
        NodeError: a frontmatter that is opened and never closed, or too large.
    """
    first, newline, rest = text.partition("\n")
    if first.rstrip() != "---" or not newline:
        return "", text
    end = _closing_fence(rest)
    if end is None:
        raise NodeError(_START, "the frontmatter opened here is never closed; end it with a line '---'")
    head, body = rest[: end[0]], rest[end[1] :]
    if len(head.encode()) > LARGEST:
        raise NodeError(_START, f"the frontmatter is larger than {LARGEST // 1024} KiB; long text belongs in the body")
    return head, body


def _closing_fence(rest: str) -> tuple[int, int] | None:
    found = re.search(r"^---[ \t\r]*(\n|\Z)", rest, re.MULTILINE)
    return (found.start(), found.end()) if found else None


def read(head: str) -> dict[str, tuple[Node, Node]]:
    """Read frontmatter as a mapping of key to (key node, value node). Line numbers count the opening fence.

    Raises:
        NodeError: anything that is no plain mapping of plain values, with its place.
    """
    if found := _UNPRINTABLE.search(head):
        place = _position(head[: found.start()], 2)
        raise NodeError(
            place, f"character U+{ord(found[0]):04X} may not stand in frontmatter; in quotes, write \\u and its number"
        )
    try:
        root = _Composer(yaml.parse(head, Loader=_LOADER)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Node(None, mark.line + 2, mark.column + 1) if mark else _START
        raise NodeError(place, str(error.problem or error.context or "this is no YAML")) from None
    if root is None:
        return {}
    if not isinstance(root.value, dict):
        raise NodeError(root, "the frontmatter must be lines of 'key: value'")
    return root.value


def insert(head: str, lines: Mapping[str, str]) -> str:
    """Say keys in a frontmatter, after the ones it has; `lines` maps a key to its value as YAML.

    Where a line cannot simply be added (an inline or indented mapping, a key that stands there already), all of the
    frontmatter is written anew, with the same values and without its comments.

    Raises:
        NodeError: the frontmatter as it is cannot be read.
    """
    before = read(head)
    longer = head + ("" if not head or head.endswith("\n") else "\n") + "".join(f"{k}: {v}\n" for k, v in lines.items())
    with suppress(NodeError):
        read(longer)
        return longer
    kept = {quoted(key): _written(node) for key, (_, node) in before.items() if key not in lines}
    return "".join(f"{key}: {value}\n" for key, value in {**kept, **lines}.items())


def quoted(text: str) -> str:
    """Write text in quotes, so that it reads back as the same text whatever is in it."""
    return _NOT_IN_QUOTES.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def _written(node: Node) -> str:
    match node.value:
        case dict() as pairs:
            return "{" + ", ".join(f"{quoted(key)}: {_written(value)}" for key, (_, value) in pairs.items()) + "}"
        case list() as items:
            return "[" + ", ".join(map(_written, items)) + "]"
        case str() as text:
            return quoted(text)
        case _:
            return node.text or "null"


class _Composer:
    """Builds positioned nodes out of the parser's events, refusing what the module text refuses."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events

    def document(self) -> Node | None:
        root: Node | None = None
        for event in self._events:
            match event:
                case yaml.StreamStartEvent() | yaml.StreamEndEvent() | yaml.DocumentEndEvent():
                    continue
                case yaml.DocumentStartEvent():
                    if root is not None:
                        raise NodeError(_place(event), "a second YAML document; frontmatter is one")
                case _:
                    root = self._node(event, 1)
        return root

    def _node(self, event: yaml.Event, depth: int) -> Node:
        place = _place(event)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise NodeError(place, "YAML anchors and aliases are not supported; write the value out")
        if getattr(event, "tag", None) == "!" and getattr(event, "style", None) not in ("'", '"'):
            raise NodeError(place, "to YAML a '!' in front is a tag, and no part of the text; put the text in quotes")
        if getattr(event, "tag", None) not in (None, "!"):
            raise NodeError(place, "YAML tags are not supported; write a plain value")
        if depth > DEEPEST:
            raise NodeError(place, f"nested deeper than {DEEPEST} levels")
        match event:
            case yaml.ScalarEvent():
                plain = event.implicit[0] and not event.style
                return Node(_resolve(event.value) if plain else event.value, place.line, place.column, event.value)
            case yaml.SequenceStartEvent():
                return Node(list(self._items(depth)), place.line, place.column)
            case yaml.MappingStartEvent():
                return Node(self._pairs(depth), place.line, place.column)
            case _:
                raise NodeError(place, "this is no YAML value")

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, depth + 1)

    def _pairs(self, depth: int) -> dict[str, tuple[Node, Node]]:
        pairs: dict[str, tuple[Node, Node]] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if isinstance(key.value, list | dict):
                raise NodeError(key, "a key must be plain text")
            if key.text in pairs:
                raise NodeError(key, f"key '{key.text}' stands twice (first on line {pairs[key.text][0].line})")
            pairs[key.text] = (key, self._node(next(self._events), depth + 1))
        return pairs


def _place(event: yaml.Event) -> Node:
    # The opening fence is line 1 of the file, and marks count from 0.
    mark = event.start_mark
    return Node(None, mark.line + 2, mark.column + 1) if mark else _START


def _position(before: str, first: int) -> Node:
    """Where the text after `before` stands; its first line is line `first`."""
    return Node(None, before.count("\n") + first, len(before) - before.rfind("\n"))


def _resolve(text: str) -> Value:
    """Type a plain scalar by YAML 1.2's core schema; everything else is text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if found := _OCTAL.fullmatch(text):
        return int(found[1], 8)
    if found := _HEXADECIMAL.fullmatch(text):
        return int(found[1], 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
