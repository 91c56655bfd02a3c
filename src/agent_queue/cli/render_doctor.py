"""What `aq doctor` found, as lines for people."""

from collections.abc import Iterator

from agent_queue.cli.screen import Screen, plain
from agent_queue.flow.doctor import Finding, Level

COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


def findings(found: list[Finding], screen: Screen) -> Iterator[str]:
    """Findings by what they are about, each with what mends it."""
    for before, one in zip([None, *found], found, strict=False):
        if before is None or before.about != one.about:
            yield screen.paint(one.about, "bold")
        first, *more = screen.wrap(plain(one.text), screen.width - 8)
        mark = "-" if one.level is Level.OK and one.fix else one.level.value  # nothing wrong, and something one can do
        yield f"  {screen.paint(f'{mark:<4}', COLOURS[one.level] if mark != '-' else '')}  {first}"
        yield from (f"        {line}" for line in more)
        yield from (f"        {screen.paint(line, 'dim')}" for line in screen.wrap(one.fix, screen.width - 8) if line)
