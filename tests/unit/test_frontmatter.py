"""Frontmatter as positioned values: YAML's core schema, and none of its surprises."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent_queue.core import frontmatter
from agent_queue.core.frontmatter import LARGEST, Node, NodeError, Problem, decode, insert, quoted, read, split

from .strategies import bodies, letters

FENCED = "---\nengine: claude\n---\n"


def value(text: str) -> object:
    """What one plain or quoted scalar reads as."""
    return read(f"key: {text}\n")["key"][1].value


@pytest.fixture(params=["libyaml", "python"], autouse=True)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both parsers that PyYAML may come with."""
    if request.param == "python":
        monkeypatch.setattr(frontmatter, "_LOADER", yaml.SafeLoader)
    elif not yaml.__with_libyaml__:
        pytest.skip("this PyYAML was built without libyaml; install a wheel of it")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("12:30", "12:30"), ("1:2:3", "1:2:3"), ("no", "no"), ("No", "No"), ("on", "on"), ("off", "off"),
        ("yes", "yes"), ("y", "y"), ("2026-03-01", "2026-03-01"), ("=", "="), ("<<", "<<"), ("1_000", "1_000"),
        ("0b11", "0b11"),
        (".inf", ".inf"), (".nan", ".nan"), ("010", 10), ("0o10", 8), ("0x1F", 31), ("-7", -7), ("+7", 7), ("0", 0),
        ("1.5", 1.5), ("-.5", -0.5), ("2.", 2.0), ("1e3", 1000.0), ("true", True), ("False", False), ("TRUE", True),
        ("tRue", "tRue"), ("null", None), ("~", None), ("", None), ("'true'", "true"), ('"7"', "7"), ("''", ""),
        ("a b", "a b"), ("v1.2.3", "v1.2.3"), ("! '7'", "7"),
    ],
)  # fmt: skip
def test_scalars_are_typed_by_the_core_schema_alone(text: str, meant: object) -> None:
    found = value(text)
    assert (found, type(found)) == (meant, type(meant))


def test_block_scalars_are_text_and_endless_digits_do_no_harm() -> None:
    assert value("|\n  7\n") == "7\n"
    assert value("9" * 301) == 1e301
    assert value("9" * 60_000) == float("inf")


def test_keys_are_text_and_know_their_place() -> None:
    pairs = read("on: 1\n12:30: 2\n  # a comment\nno: [a, {b: c}]\n")
    assert [(name, place.line, place.column) for name, (place, _) in pairs.items()] == [
        ("on", 2, 1), ("12:30", 3, 1), ("no", 5, 1),
    ]  # fmt: skip
    items = pairs["no"][1].value
    assert isinstance(items, list)
    assert (items[0].line, items[0].column, items[0].text) == (5, 6, "a")
    assert items[1] == Node({"b": (Node("b", 5, 10, "b"), Node("c", 5, 13, "c"))}, 5, 9)


@pytest.mark.parametrize("head", ["", "\n\n", "# only a comment\n"])
def test_nothing_said(head: str) -> None:
    assert read(head) == {}


@pytest.mark.parametrize(
    ("text", "head", "body"),
    [
        ("", "", ""),
        ("no frontmatter\n", "", "no frontmatter\n"),
        ("---", "", "---"),
        ("----\na: 1\n---\n", "", "----\na: 1\n---\n"),
        (" ---\na: 1\n---\n", "", " ---\na: 1\n---\n"),
        ("---\n---", "", ""),
        ("---\n---\n", "", ""),
        ("---\na: 1\n---", "a: 1\n", ""),
        ("--- \t\na: 1\n---\t \nbody", "a: 1\n", "body"),
        ("---\r\na: 1\r\n---\r\nbody\r\n", "a: 1\r\n", "body\r\n"),
        ("---\na: '\n ---\n'\n---\nbody\n", "a: '\n ---\n'\n", "body\n"),
        ("---\na: 1\n---\n\n---\nb: 2\n---\n", "a: 1\n", "\n---\nb: 2\n---\n"),
        ("---\na: 1\n----\n---\n", "a: 1\n----\n", ""),
    ],
)
def test_the_fences(text: str, head: str, body: str) -> None:
    assert split(text) == (head, body)


@given(bodies)
def test_the_body_is_what_comes_after_the_fence(body: str) -> None:
    assert split(FENCED + body) == ("engine: claude\n", body)


def test_frontmatter_may_be_64_kib_and_no_byte_more() -> None:
    head = "a: " + "ü" * (LARGEST // 2 - 2) + "\n"
    assert len(head.encode()) == LARGEST
    assert split(f"---\n{head}---\n") == (head, "")
    with pytest.raises(NodeError, match="larger than 64 KiB"):
        split(f"---\n{head}\n---\n")


@pytest.mark.parametrize(
    ("data", "line", "column", "byte"),
    [
        (b"\xff", 1, 1, "ff"),
        (b"---\nengine: \xe9\n---\n", 2, 9, "e9"),
        ("---\nengine: üü".encode() + b"\xc3\n", 2, 11, "c3"),
        (b"\xef\xbb\xbf---\na: \x80\n---\n", 2, 4, "80"),
        (b"a\n\nb\xc3", 3, 2, "c3"),
    ],
)
def test_what_is_not_utf_8_is_named_at_its_place(data: bytes, line: int, column: int, byte: str) -> None:
    with pytest.raises(NodeError) as caught:
        decode(data)
    assert caught.value.problem == Problem(line, column, f"byte 0x{byte} is not UTF-8; save the file as UTF-8")


def test_one_byte_order_mark_is_passed_over() -> None:
    assert decode(b"\xef\xbb\xbf---\n") == "---\n"
    assert decode(b"\xef\xbb\xbf\xef\xbb\xbfa") == "\ufeffa"


@given(st.text(letters))
def test_quoted_text_reads_back_as_itself(text: str) -> None:
    assert value(quoted(text)) == text
    assert list(read(f"{quoted(text)}: 1\n")) == [text]


def plain(pairs: dict[str, tuple[Node, Node]]) -> dict[str, object]:
    """Values without their places."""

    def bare(node: Node) -> object:
        if isinstance(node.value, list):
            return [bare(item) for item in node.value]
        return plain(node.value) if isinstance(node.value, dict) else (type(node.value), node.value)

    return {name: bare(node) for name, (_, node) in pairs.items()}


HEADS = [
    "", "# note\n", "a: 1\n", "a: 1", "a: 1\r\n", "a: |\n  text\n", "a: |+\n  text\n\n\n", "a: >-\n  text\n  more\n",
    "a: no # note\nb: [1, 'x']\n", "{a: 1, b: [x, {c: 'no'}]}\n", "{a: 1,\n b: 0x1F}\n", "  a: 1\n  b: true\n",
    "a: 1\n...\n", "cwd:\n", "cwd: ~\na: 1\n", "a: 1\ncwd: null # later\nb: 2\n", "cwd:\n  ~\n", "cwd: old\na: \n",
    "? a\n: b\n", "a:\n- 1\n- 2\n", "a:\n  b:\n    c: '1'\n", "a: \"x\\u2028y\"\ncwd:\n", "a: b\n  c\n",
]  # fmt: skip


@pytest.mark.parametrize("head", HEADS)
def test_keys_go_into_any_frontmatter_and_change_nothing_else(head: str) -> None:
    before = read(head)
    longer = insert(head, {"cwd": quoted("/tmp/x: #y"), "lock": '["a"]'})
    after = plain(read(longer))
    assert list(after)[-2:] == ["cwd", "lock"]
    assert after.pop("cwd") == (str, "/tmp/x: #y")
    assert after.pop("lock") == [(str, "a")]
    assert after == plain({name: pair for name, pair in before.items() if name != "cwd"})


@pytest.mark.parametrize("head", ["a: 1 # why\n", "# note\n\na: 1\nb:   2\n", "a: [1,\n  2]\r\n"])
def test_where_lines_can_be_added_the_rest_stays_as_it_was_typed(head: str) -> None:
    assert insert(head, {"cwd": "x"}) == head + "cwd: x\n"


def test_a_key_is_not_put_into_what_cannot_be_read() -> None:
    with pytest.raises(NodeError, match="must be lines of"):
        insert("just text\n", {"cwd": "x"})


def test_a_problem_reads_like_a_compilers() -> None:
    assert Problem(4, 1, "odd").at("fix.md") == "fix.md:4:1: odd"
    assert Problem(4, 1, "odd", warning=True).at("fix.md") == "fix.md:4:1: warning: odd"


def test_a_problem_is_one_readable_line_whatever_it_quotes() -> None:
    assert Problem(1, 1, "not 'a\n\x1b[31mb\u2028\u202e'").at("f") == r"f:1:1: not 'a\n\x1b[31mb\u2028\u202e'"
    assert len(Problem(1, 1, "a" * 65_536).at("f")) < 500
