"""What can go wrong with a tracker, in eight kinds. Each says which setting to look at."""

from enum import StrEnum

from agent_queue.core.errors import EXIT_FAILED, EXIT_SETTINGS, EXIT_UNAVAILABLE, AqError


class Trouble(StrEnum):
    """The kinds of failure that all trackers share; the value is the word that people see."""

    UNSUPPORTED = "unsupported"
    MISCONFIGURED = "misconfigured"
    MISSING_SECRET = "missing secret"  # noqa: S105 - the name of a failure
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    NOT_FOUND = "not found"
    RATE_LIMITED = "rate limited"
    BAD_ANSWER = "bad answer"


EXIT_CODES = {
    Trouble.UNSUPPORTED: EXIT_SETTINGS, Trouble.MISCONFIGURED: EXIT_SETTINGS, Trouble.MISSING_SECRET: EXIT_SETTINGS,
    Trouble.UNREACHABLE: EXIT_UNAVAILABLE, Trouble.RATE_LIMITED: EXIT_UNAVAILABLE,
    Trouble.BAD_ANSWER: EXIT_UNAVAILABLE, Trouble.REFUSED: EXIT_FAILED, Trouble.NOT_FOUND: EXIT_FAILED,
}  # fmt: skip

OF_THE_TRACKER = frozenset((
    Trouble.UNSUPPORTED, Trouble.MISCONFIGURED, Trouble.MISSING_SECRET, Trouble.UNREACHABLE, Trouble.RATE_LIMITED,
))  # fmt: skip
"""Where the next item would meet the same: there is no use in asking for it now."""


class TrackerError(AqError):
    """A tracker did not do what it was asked for.

    `arrived` is True when the request may have been carried out all the same: its answer never came, or made no
    sense. `slow` is True when that took as long as a request may. `retry_after_s` is what the tracker itself asked
    to wait.
    """

    def __init__(
        self, trouble: Trouble, text: str, *, hint: str = "", arrived: bool = False, slow: bool = False,
        retry_after_s: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(text, hint=hint)
        self.trouble = trouble
        self.arrived = arrived
        self.slow = slow
        self.retry_after_s = retry_after_s
        self.exit_code = EXIT_CODES[trouble]
