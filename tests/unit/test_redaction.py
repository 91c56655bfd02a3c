"""Secrets do not show: those of an environment, and what has the shape of a key; everything else stays as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_queue.core.redaction import LONGEST_OPEN_LINE, REDACTED, Redaction, secrets

PEM = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\nQyNTUx\n-----END OPENSSH PRIVATE KEY-----"
KEYS = (
    "sk-ant-api03-AbCdEfGhIjKlMnOpQrSt_uv-12", "sk-proj-0123456789abcdefghij", "sk_live_0123456789abcdefGHIJ",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345", "github_pat_11ABCDEFG0123456789_abcdefghijklmnop",
    "glpat-0123456789abcdefghij", "AIzaSyA0123456789abcdefghijklmnopqrstuv", "AKIAIOSFODNN7EXAMPLE",
    "xoxb-012345678901-abcdefghij", "npm_0123456789abcdefghijABCDEFGHIJ0123", "hf_0123456789abcdefghijABCDEFGHIJ0123",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P", PEM,
)  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_a_key_does_not_show(key: str) -> None:
    assert Redaction({}).text(f"it is {key}.") == f"it is {REDACTED}."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abcdefgh12345678.x==", f"Authorization: Bearer {REDACTED}"),
        ("git clone https://me:hunter22@example.org/x", f"git clone https://{REDACTED}@example.org/x"),
    ],
)
def test_a_secret_shows_its_place(text: str, shown: str) -> None:
    assert Redaction({}).text(text) == shown


@pytest.mark.parametrize(
    "text",
    ["ask-me-later-please-and-thank-you", "see http://localhost:4003/x", "task-0123456789abcdef", "bearer of bad news",
     "the sky-scraper", "https://example.org/a@b", "wip commit 4f2a9c0d1e8b7a6c5d4e3f2a1b0c9d8e7f6a5b4c"],
)  # fmt: skip
def test_other_words_stay(text: str) -> None:
    assert Redaction(secrets({"PATH": "/usr/bin", "HOME": "/root"})).text(text) == text


def test_what_an_environment_calls_a_secret() -> None:
    told = secrets(
        {"OUR_API_KEY": "correct-horse", "SSH_AUTH_SOCK": "/tmp/agent.1234", "DB_PASSWORD": "hunter2", "LANG": "C.U"},
        {"GH_TOKEN": "battery-staple", "KEYBOARD": "us-international", "SSL_KEY": "/etc/ssl/private.pem"},
    )  # fmt: skip
    assert told == {"correct-horse": "OUR_API_KEY", "battery-staple": "GH_TOKEN"}
    assert Redaction(told).text("with correct-horse-x and battery-staple") == "with [OUR_API_KEY]-x and [GH_TOKEN]"


def test_a_longer_secret_goes_before_its_own_beginning() -> None:
    assert Redaction({"abcdefgh": "A", "abcdefghij": "B"}).text("abcdefghij abcdefgh") == "[B] [A]"


@given(st.data())
def test_no_seam_lets_a_secret_through(data: st.DataObject) -> None:
    secret, known = "correct-horse-battery", {"correct-horse-battery": "OUR_KEY"}
    before, after = (
        data.draw(st.sampled_from(["", "x\ny ", "z" * 50])),
        data.draw(st.sampled_from(["", "\n", " end\n"])),
    )
    whole = f"{before}{secret}\n{PEM}\nthen {secret}{after}"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    shown = "".join(Redaction(known).stream(pieces))
    assert secret not in shown
    assert "b3Blbn" not in shown
    assert "QyNTUx" not in shown
    assert shown.count("[OUR_KEY]") == 2
    assert shown.startswith(before)
    assert shown.endswith(f"[OUR_KEY]{after}")


@given(st.data())
def test_no_seam_of_a_line_without_an_end_lets_a_secret_through(data: st.DataObject) -> None:
    """The secret lies across the end of a piece, in a line that is too long to be kept back as a whole."""
    secret = data.draw(st.sampled_from([key.replace("\n", "\\n") for key in KEYS]))
    size = data.draw(st.integers(1_000, 2 * LONGEST_OPEN_LINE))
    seam = size * (LONGEST_OPEN_LINE // size + data.draw(st.integers(1, 3)))
    before = seam - data.draw(st.integers(0, len(secret)))
    whole = f"{'x ' * (before // 2)}{secret} {'y ' * LONGEST_OPEN_LINE}"
    shown = "".join(Redaction({}).stream(whole[at : at + size] for at in range(0, len(whole), size)))
    assert shown == Redaction({}).text(whole)


def test_what_is_too_long_to_be_a_secret_takes_no_memory() -> None:
    pieces = ["-----BEGIN PRIVATE KEY----- sk-", *["a" * LONGEST_OPEN_LINE] * 20]
    shown = list(Redaction({}).stream(pieces))
    assert len(shown) > 15, "nothing is kept back for long"


def test_a_line_without_an_end_takes_no_memory_and_hides_nothing() -> None:
    secret = "correct-horse-battery"
    pieces = ["x" * (LONGEST_OPEN_LINE - 5) + secret[:7], secret[7:] + "y" * LONGEST_OPEN_LINE, "end"]
    shown = list(Redaction({secret: "OUR_KEY"}).stream(pieces))
    assert len(shown) > 1
    assert secret not in "".join(shown)
    assert "".join(shown).replace("[OUR_KEY]", "") == "x" * (LONGEST_OPEN_LINE - 5) + "y" * LONGEST_OPEN_LINE + "end"
