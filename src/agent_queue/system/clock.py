"""Time and dice of this machine; satisfies `ports.Clock`."""

import random
import time
import uuid
from datetime import UTC, datetime


class MachineClock:
    """The real clock. Decisions take its values as arguments, so that tests can replay them."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def local(self) -> datetime:
        return datetime.now(UTC).astimezone()

    def monotonic(self) -> float:
        return time.monotonic()

    def roll(self) -> float:
        return random.random()  # noqa: S311 - spreads retries, guards nothing

    def token(self) -> str:
        return str(uuid.uuid4())
