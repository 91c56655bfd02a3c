"""Calls the person's command for each notice, with JSON on its standard input. It never holds up the supervisor.

One thread calls them one after the other, each for a limited time; of too many at once the latest are dropped.
"""

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

LIMIT_S = 30.0
MOST = 100
LAST_S = 5.0
"""How long the end of the supervisor waits for notices that are still to be given."""


class Notifier:
    """Made when the first notice is to be given. `about` is added to every notice."""

    def __init__(
        self, command: Sequence[str], about: Mapping[str, Any], tell: Callable[[str], None], *, limit_s: float = LIMIT_S
    ) -> None:
        self._command = command
        self._about = about
        self._tell = tell
        self._limit_s = limit_s
        self._waiting: queue.Queue[bytes] = queue.Queue(MOST)
        self._thread: threading.Thread | None = None
        self._told: set[str] = set()

    def __call__(self, notice: Mapping[str, Any]) -> None:
        """Give a notice, soon. Call it from one thread only."""
        if not self._command:
            return
        text = json.dumps({"schema_version": 1, "at": round(time.time(), 3), **self._about, **notice})
        try:
            self._waiting.put_nowait(text.encode() + b"\n")
        except queue.Full:
            self._complain(f"more than {MOST} at once; some were dropped")
            return
        if self._thread is None:
            # A daemon: a command that hangs must not keep the supervisor from ending.
            self._thread = threading.Thread(target=self._work, name="notices", daemon=True)
            self._thread.start()

    def close(self, patience_s: float = LAST_S) -> None:
        """Wait a little for what is still to be said."""
        end = time.monotonic() + patience_s
        while self._thread is not None and self._waiting.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.01)

    def _work(self) -> None:
        while True:
            text = self._waiting.get()
            self._call(text)
            self._waiting.task_done()

    def _call(self, text: bytes) -> None:
        try:
            process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            self._complain(str(error))
            return
        try:
            process.communicate(text, timeout=self._limit_s)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            self._complain(f"took longer than {self._limit_s:.0f} s")
            return
        if process.returncode:
            self._complain(f"ended with {process.returncode}")

    def _complain(self, problem: str) -> None:
        if problem not in self._told:
            self._told.add(problem)
            self._tell(f"[notify] command: {problem}")
