"""Telling systemd that the supervisor is ready, and that it still lives. Without systemd nothing happens."""

import socket
import time
from collections.abc import Mapping
from contextlib import suppress


class ServiceManager:
    """Talks to the socket that systemd names in the environment of a `Type=notify` service."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        usec = environment.get("WATCHDOG_USEC", "")
        self._every_s = int(usec) / 2e6 if usec.isdecimal() and int(usec) else None
        self._last = 0.0

    def ready(self) -> None:
        """Jobs can be run from now on."""
        self._send("READY=1")

    def stopping(self) -> None:
        """It has begun to end."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Call it often: it tells systemd as often as that wants to hear it."""
        now = time.monotonic()
        if self._every_s is not None and now - self._last >= self._every_s / 2:
            self._last = now
            self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        # A service manager that does not listen is no reason to stop the queue.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto(state.encode(), address)
