"""Whatever bytes lie in the inbox: they are a job file, or they raise ManifestError with a place.

AQ_FUZZ sets how many inputs are tried; AQ_SEED another beginning.
"""

import os
import random
import re
from collections.abc import Callable

import pytest

from agent_queue.core.errors import ManifestError
from agent_queue.core.frontmatter import decode
from agent_queue.core.manifest import JobFile, Manifest, add_keys, parse, render

from .test_frontmatter import HEADS
from .test_manifest import MESSAGES, WHOLE

ROUNDS = int(os.environ.get("AQ_FUZZ", "2000"))
SEED = int(os.environ.get("AQ_SEED", "1"))
PLACED = re.compile(r"x\.md:[1-9][0-9]*:[1-9][0-9]*: .*[^\s]")

PIECES = [
    b"---\n", b"---", b"...\n", b"\r\n", b"\n", b"\t", b"  ", b": ", b"- ", b"? ", b"&a ", b"*a", b"!!str ", b"!",
    b"|\n", b">-\n", b"[", b"]", b"{", b"}", b",", b"#", b"'", b'"', b"\\u2028", b"\\x", b"\\ud800", b"%YAML 1.1\n",
    b"<<: ", b"~", b"null", b"no", b"12:30", b"1e999", b"9" * 400, b"0x", b"0o9", b".nan", b"-", b"\0", b"\x07",
    b"\x7f", b"\x85", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xff\xfe", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80",
    b"engine: claude\n", b"retry:\n", b"budget: {usd: ", b"[" * 30, b"{a: " * 30, b"90s", b"cwd:", b"@", b"`",
]  # fmt: skip
GOOD = [WHOLE.encode(), *(f"---\n{head}\n---\n".encode() for head in HEADS)]
BAD = list(MESSAGES)


def noise(dice: random.Random) -> bytes:
    """Random bytes, half of them behind a fence."""
    made = dice.randbytes(dice.randrange(80))
    return dice.choice([made, b"---\n" + made + b"\n---\n"])


def pieced(dice: random.Random) -> bytes:
    """A frontmatter out of YAML's own building blocks."""
    return b"---\n" + b"".join(dice.choices(PIECES, k=dice.randrange(12))) + b"\n---\nbody"


def mutated(dice: random.Random) -> bytes:
    """A job file with a few cuts, doublings, flipped bytes and planted pieces."""
    data = dice.choice(dice.choice([GOOD, GOOD, BAD]))[:2_000]
    for _ in range(dice.randrange(1, 5)):
        at, length = dice.randrange(len(data) + 1), dice.randrange(12)
        match dice.randrange(4):
            case 0:
                data = data[:at] + data[at + length :]
            case 1:
                data = data[:at] + data[at : at + length] + data[at:]
            case 2:
                data = data[:at] + dice.randbytes(1) + data[at + 1 :]
            case _:
                data = data[:at] + dice.choice(PIECES) + data[at:]
    return data


def readable(data: bytes) -> JobFile | None:
    """The job that the bytes are, or None when all that is wrong was told at its place."""
    try:
        return parse(data, "x.md")
    except ManifestError as error:
        unplaced = [line for line in str(error).splitlines() if not PLACED.fullmatch(line)]
    assert not unplaced, data
    return None


@pytest.mark.parametrize("make", [noise, pieced, mutated])
def test_any_bytes_are_a_job_or_one_readable_error(make: Callable[[random.Random], bytes]) -> None:
    dice = random.Random(SEED)
    taken = 0
    for number in range(ROUNDS):
        data = make(dice)
        job = readable(data)
        if job is None:
            continue
        taken += 1
        text = decode(data)
        assert text.endswith(job.body), (number, data)
        assert parse(render(job.manifest, job.body).encode(), "x.md").manifest == job.manifest, (number, data)
        longer = parse(add_keys(text, {"cwd": "/here"}).encode(), "x.md")
        assert longer.manifest == Manifest(cwd="/here", origins={"cwd": "job"}).under(job.manifest), (number, data)
        assert longer.body == job.body, (number, data)
    assert 0 < taken < ROUNDS, "the inputs are all alike: nothing was tried"
