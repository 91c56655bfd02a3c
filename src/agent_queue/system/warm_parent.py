"""The warm parent: an interpreter that is started once per supervisor, and from which every shim is forked.

Starting an interpreter is most of the work of starting a shim. This program is run as `python -I -S warm_parent.py
FOLDER`, FOLDER being the one that holds this package, with a socket to the supervisor as its standard input. A request
is one message of texts joined by NUL (run folder, cwd, options, number of arguments, arguments, environment) and brings
open files: `go`, the agent's standard input, its log, the job's locks. The answer brings a pidfd of the new shim.

A new shim waits for a byte from `go`; it ends without a trace when that is closed instead. So a supervisor that got no
answer may start the job in another way, and never starts it twice. The warm parent keeps nothing: when the supervisor
is gone it ends, and its shims live on.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import posix
import sys
from _collections_abc import Callable  # without the rest of `collections`

LONGEST_REQUEST = 1 << 17
MOST_FILES = 200
GO, ANSWER = b"g", b"a"

Main = Callable[[str, str, dict[str, str], list[str]], None]


def serve(supervisor: _socket.socket, main: Main) -> None:
    """Fork a shim, which runs `main`, for each request until the supervisor is gone."""
    _signal.signal(_signal.SIGCHLD, reap)
    while True:
        request, files = received(supervisor)
        if not request:
            return
        shim = posix.fork()
        if not shim:
            be_shim(request, files, main)
        answer(supervisor, shim)
        for number in files:
            posix.close(number)


def received(supervisor: _socket.socket) -> tuple[str, list[int]]:
    """The next request and its files; an empty one when the supervisor is gone."""
    space = _socket.CMSG_SPACE(4 * MOST_FILES)
    data, extras, _, _ = supervisor.recvmsg(LONGEST_REQUEST, space, _socket.MSG_CMSG_CLOEXEC)
    numbers = b"".join(numbers for _, _, numbers in extras)
    files = [int.from_bytes(numbers[start : start + 4], sys.byteorder) for start in range(0, len(numbers), 4)]
    return data.decode(errors="surrogateescape"), files


def answer(supervisor: _socket.socket, shim: int) -> None:
    """Tell the supervisor of a shim, by a name that stays good whatever becomes of the process."""
    try:
        handle = posix.pidfd_open(shim)
        numbers = handle.to_bytes(4, sys.byteorder)
        supervisor.sendmsg([ANSWER], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers)])
    except OSError:
        posix._exit(1)  # noqa: SLF001 - no answer: the supervisor sees us gone, and closes `go`
    posix.close(handle)


def be_shim(request: str, files: list[int], main: Main) -> None:
    """The life of a forked process. Never returns."""
    go, stdin, log, *locks = files
    for number, place in ((stdin, 0), (log, 1), (log, 2)):
        posix.dup2(number, place)  # 0 was the socket: held here, it would hide the warm parent's end
    posix.close(stdin)
    posix.close(log)
    if posix.read(go, 1) == GO:
        posix.close(go)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        posix.setsid()
        folder, cwd, options, count, *texts = request.split("\0")
        named = dict(option.partition("=")[::2] for option in options.split(";"))
        pairs = (pair.encode(errors="surrogateescape") for pair in texts[int(count) :])
        posix.environ.clear()
        posix.environ.update(pair.partition(b"=")[::2] for pair in pairs)
        main(folder, cwd, {**named, "locks": ":".join(map(str, locks))}, texts[: int(count)])
    posix._exit(0)  # noqa: SLF001


def reap(*_: object) -> None:
    """Let go of shims that have ended. The supervisor learns of it by their pidfds."""
    try:
        while posix.waitpid(-1, posix.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    sys.path.append(sys.argv[1])
    import _ctypes  # noqa: F401 - so that no shim has to load it

    from agent_queue.system import shim

    serve(_socket.socket(fileno=0), shim.main)
