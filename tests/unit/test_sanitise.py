"""What a person does not see in a tracker does not reach an agent; what they see in code stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_queue.core.sanitise import Cleaned, clean

HIDDEN = [
    ("a <!-- x --> b", "a  b", 1),
    ("<!-- never\nends", "", 1),
    ("<!--> a", " a", 1),
    ("<!-- a --!> b", " b", 1),
    ("\\` <!-- h ` -->", "\\` ", 1),
    ("<div>\n```\n<!-- h -->\n```\n</div>", "<div>\n```\n\n```\n</div>", 1),
    ("<pre>\n\n```\n<!-- h -->\n```\n</pre>", "<pre>\n\n```\n\n```\n</pre>", 1),
    ("- i\n  ```\n<!-- x -->", "- i\n  ```\n", 1),
    ("<!-<!-- x -->- hidden -->", "", 2),
    ("foo ` bar\nbaz ` <!-- hidden ` -->", "foo ` bar\nbaz ` ", 1),
    ("| ` | <!-- hidden ` --> |", "| ` |  |", 1),
    ("<a title='`'> <!-- hidden ` -->", "<a title='`'> ", 1),
]
SHOWN = [
    "`<!-- x -->` is a comment", "``a ` <!-- x -->``", "`a` and `<!--` then `-->`", "a <!-- never ends",
    "```\n<!-- x -->\n```", "~~~ html\n<!-- x -->\n~~~~\nmore", "Text:\n```\n<!-- x -->\n", "1 < 2, a <- b", "",
]  # fmt: skip


@pytest.mark.parametrize(("text", "kept", "comments"), HIDDEN)
def test_hidden_comments_go(text: str, kept: str, comments: int) -> None:
    assert clean(text) == Cleaned(kept, comments, 0)


@pytest.mark.parametrize("text", SHOWN)
def test_what_is_shown_stays(text: str) -> None:
    assert clean(text) == Cleaned(text, 0, 0)


def test_invisible_characters_go_also_in_code() -> None:
    text = "a\u200bb\u202ec\U000e0041\ufeff`d\u2066`\x1b[0m\x00\tx\n"
    assert clean(text) == Cleaned("abc`d`[0m\tx\n", 0, 7)
    assert clean("<!\u200b-- x --\u200b>") == Cleaned("", 1, 2)


def test_variation_selectors_may_choose_and_not_spell() -> None:
    assert clean("\u2764\ufe0f and a\ufe0e") == Cleaned("\u2764\ufe0f and a\ufe0e", 0, 0)
    assert clean("a" + "\ufe00\ufe01\u200b\ufe02\U000e0101\ufe03 b") == Cleaned("a\ufe00 b", 0, 5)
    assert clean("a\ufe00<!-- x -->\ufe01") == Cleaned("a\ufe00", 1, 1)


@given(st.text(alphabet="<!->` \n~a|\\\u200b\ufe00\ufe01", max_size=80))
def test_it_is_done_after_once(text: str) -> None:
    kept = clean(text).text
    assert clean(kept) == Cleaned(kept, 0, 0)


def test_long_texts_take_no_time() -> None:
    for text in ("<!-<!-- x -->- " * 50_000, "`<" * 250_000, "a<!--" * 200_000, "` " * 250_000 + "<"):
        clean(text)
