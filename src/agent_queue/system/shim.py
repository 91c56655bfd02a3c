"""The shim: one small process per job that starts the agent, alone signals it, and records how it ended.

`main` runs in a process of its own, forked by the warm parent or begun by `shim_start`, with the agent's environment,
standard input and log already in place, and the job's locks as inherited files. Its options: locks (file numbers
joined by `:`), boot (the name of this boot), deadline (s), why, grace (s), signal (number), target (leader or group),
cgroup (a folder, '' for none).

It stands alone: only builtin modules, so that it starts in milliseconds and stays small. A supervisor may die, be
replaced or be told to leave agents running; the shim keeps deadlines and exit codes all the same. The job's locks are
closed, and the job thereby no longer alive, only after exit.json is on the disk.
"""

import _signal  # type: ignore[import-not-found]  # `signal` itself imports enum: 3 ms
import errno
import posix  # `os` around it brings nothing that is needed here, and costs 1 ms
import time
from _collections_abc import Callable  # without the rest of `collections`

from agent_queue.system import cgroup
from agent_queue.system.process_table import LINUX, parents, start_of

TERM, CHLD, ALRM, HUP, INT = 15, int(_signal.SIGCHLD), 14, 1, 2
PR_SET_CHILD_SUBREAPER = 36
MOST_FILES = 1 << 16
RETRY_S = 0.002
SLOWEST_RETRY_S = 1.0
FULL = (errno.ENOSPC, errno.EDQUOT)


def main(folder: str, cwd: str, options: dict[str, str], argv: list[str]) -> None:
    """Run one agent from start to recorded end. Returns when its whole tree is gone."""
    began = time.monotonic()
    locks = [int(number) for number in options.get("locks", "").split(":") if number]
    free = 3
    for number in sorted(locks):
        posix.set_inheritable(number, False)  # a daemonised child of the agent would hold the job alive for ever
        posix.closerange(free, number)
        free = number + 1
    posix.closerange(free, MOST_FILES)  # what the supervisor itself was started with, e.g. a shell's own lock
    _signal.pthread_sigmask(_signal.SIG_BLOCK, (TERM, CHLD, ALRM))
    for number in (HUP, INT):
        _signal.signal(number, _signal.SIG_IGN)
    become_subreaper()
    here = posix.open(folder, posix.O_RDONLY | posix.O_DIRECTORY)
    me = posix.getpid()
    identity = f'"shim":{me},"shim_start":"{start_of(me)}","boot_id":{quoted(options.get("boot", ""))}'
    put(here, "run.json", "{" + identity + "}\n")
    agent, error = launch(cwd, argv, options)
    group = options.get("cgroup", "")
    if agent:
        put(here, "run.json", f'{{{identity},"pid":{agent},"pidstart":"{start_of(agent)}"}}\n')
        status = watch(here, agent, options, began)
        stragglers = sweep(group)
        code = posix.waitstatus_to_exitcode(status)
    else:
        code, stragglers = (127 if error.startswith("No such file") else 126), 0
    ended = f'"exit":{code if code >= 0 else "null"},"signal":{-code if code < 0 else "null"}'
    took = f'"duration_s":{time.monotonic() - began:.3f},"stragglers":{stragglers},"error":{quoted(error)}'
    took += f',"oom_kills":{cgroup.oom_kills(group)}' if group else ""
    if "untold" in options:
        patiently(lambda: put_once(here, "stop.json", options["untold"]))
    patiently(lambda: put(here, "exit.json", "{" + ended + "," + took + "}\n", durable=True))
    if group:
        cgroup.remove(group)


def launch(cwd: str, argv: list[str], options: dict[str, str]) -> tuple[int, str]:
    """Start the agent in a session of its own, signals as in a fresh shell; (0, why) when it cannot be started."""
    try:
        posix.chdir(cwd)
        usual = (_signal.SIGPIPE, _signal.SIGXFSZ, HUP, INT, TERM, CHLD, ALRM)
        group = options.get("cgroup", "")
        inside = cgroup.enter(group)  # a child begins in its parent's group
        try:
            return posix.posix_spawn(argv[0], argv, posix.environ, setsid=True, setsigmask=(), setsigdef=usual), ""
        finally:
            if inside and not cgroup.back(group):
                options["cgroup"] = ""  # we are in it: what kills all of it would kill us
    except OSError as error:
        return 0, f"{error.strerror}: {error.filename or argv[0]}"


def watch(here: int, agent: int, options: dict[str, str], began: float) -> int:
    """Wait for the agent, keep its deadline, climb the stop ladder; returns its wait status."""
    limit = float(options.get("deadline") or 0)
    grace = float(options.get("grace") or 10)
    deadline = began + limit if limit else None
    stopping = exists(here, "stop.json")  # written before anybody could signal us
    if stopping:
        stop(agent, options)
        deadline = time.monotonic() + grace
    while True:
        status = reaped(agent)
        if status is not None:
            return status
        wait = None if deadline is None else deadline - time.monotonic()
        if wait is not None and wait <= 0:
            if stopping:
                kill_tree(options.get("cgroup", ""))
                deadline = time.monotonic() + SLOWEST_RETRY_S
                continue
            say_why(here, options.get("why", "timeout"), options)
        elif wait_for_signal(wait) != TERM or stopping:
            continue
        elif not exists(here, "stop.json"):
            say_why(here, "terminated", options)
        stopping = True
        stop(agent, options)
        deadline = time.monotonic() + grace


def say_why(here: int, why: str, options: dict[str, str]) -> None:
    """Write stop.json before the agent is stopped; on a full disk the agent, which may be what fills it, goes first."""
    text = '{"why":"%s","at":%.3f}\n' % (why, time.time())
    try:
        put_once(here, "stop.json", text)
    except OSError as error:
        if error.errno not in FULL:
            raise
        options["untold"] = text


def wait_for_signal(seconds: float | None) -> int:
    """Wait for TERM, CHLD or the timer; the portable way, since macOS has no sigtimedwait."""
    _signal.setitimer(_signal.ITIMER_REAL, max(seconds, 0.001) if seconds is not None else 0)
    return int(_signal.sigwait((TERM, CHLD, ALRM)))


def reaped(agent: int) -> int | None:
    """Reap what has ended; the agent's status when it was among it."""
    try:
        while True:
            pid, status = posix.waitpid(-1, posix.WNOHANG)
            if pid == agent:
                return status
            if not pid:
                return None
    except ChildProcessError:
        return 0  # cannot be: the agent is our child until we reap it


def stop(agent: int, options: dict[str, str]) -> None:
    """Ask the agent to end in its own way."""
    number = int(options.get("signal") or TERM)
    try:
        if options.get("target") == "leader":
            posix.kill(agent, number)
        else:
            posix.killpg(agent, number)
    except OSError:
        pass  # it is gone already


def sweep(group: str) -> int:
    """Kill whatever the agent left behind until the kernel says that no child is left; returns how many."""
    count, pause = 0, RETRY_S
    while True:
        try:
            pid, _ = posix.waitpid(-1, posix.WNOHANG)
        except ChildProcessError:
            return count
        if pid:
            count += 1
            continue
        kill_tree(group)
        time.sleep(pause)  # a kill takes a moment; a process of another user never dies by it
        pause = min(pause * 2, SLOWEST_RETRY_S)


def kill_tree(group: str) -> None:
    """SIGKILL to the agent's cgroup, and to every descendant. Orphans come to us, the subreaper: none can hide."""
    cgroup.kill(group)
    children: dict[int, list[int]] = {}
    for pid, parent in parents():
        children.setdefault(parent, []).append(pid)
    todo = [posix.getpid()]
    while todo:
        for child in children.get(todo.pop(), ()):
            todo.append(child)
            try:
                posix.kill(child, 9)
            except OSError:
                pass  # it is gone already, or of another user


def become_subreaper() -> None:
    """Orphans below us become our children. Linux only; elsewhere the scan for AQ_RUN is the net."""
    if not LINUX:
        return
    import _ctypes  # `ctypes` itself costs 10 ms

    library = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # None: this program itself
    _ctypes.call_function(_ctypes.dlsym(library, "prctl"), (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def exists(here: int, name: str) -> bool:
    """True when the run folder has this file."""
    return bool(posix.access(name, posix.F_OK, dir_fd=here))


def put(here: int, name: str, text: str, *, durable: bool = False) -> None:
    """Write a file of the run folder as a whole."""
    temporary = written(here, name, text, durable=durable)
    posix.rename(temporary, name, src_dir_fd=here, dst_dir_fd=here)
    if durable:
        posix.fsync(here)


def put_once(here: int, name: str, text: str) -> None:
    """Write a file of the run folder unless it is there: the first writer wins."""
    temporary = written(here, name, text, durable=True)
    try:
        posix.link(temporary, name, src_dir_fd=here, dst_dir_fd=here)
    except FileExistsError:
        pass
    posix.unlink(temporary, dir_fd=here)
    posix.fsync(here)


def patiently(deed: Callable[[], None]) -> None:
    """Do it as soon as the disk has room for it: nobody else can tell how the agent ended."""
    while True:
        try:
            return deed()
        except OSError as error:
            if error.errno not in FULL:
                raise
        time.sleep(SLOWEST_RETRY_S)


def written(here: int, name: str, text: str, *, durable: bool) -> str:
    """A temporary file with this text; returns its name."""
    temporary = f".{name}.{posix.getpid()}"
    number = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC, 0o600, dir_fd=here)
    posix.write(number, text.encode())
    if durable:
        posix.fsync(number)
    posix.close(number)
    return temporary


def quoted(text: str) -> str:
    """A JSON string."""
    plain = "".join(c if c.isprintable() and c not in '"\\' else " " for c in text)
    return f'"{plain}"'
