"""The figures as a page."""

from collections.abc import Sequence

from benchmarks.figures import Figure

PAGE = """\
# Benchmarks

Written by `make bench` (`{command}`), on {day}:

{machine}

Ratios are taken in one run, from medians of alternating rounds. Floors and peers are measured beside each figure, on
the same disk and in the same minutes. CPU time tells more than wall time where other programs share the machine.

{table}
"""
HEAD = "| figure | measured | target | met | floor or peer, and the cause of a miss |\n|---|---|---|---|---|"


def table(figures: Sequence[Figure]) -> str:
    return "\n".join((HEAD, *map(_row, figures)))


def page(figures: Sequence[Figure], *, machine: Sequence[str], command: str, day: str) -> str:
    return PAGE.format(command=command, day=day, machine=listed(machine), table=table(figures))


def listed(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _row(figure: Figure) -> str:
    met = {True: "yes", False: "**no**", None: "not measured"}[figure.met]
    cause = "" if figure.met else figure.cause
    notes = "; ".join(note for note in (figure.beside, cause) if note)
    return f"| {figure.figure} | {figure.measured} | {figure.target} | {met} | {notes} |"
