"""What the panel shows, as values: a door turns a status into them."""

from collections.abc import Sequence
from typing import NamedTuple


class Line(NamedTuple):
    """One job."""

    job: str
    state: str
    style: str
    """A colour, '' for none."""
    engine: str
    time: str
    used: str
    """Its cost, else its tokens."""
    attempts: str
    detail: Sequence[str]
    """What there is to say of it beneath the table."""


class Section(NamedTuple):
    title: str
    lines: Sequence[Line]


class Sight(NamedTuple):
    """The whole queue."""

    stages: Sequence[tuple[str, int]]
    supervisor: str
    sections: Sequence[Section]
