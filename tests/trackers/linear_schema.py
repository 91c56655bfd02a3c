"""Linear's GraphQL schema, as far as something leads there, made of the types that Linear ships in `@linear/sdk`.

The package has no schema file, but a type for every type of the schema, written by a generator: fields with their
comments, `Maybe<>` where null is allowed, and `ParentFieldArgs` for what a field takes.
"""

import re
from pathlib import Path

_COMMENT = re.compile(r"/\*\*.*?\*/", re.DOTALL)
_TYPE = re.compile(r"^type (\w+) = (?:\w+ & )*\{\n(.*?)^\};", re.DOTALL | re.MULTILINE)
_UNION = re.compile(r"^type (\w+) = (\w+(?: \| \w+)*);", re.MULTILINE)
_ENUM = re.compile(r"^declare enum (\w+) \{\n(.*?)^\}", re.DOTALL | re.MULTILINE)
_FIELD = re.compile(r"^  (\w+)(\?)?: (.*?);$", re.MULTILINE)
_NULLABLE = re.compile(r"(?:Input)?Maybe<(.*)>")
_LIST = re.compile(r"Array<(.*)>")
_SCALAR = re.compile(r'Scalars\["(\w+)"\]')
BUILT_IN = {"ID", "String", "Boolean", "Int", "Float"}


class Types:
    """The types of the package, and what of them is reached from the roots that are asked for."""

    def __init__(self, package: Path) -> None:
        texts = (path.read_text() for path in sorted((package / "dist").glob("*.d.mts")))
        text = _COMMENT.sub("", next(text for text in texts if "\ntype Scalars = {" in text))
        self._types = {name: _FIELD.findall(fields) for name, fields in _TYPE.findall(text)}
        self._unions = dict(_UNION.findall(text))
        self._enums = {name: re.findall(r'= "(\w+)"', values) for name, values in _ENUM.findall(text)}
        self._written: dict[str, str] = {}

    def sdl(self, **roots: tuple[str, ...]) -> str:
        """The schema with these fields of Query and Mutation."""
        for root, names in roots.items():
            self._types[root] = [field for field in self._types[root] if field[0] in names]
            assert len(self._types[root]) == len(names)
            self._reach(root, "type")
        return "\n".join(self._written.values())

    def _reach(self, name: str, kind: str) -> None:
        if name in BUILT_IN or name in self._written:
            return
        self._written[name] = ""
        if name in self._enums:
            self._written[name] = f"enum {name} {{ {' '.join(self._enums[name])} }}"
        elif name in self._unions:
            members = self._unions[name].split(" | ")
            self._written[name] = f"union {name} = {' | '.join(members)}"
            for member in members:
                self._reach(member, kind)
        elif name in self._types:
            fields = [field for field in self._types[name] if field[0] != "__typename"]
            written = [
                f"  {field}{self._arguments(name, field)}: {self._shown(said, kind)}" for field, _, said in fields
            ]
            self._written[name] = "\n".join((f"{kind} {name} {{", *written, "}"))
        else:
            self._written[name] = f"scalar {name}"

    def _arguments(self, parent: str, field: str) -> str:
        taken = self._types.get(f"{parent}{field[0].upper()}{field[1:]}Args", [])
        named = ", ".join(f"{name}: {self._shown(said, 'input')}" for name, _, said in taken)
        return f"({named})" if taken else ""

    def _shown(self, said: str, kind: str) -> str:
        """A type of TypeScript as one of GraphQL, which also says what is reached by it."""
        if found := _NULLABLE.fullmatch(said):
            return self._shown(found[1], kind).removesuffix("!")
        if found := _LIST.fullmatch(said):
            return f"[{self._shown(found[1], kind)}]!"
        found = _SCALAR.fullmatch(said)
        name = found[1] if found else said
        self._reach(name, kind)
        return f"{name}!"
