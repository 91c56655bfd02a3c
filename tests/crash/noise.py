"""Bytes that something must be able to read: noise, pieces of a language in any order, and what is right, damaged."""

import random
from collections.abc import Sequence


def noise(dice: random.Random) -> bytes:
    """Random bytes."""
    return dice.randbytes(dice.randrange(80))


def pieced(dice: random.Random, pieces: Sequence[bytes], most: int = 12) -> bytes:
    """Some of a language's building blocks, in a row."""
    return b"".join(dice.choices(pieces, k=dice.randrange(most)))


def damaged(dice: random.Random, data: bytes, pieces: Sequence[bytes]) -> bytes:
    """The same with a few cuts, doublings, flipped bytes and planted pieces."""
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
                data = data[:at] + dice.choice(pieces) + data[at:]
    return data


def shuffled(dice: random.Random, lines: Sequence[bytes]) -> list[bytes]:
    """The same lines with some missing, doubled, moved, or torn."""
    found = list(lines)
    for _ in range(dice.randrange(1, 6)):
        if not found:
            break
        at = dice.randrange(len(found))
        match dice.randrange(4):
            case 0:
                del found[at]
            case 1:
                found.insert(dice.randrange(len(found) + 1), found[at])
            case 2:
                found.insert(dice.randrange(len(found)), found.pop(at))
            case _:
                found[at] = found[at][: dice.randrange(len(found[at]) + 1)]
    return found
