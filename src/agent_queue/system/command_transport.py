"""Requests to a tracker through a program of the person's own: `CMD METHOD PATH [JSON]`, instead of HTTP.

It prints the body, then a line with the HTTP status. Without such a line an exit with 0 is 200, another a failure.
"""

import json
import os
import re
import shlex
import signal
import subprocess

from agent_queue.core.calls import Answer, Request
from agent_queue.core.trouble import TrackerError, Trouble

LONGEST_S = 15.0
_STATUS = re.compile(rb"(?:\A|\n)[ \t]*([1-5][0-9]{2})[ \t\r]*\n?\Z")


class CommandTransport:
    """Satisfies `ports.Transport`. `command` is a program's path, or its name with arguments."""

    def __init__(self, command: str, *, longest_s: float = LONGEST_S) -> None:
        self._command = command
        self._longest_s = longest_s

    def send(self, request: Request) -> Answer:
        argv = [*self._program(), request.method, request.path]
        if request.body is not None:
            argv.append(json.dumps(request.body, ensure_ascii=False))
        what = f"{self._command} {request.method} {request.path.partition('?')[0]}"
        try:
            running = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError, UnicodeError) as error:
            text = f"{self._command}: {getattr(error, 'strerror', None) or error}"
            raise TrackerError(Trouble.MISCONFIGURED, text, hint="check AQ_TRACKER_API_CMD") from error
        try:
            out, _ = running.communicate(timeout=self._longest_s)
        except subprocess.TimeoutExpired as error:
            text = f"{what}: it did not end in {self._longest_s:.0f} s"
            raise TrackerError(Trouble.UNREACHABLE, text, hint="check AQ_TRACKER_API_CMD", arrived=True,
                               slow=True) from error  # fmt: skip
        finally:
            if running.returncode is None:
                os.killpg(running.pid, signal.SIGKILL)
                running.communicate()
        found = _STATUS.search(out)
        if found:
            return Answer(status=int(found[1]), body=out[: found.start()])
        if running.returncode:
            text = f"{what}: ended with {running.returncode}"
            raise TrackerError(Trouble.UNREACHABLE, text, hint="check AQ_TRACKER_API_CMD", arrived=True)
        return Answer(status=200, body=out)

    def _program(self) -> list[str]:
        if os.path.isfile(self._command):
            return [self._command]
        try:
            return shlex.split(self._command) or [self._command]
        except ValueError as error:
            text = f"AQ_TRACKER_API_CMD cannot be read: {error}"
            raise TrackerError(Trouble.MISCONFIGURED, text, hint="mind its quotes") from error
