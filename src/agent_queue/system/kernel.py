"""The platform in one module: what Linux offers, and a portable path for every other system.

Linux paths were measured and are what the tests run. The macOS paths follow its manual pages; they were never run here.
"""

import errno
import fcntl
import functools
import os
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO

LINUX = sys.platform.startswith("linux")
_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = 1, 2
_RENAME_SWAP, _RENAME_EXCL = 2, 4
_F_FULLFSYNC = 51
_F_PUNCHHOLE = 99
_PUNCH_HOLE_KEEP_SIZE = 3
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)

NETWORK_FILE_SYSTEMS = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "9p", "fuse.sshfs", "glusterfs", "ceph", "lustre", "webdav")
)
"""File systems whose locks and renames a queue cannot rely on."""


def rename_noreplace(source: str, target: str) -> None:
    """Rename, never over an existing file.

    Raises:
        FileExistsError: `target` is there. FileNotFoundError: `source` is not.
    """
    if not _renameat2(source, target, _NOREPLACE, _RENAME_EXCL):
        # One inode under two names until the unlink: recovery reads that as a move to finish.
        os.link(source, target)
        os.unlink(source)


def exchange(one: str, other: str) -> None:
    """Swap two files in one step; both must exist.

    Raises:
        OSError: ENOTSUP where the file system cannot do it.
    """
    if not _renameat2(one, other, _EXCHANGE, _RENAME_SWAP):
        raise OSError(errno.ENOTSUP, "this file system cannot exchange two files", one)


def _renameat2(source: str, target: str, linux_flag: int, mac_flag: int) -> bool:
    call = _rename_call()
    if call is None:
        return False
    code = call(os.fsencode(source), os.fsencode(target), linux_flag if LINUX else mac_flag)
    if code == 0:
        return True
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), source, None, target)


@functools.cache
def _rename_call() -> Callable[[bytes, bytes, int], int] | None:
    """The C library's rename with flags, as a function that returns an errno, or None where there is none."""
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    function = getattr(library, "renameat2" if LINUX else "renamex_np", None)
    if function is None:
        return None

    def call(source: bytes, target: bytes, flag: int) -> int:
        paths = (_AT_FDCWD, source, _AT_FDCWD, target) if LINUX else (source, target)
        failed = function(*paths, flag)
        return ctypes.get_errno() if failed else 0

    return call


def punch_hole(fd: int, start: int, length: int) -> None:
    """Give back the blocks of a part of a file; its size stays, and the part reads as zeros.

    Raises:
        OSError: the file system cannot do it.
    """
    if sys.platform == "darwin":
        fcntl.fcntl(fd, _F_PUNCHHOLE, struct.pack("=IIqq", 0, 0, start, length))
        return
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if call is None:
        raise OSError(errno.ENOTSUP, "this system cannot give back a part of a file")
    if call(fd, _PUNCH_HOLE_KEEP_SIZE, ctypes.c_int64(start), ctypes.c_int64(length)):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def flush(fd: int) -> None:
    """Put a file or folder on the disk itself; macOS needs more than fsync for that."""
    if sys.platform == "darwin":
        try:
            fcntl.fcntl(fd, _F_FULLFSYNC)
        except OSError as error:
            if error.errno not in (*_UNSUPPORTED, errno.ENOTTY):
                raise
        else:
            return  # where a file system knows no such flush, fsync is all there is
    os.fsync(fd)


def memory_file() -> IO[bytes] | None:
    """A file in memory without a name, which goes when it is closed; None where the system knows no such thing."""
    if sys.platform != "linux":
        return None
    try:
        return os.fdopen(os.memfd_create("aq"), "w+b", buffering=0)
    except OSError:
        return None


@functools.cache
def boot_id() -> str:
    """A name of this boot of the machine: a process from another boot is surely dead."""
    if LINUX:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    return _output(("sysctl", "-n", "kern.bootsessionuuid")).strip() or _boot_time()


def _boot_time() -> str:
    """When it was booted, `{ sec = 1772366400, usec = 0 } Sun Mar  1 12:00:00 2026`: the seconds alone know no zone."""
    return _output(("sysctl", "-n", "kern.boottime")).partition("sec = ")[2].partition(",")[0]


def start_time(pid: int) -> str:
    """When a process began, in the kernel's own units; '' when it is gone. With boot id and pid it names a process.

    One that has ended and that its parent has yet to notice, a zombie, is gone.
    """
    if LINUX:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            return fields[19].decode() if fields[0] not in (b"Z", b"X") else ""
        except (OSError, IndexError):
            return ""
    return began(_output(("ps", "-o", "state=", "-o", "lstart=", "-p", str(pid))))


def began(row: str) -> str:
    """When a process began, in a row of `ps` with its state before it; '' for a zombie, or none."""
    state, _, start = row.strip().partition(" ")
    return "" if state.startswith("Z") else start.strip()


def carriers(marker: str) -> Iterator[int]:
    """Processes whose environment holds `AQ_RUN=<marker>`, this one excepted."""
    wanted = f"AQ_RUN={marker}"
    if LINUX:
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid() and _environment_has(name, wanted.encode()):
                yield int(name)
        return
    for line in _output(("ps", "-axEww", "-o", "pid=", "-o", "command=")).splitlines():
        pid, _, rest = line.strip().partition(" ")
        if wanted in rest.split() and int(pid) != os.getpid():
            yield int(pid)


def _environment_has(pid: str, wanted: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return wanted in file.read().split(b"\0")
    except OSError:
        return False


def file_system(path: str) -> str:
    """The type of the file system that holds `path`, e.g. ext4; '' where it cannot be told."""
    real, best, found = os.path.realpath(path), "", ""
    for folder, kind in _mounted() if LINUX else mounted(_output(("mount",))):
        if (real == folder or real.startswith(folder.rstrip("/") + "/")) and len(folder) >= len(best):
            best, found = folder, kind
    return found


def _mounted() -> Iterator[tuple[str, str]]:
    """Folder and type of everything that is mounted, what lies on top last."""
    with suppress(OSError), open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            _, folder, kind, *_ = line.split(" ")
            yield folder.replace("\\040", " "), kind


def mounted(listing: str) -> Iterator[tuple[str, str]]:
    """The same as BSD's `mount` tells it, `/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled)`."""
    for line in listing.splitlines():
        place, _, options = line.rpartition(" (")
        yield f"/{place.partition(' on /')[2]}", options.partition(",")[0].removesuffix(")")


def _output(argv: tuple[str, ...]) -> str:
    """What a program prints; in no language, and at no place, so that the same thing is always told the same way."""
    import subprocess

    env = {**os.environ, "LC_ALL": "C", "TZ": "UTC0"}
    try:
        done = subprocess.run(argv, capture_output=True, env=env, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return os.fsdecode(done.stdout)
