"""Whether a broken job runs again, and how long it waits first."""

from dataclasses import dataclass

from agent_queue.core.outcome import FAILURES, Failure

LONGEST_WAIT_S = 3600.0
FIRST_WAIT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The manifest's `retry`. `max_retries` counts runs after the first; 0 means none.

    `backoff_s` is the least wait between two runs; None doubles it from 30 s to an hour at the most, with up
    to a quarter added by chance.
    """

    max_retries: int = 0
    backoff_s: float | None = 0.0
    on: tuple[Failure, ...] = ()
    stop_on_repeat: bool = False


NEVER = Retry()


def may_retry(kind: Failure, retry: Retry) -> bool:
    """True when the manifest asks to retry this failure class and the class may be retried at all."""
    return FAILURES[kind].retriable and kind in retry.on and retry.max_retries > 0


def wait_before(attempt: int, retry: Retry, roll: float) -> float | None:
    """Return the seconds to wait after `attempt` charged attempts, or None when none is left.

    `roll` lies in [0, 1) and comes from the caller's dice.
    """
    if attempt > retry.max_retries:
        return None
    if retry.backoff_s is not None:
        return retry.backoff_s
    # No attempt is charged yet when a person put the file straight into building or review.
    doubled = FIRST_WAIT_S * (1 << min(max(attempt - 1, 0), 20))
    return float(min(doubled * (1 + roll / 4), LONGEST_WAIT_S))
