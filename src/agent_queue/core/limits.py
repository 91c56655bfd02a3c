"""What a machine must have left before another job starts, and what one job may take of it. Sizes are bytes."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`[limits]`. None is no limit."""

    memory: int | None = None
    """The most that the processes of one job may hold together."""
    free_memory: int | None = 128 * MIB
    free_disk: int | None = 256 * MIB
    load: float | None = None
    """The highest load for each processor at which a job starts."""
    log: int | None = 256 * MIB
    """The most that the log of one run takes on the disk, its beginning and its end."""


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """How a machine stands now; None where nobody can tell."""

    free_memory: int | None
    free_disk: int | None
    load: float | None
    """Of the last minute, for each processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What the processes of one job have used together: CPU seconds so far, and memory now."""

    cpu_s: float
    memory: int


def strain(limits: Limits, machine: Machine) -> str | None:
    """Why the machine takes no further job now; None when it does."""
    for what, free, least in (("memory", machine.free_memory, limits.free_memory),
                              ("disk space", machine.free_disk, limits.free_disk)):  # fmt: skip
        if free is not None and least is not None and free < least:
            return f"only {size(free)} of {what} free, less than [limits] asks for ({size(least)})"
    if machine.load is not None and limits.load is not None and machine.load > limits.load:
        return f"load {machine.load:.1f} for each processor, over [limits] load ({limits.load:g})"
    return None


def size(number: int) -> str:
    """Bytes in words: `512MB`, `1.5GB`."""
    for unit, letter in ((1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")):
        if number >= unit:
            return f"{number / unit:.1f}".removesuffix(".0") + letter
    return f"{number}B"
