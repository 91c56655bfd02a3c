"""The one place where the supervisor waits: processes, files, signals and slow deeds wake it. Satisfies `ports.Events`.

On Linux these are pidfds, inotify and two pipes under one selector. Elsewhere processes are looked at five times a
second and a thread of the watchfiles package reports the files; that path was never run here.
"""

import os
import selectors
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Self

from agent_queue.core.errors import AqError
from agent_queue.ports import FileChange, Woken
from agent_queue.system import kernel
from agent_queue.system.aside import come_of
from agent_queue.system.processes import PIDFDS, MachineProcesses
from agent_queue.system.watch import FolderWatch

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

LOOK_S = 0.2
WORKERS = 4
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


class MachineEvents:
    """A context manager: signals are caught and files watched while it is open."""

    def __init__(
        self, processes: MachineProcesses, folders: Sequence[str], alive: Callable[[], None] = lambda: None
    ) -> None:
        """`alive` is called every time before it waits: whoever listens knows that the loop still turns."""
        self._alive = alive
        self._processes = processes
        self._selector = selectors.DefaultSelector()
        self._folders = FolderWatch(folders)
        self._pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
        self._finished: deque[tuple[str, Any]] = deque()
        self._signals: list[str] = []
        self._watched: set[str] = set()
        self._looked_at: dict[str, int] = {}
        self._workers: ThreadPoolExecutor | None = None
        self._handlers: dict[int, Any] = {}
        self._closing = Lock()
        self._closed = False

    def __enter__(self) -> Self:
        os.set_blocking(self._pipe[0], False)
        os.set_blocking(self._pipe[1], False)
        self._selector.register(self._pipe[0], selectors.EVENT_READ, "pipe")
        self._selector.register(self._folders.fileno(), selectors.EVENT_READ, "files")
        for number in SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: whoever started it wants it to outlive the terminal
            self._handlers[number] = signal.signal(number, self._on_signal)
        signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if self._workers is not None:
            self._workers.shutdown(wait=True)
        self._folders.close()
        self._selector.close()
        with self._closing:
            self._closed = True
            for fd in self._pipe:
                os.close(fd)

    def watch_process(self, folder: str) -> bool:
        """Wake when the shim of this run folder ends; False when there is none alive to watch."""
        if folder in self._watched:
            return True
        shim = self._processes.watched(folder)
        if shim is None:
            return False
        self._watched.add(folder)
        if PIDFDS:
            self._selector.register(shim, selectors.EVENT_READ, ("ended", folder))
        else:
            self._looked_at[folder] = shim
        return True

    def later(self, key: str, deed: Callable[[], Any]) -> None:
        """Do something slow in a thread; its value or its exception comes back from `wait`."""
        if self._workers is None:
            from concurrent.futures import ThreadPoolExecutor

            self._workers = ThreadPoolExecutor(WORKERS, "deed")
        try:
            self._workers.submit(self._do, key, deed)
        except RuntimeError as error:
            hint = "allow more processes (`ulimit -u`); the next `aq run` goes on from here"
            raise AqError("the system lets us start no thread", hint=hint) from error

    def beside(self, key: str, deed: Callable[[], Any]) -> None:
        """Do something that may hang in a thread of its own; the end does not wait for it."""
        try:
            Thread(target=self._do, args=(key, deed), name=key, daemon=True).start()
        except RuntimeError as error:
            self._finished.append((key, AqError(f"the system lets us start no thread: {error}")))

    def expecting(self) -> bool:
        return False

    def wait(self, timeout_s: float | None) -> Woken:
        """Wait until something happens, at most `timeout_s`; None waits for ever."""
        self._alive()
        if self._looked_at:
            timeout_s = min(timeout_s, LOOK_S) if timeout_s is not None else LOOK_S
        if self._signals or self._finished:
            timeout_s = 0
        ended: list[str] = []
        files: list[FileChange] = []
        for key, _ in self._selector.select(timeout_s):
            match key.data:
                case "pipe":
                    with suppress(BlockingIOError):
                        os.read(key.fd, 4096)
                case "files":
                    files += self._folders.drain()
                case ("ended", folder):
                    self._selector.unregister(key.fd)
                    with suppress(ChildProcessError):  # one that was adopted or forked is not our child
                        os.waitid(os.P_PIDFD, key.fd, os.WEXITED | os.WNOHANG)
                    os.close(key.fd)
                    ended.append(folder)
        ended += self._look()
        self._watched.difference_update(ended)
        finished = [self._finished.popleft() for _ in range(len(self._finished))]
        signals, self._signals = self._signals, []
        return Woken(ended=ended, finished=finished, signals=signals, files=files)

    def _look(self) -> list[str]:
        ended = []
        for folder, shim in self._looked_at.items():
            with suppress(ChildProcessError):
                os.waitpid(shim, os.WNOHANG)
            if not kernel.start_time(shim):
                ended.append(folder)
        for folder in ended:
            del self._looked_at[folder]
        return ended

    def _on_signal(self, number: int, _: object) -> None:
        self._signals.append(signal.Signals(number).name)

    def _do(self, key: str, deed: Callable[[], Any]) -> None:
        self._finished.append((key, come_of(deed)))
        with self._closing, suppress(BlockingIOError):
            if not self._closed:  # its number may be another file's by now
                os.write(self._pipe[1], b"\0")


def wait_until(ready: Callable[[], bool], *, seconds: float, every_s: float = 0.01) -> bool:
    """Look until something is so; False when the time is over."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() >= end:
            return False
        time.sleep(every_s)
    return True
