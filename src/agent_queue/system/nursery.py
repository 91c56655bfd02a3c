"""The supervisor's side of the warm parent: where shims are forked."""

import os
import select
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress

from agent_queue.system.warm_parent import GO, LONGEST_REQUEST, MOST_FILES

ANSWER_S = 5.0


class Nursery:
    """Has shims forked while its warm parent lives. Whoever gets none here starts it in another way.

    `script` is the warm parent's program, which finds the shim's module in `folder`.
    """

    def __init__(self, python: str, script: str, folder: str) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(ANSWER_S)
        argv = [python, "-I", "-S", script, folder]
        # 1 and 2 are open whatever ours are, so that no file that it is sent can come to lie there.
        silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDONLY, 0) for number in (1, 2)]
        with theirs:
            actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0), *silent]
            self._parent = os.posix_spawn(python, argv, {}, file_actions=actions, setsid=True)

    def close(self, patience_s: float = ANSWER_S) -> None:
        """Let the warm parent end; one that does not in time is killed. Its shims live on."""
        if self._parent:
            self._socket.close()
            handle = os.pidfd_open(self._parent)
            if not select.select([handle], [], [], patience_s)[0]:
                os.kill(self._parent, signal.SIGKILL)
            os.close(handle)
            os.waitpid(self._parent, 0)
            self._parent = 0

    def fork(
        self, folder: str, cwd: str, options: str, argv: Sequence[str], env: Mapping[str, str], files: Sequence[int],
    ) -> int | None:  # fmt: skip
        """A pidfd of a new shim that has these files as standard input, log and locks; None when it gives none."""
        texts = (folder, cwd, options, str(len(argv)), *argv, *(f"{name}={value}" for name, value in env.items()))
        request = os.fsencode("\0".join(texts))
        fits = len(request) <= LONGEST_REQUEST and len(files) < MOST_FILES and request.count(b"\0") == len(texts) - 1
        if not self._parent or not fits:
            return None
        wait, go = os.pipe()
        shim = self._asked(request, [wait, *files])
        os.close(wait)
        if shim is None:
            os.close(go)  # if it was forked all the same, it ends now
            self.close(0)
            return None
        with suppress(BrokenPipeError):  # somebody killed it already: its end tells
            os.write(go, GO)
        os.close(go)
        return shim

    def _asked(self, request: bytes, files: Sequence[int]) -> int | None:
        try:
            socket.send_fds(self._socket, [request], files)
            _, handles, _, _ = socket.recv_fds(self._socket, 1, 1, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            return None
        return handles[0] if handles else None
