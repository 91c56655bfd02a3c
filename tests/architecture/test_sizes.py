"""Small enough to see whole."""

import ast

from .rules import is_command, long_functions
from .sources import modules

FILE, FUNCTION, COMMAND = 250, 35, 60
COMMANDS = [module for module in modules("cli") if is_command(module.tree)]


def test_no_file_is_too_long() -> None:
    assert {module.name: module.lines for module in modules() if module.lines > FILE} == {}


def test_no_function_is_too_long() -> None:
    assert {module.name: found for module in modules() if (found := long_functions(module.tree, FUNCTION))} == {}


def test_no_command_is_too_long() -> None:
    assert {module.name: module.lines for module in COMMANDS if module.lines > COMMAND} == {}


def test_commands_are_recognised() -> None:
    assert "cli/add.py" in {module.name for module in COMMANDS}
    assert not is_command(ast.parse("def command(): ..."))


def test_a_long_function_is_seen() -> None:
    body = "    pass\n" * FUNCTION
    assert long_functions(ast.parse(f"def one():\n{body}"), FUNCTION) == ["one has 36 lines"]
    assert long_functions(ast.parse(f"class A:\n  @cache\n  async def two():\n{body}"), FUNCTION) == [
        "two has 36 lines"
    ]
    assert long_functions(ast.parse(f"def three():\n{body[9:]}"), FUNCTION) == []
