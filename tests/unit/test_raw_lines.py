"""Frontmatter that was read line by line reads as the same in YAML, with no more quotes than that takes."""

import pytest

from agent_queue.core.frontmatter import NodeError
from agent_queue.core.manifest import parse
from agent_queue.core.raw_lines import mended

RAW = [
    "[ -f x ] && make", "! grep TODO src", "[ -f x ]", "[[ -f x ]]", "{ make; }", "`which make`", "@make", "%1",
    "* x", "& make", "> out", "| cat", '"my make" && x', "grep 'a: b' f", 'echo "a # b"', "- x", "? x", "!x",
]  # fmt: skip
PLAIN = ["make test", "make -j 4 && ./run", '"make test"', "'make'", '[make, "make test"]', "[make]"]


@pytest.mark.parametrize("command", RAW)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_command_reads_as_it_was_written(command: str, end: str) -> None:
    text = end.join(["---", "engine: shell", f"verify: {command}", "timeout: 5m", "---", "body: ! as it is", ""])
    better = mended(text)
    assert better.lines == ((3, "verify"),)
    read = parse(better.text.encode(), "x.md")
    assert read.manifest.verify == (command,)
    assert read.body == f"body: ! as it is{end}"
    assert mended(better.text).text == better.text
    same = [line for line in text.split(end) if not line.startswith("verify")]
    assert [line for line in better.text.split(end) if not line.startswith("verify")] == same


@pytest.mark.parametrize("command", PLAIN)
def test_what_yaml_reads_as_it_was_meant_stays_as_it_is(command: str) -> None:
    text = f"---\nverify: {command}\n---\nbody\n"
    assert mended(text).text == text


@pytest.mark.parametrize(
    "head",
    [
        "verify: |\n  [ -f x ] && make\n", "verify:\n  - make\n  - make test\n", "capabilities: [has:git,\n  os:any]\n",
        "cwd: /tmp # here\n", "", "budget: {usd: 5}\n", "verify: [make,\n  test]\n",
    ],
)  # fmt: skip
def test_values_of_several_lines_and_of_other_keys_stay(head: str) -> None:
    text = f"---\n{head}---\nbody\n"
    assert mended(text).text == text


def test_other_keys_are_quoted_only_where_yaml_refuses_them() -> None:
    better = mended("---\nmodel: @best\ncwd: /tmp # here\n---\nbody\n")
    assert better.lines == ((2, "model"),)
    manifest = parse(better.text.encode(), "x.md").manifest
    assert (manifest.model, manifest.cwd) == ("@best", "/tmp")


@pytest.mark.parametrize("head", ["cwd: /a\ncwd: /b\n", "a: 1\n  b: 2\n", "\tverify: make\n"])
def test_what_cannot_be_read_even_so_is_said(head: str) -> None:
    with pytest.raises(NodeError):
        mended(f"---\n{head}---\nbody\n")
