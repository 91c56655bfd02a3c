"""What a run may use up."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one run; None means no limit. `wall_s` is awake time in seconds."""

    usd: float | None = None
    tokens: int | None = None
    turns: int | None = None
    wall_s: float | None = None
    strict: bool = False


NO_LIMITS = Budget()
