"""Takes secrets out of texts that are shown: those known from an environment, and what has the shape of a key.

A guard against showing a log to others, not a proof: a secret that nobody knows and that looks like nothing stays.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

SHORTEST = 8
"""A shorter value is too common a word to be taken out everywhere."""
LONGEST_OPEN_LINE, LONGEST_SECRET = 64 * 1024, 4096
REDACTED = "[redacted]"
_SECRET_PARTS = frozenset(
    ("KEY", "KEYS", "APIKEY", "TOKEN", "TOKENS", "SECRET", "SECRETS", "PASSWORD", "PASSWD", "PASSPHRASE", "PASS", "PAT",
     "CREDENTIAL", "CREDENTIALS", "DSN", "COOKIE")
)  # fmt: skip
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----")
_KEY_ENDS = "-----END "


class Shape(NamedTuple):
    """What a kind of key looks like. `hint` stands in every one of them: a quick look before the slow one."""

    hint: str
    pattern: re.Pattern[str]


def _shape(hint: str, pattern: str) -> Shape:
    return Shape(hint, re.compile(pattern))


SHAPES = (
    _shape("sk-", r"\bsk-[A-Za-z0-9_-]{16,}"),
    _shape("sk_", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    _shape("gh", r"\bgh[pousr]_[A-Za-z0-9]{30,}"),
    _shape("github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{30,}"),
    _shape("glpat-", r"\bglpat-[A-Za-z0-9_-]{16,}"),
    _shape("AIza", r"\bAIza[A-Za-z0-9_-]{30,}"),
    _shape("ya29.", r"\bya29\.[A-Za-z0-9_-]{20,}"),
    _shape("AKIA", r"\bAKIA[A-Z0-9]{16}\b"),
    _shape("ASIA", r"\bASIA[A-Z0-9]{16}\b"),
    _shape("xox", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    _shape("npm_", r"\bnpm_[A-Za-z0-9]{30,}"),
    _shape("pypi-", r"\bpypi-[A-Za-z0-9_-]{30,}"),
    _shape("hf_", r"\bhf_[A-Za-z0-9]{30,}"),
    _shape("eyJ", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    _shape("earer ", r"(?<=[Bb]earer )[A-Za-z0-9._~+/-]{16,}=*"),
    _shape("://", r"(?<=://)[^\s/:@]*:[^\s/@]+(?=@)"),
    _shape("PRIVATE KEY", r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]*-----|\Z)"),
)


def secrets(*environments: Mapping[str, str]) -> dict[str, str]:
    """The values that a name calls a secret, with that name; e.g. of `ANTHROPIC_API_KEY`, not of `KEYBOARD`."""
    return {
        value: name
        for environment in environments
        for name, value in environment.items()
        if len(value) >= SHORTEST and not value.startswith(("/", "~")) and _SECRET_PARTS & {*name.upper().split("_")}
    }


class Redaction:
    """Takes `known` secrets, value to name, and everything that has a key's shape out of texts."""

    def __init__(self, known: Mapping[str, str]) -> None:
        # The longest first: one may be the beginning of another.
        self._known = sorted(known.items(), key=lambda item: -len(item[0]))

    def text(self, text: str) -> str:
        """The text with a mark instead of each secret."""
        for value, name in self._known:
            if value in text:
                text = text.replace(value, f"[{name}]")
        for hint, pattern in SHAPES:
            if hint in text:
                text = pattern.sub(REDACTED, text)
        return text

    def stream(self, texts: Iterable[str]) -> Iterator[str]:
        """The same for a text in pieces, a line at a time, so that no secret hides in a seam."""
        rest, in_key = "", False
        for text in texts:
            *lines, rest = (rest + text).split("\n")
            shown = []
            for line in lines:
                in_key, told = self._line(line, in_key=in_key)
                shown.append(f"{told}\n")
            if len(rest) > LONGEST_OPEN_LINE:
                told, rest = self._open_line(rest, in_key=in_key)
                shown.append(told)
            if shown:
                yield "".join(shown)
        if rest:
            yield self._line(rest, in_key=in_key)[1]

    def _open_line(self, line: str, *, in_key: bool) -> tuple[str, str]:
        """Of a line that does not end: what is shown of it by now, and what is kept back for its rest to come.

        It is cut where no secret lies: of one that has only begun, the end would be shown as it is. What seems to be
        one and takes too much room is none.
        """
        end = len(line) - LONGEST_SECRET
        if in_key:  # all of it is taken out at its end; all that matters is whether the key ends in it
            return "", (_KEY_ENDS if _KEY_ENDS in line else "") + line[end:]
        cut = end
        for begin, after in sorted(self._secrets_in(line), reverse=True):
            cut = begin if begin < cut <= after else cut
        cut = cut if len(line) - cut <= LONGEST_OPEN_LINE else end
        return self.text(line[:cut]), line[cut:]

    def _secrets_in(self, text: str) -> Iterator[tuple[int, int]]:
        """Where each secret begins and ends."""
        known = (re.compile(re.escape(value)) for value, _ in self._known if value in text)
        for pattern in (*known, *(pattern for hint, pattern in SHAPES if hint in text)):
            yield from (found.span() for found in pattern.finditer(text))

    def _line(self, line: str, *, in_key: bool) -> tuple[bool, str]:
        """Whether the next line is still inside of a private key, and what is shown of this one."""
        if in_key:
            return _KEY_ENDS not in line, REDACTED
        begins = _KEY_BEGINS.search(line) is not None and _KEY_ENDS not in line
        return begins, self.text(line)
