"""Sends a request again where that is safe and may help. What to send again, and when, is decided in `core.calls`."""

import time
from collections.abc import Callable

from agent_queue.core.calls import Answer, Request, wait_before_again
from agent_queue.core.trouble import TrackerError, Trouble
from agent_queue.ports_tracker import Transport


class Retrying:
    """Satisfies `ports.Transport`, by another one. `answered` is called with every answer that comes."""

    def __init__(
        self, inner: Transport, pause: Callable[[float], None] = time.sleep, answered: Callable[[], None] = lambda: None
    ) -> None:
        self._inner = inner
        self._pause = pause
        self._answered = answered

    def send(self, request: Request) -> Answer:
        tries = 0
        while True:
            tries += 1
            answer: Answer | None = None
            failure: TrackerError | None = None
            try:
                answer = self._inner.send(request)
                self._answered()
            except TrackerError as error:
                failure = error
            hopeless = failure is not None and (failure.slow or failure.trouble is not Trouble.UNREACHABLE)
            wait = None if hopeless else wait_before_again(request, answer, tries)
            if wait is None:
                if failure is not None:
                    raise failure
                assert answer is not None
                return answer
            self._pause(wait)
