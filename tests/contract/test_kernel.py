"""What differs between systems: the paths for others than Linux, as far as they can be run or fed here."""

import os
import shutil
import subprocess
import time

import pytest

from agent_queue.system import kernel, process_table, vitals

MOUNTS = """\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
devfs on /dev (devfs, local, nobrowse)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse, protect, root data)
//me@nas.local/my%20share on /Volumes/my share (smbfs, nodev, nosuid, mounted by me)
host:/a on b on /Volumes/far (old) (nfs)
"""


def test_mounts_are_read_as_a_mac_tells_them() -> None:
    assert dict(kernel.mounted(MOUNTS)) == {
        "/": "apfs", "/dev": "devfs", "/System/Volumes/Data": "apfs", "/Volumes/my share": "smbfs",
        "/Volumes/far (old)": "nfs",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "kind"), [("/Users/me/queue", "apfs"), ("/Volumes/my share/queue", "smbfs"), ("/Volumes/far (old)", "nfs")]
)
def test_a_folder_lies_on_the_innermost_mount(monkeypatch: pytest.MonkeyPatch, path: str, kind: str) -> None:
    monkeypatch.setattr(kernel, "LINUX", False)
    monkeypatch.setattr(kernel, "_output", lambda _: MOUNTS)
    assert kernel.file_system(path) == kind


def test_the_boot_is_told_without_a_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"kern.bootsessionuuid": "", "kern.boottime": "{ sec = 1772366400, usec = 7 } Sun Mar  1 13:00:00 2026\n"}
    monkeypatch.setattr(kernel, "LINUX", False)
    monkeypatch.setattr(kernel, "_output", lambda argv: said[argv[-1]])
    assert kernel.boot_id.__wrapped__() == "1772366400"
    said["kern.bootsessionuuid"] = "A6E0B4C2-0000-4000-8000-000000000001\n"
    assert kernel.boot_id.__wrapped__() == "A6E0B4C2-0000-4000-8000-000000000001"


needs_ps = pytest.mark.skipif(shutil.which("ps") is None, reason="no ps here (apt-get install procps)")


@needs_ps
def test_a_process_began_at_one_time_whatever_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "LINUX", False)
    found = set()
    for zone in ("UTC0", "CET-1CEST,M3.5.0,M10.5.0/3"):
        monkeypatch.setenv("TZ", zone)
        found.add(kernel.start_time(os.getpid()))
    (began,) = found
    assert time.strptime(began, "%a %b %d %H:%M:%S %Y")
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert kernel.start_time(child.pid) == "", "a zombie has ended"
    child.wait()
    assert kernel.start_time(child.pid) == ""


@needs_ps
def test_the_shim_tells_what_its_supervisor_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (kernel, process_table):
        monkeypatch.setattr(module, "LINUX", False)
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    assert process_table.start_of(os.getpid()) == kernel.start_time(os.getpid()) != ""
    assert (os.getpid(), os.getppid()) in process_table.parents()


@needs_ps
def test_what_a_tree_takes_is_told_by_ps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "LINUX", False)
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            found = vitals._told_by_ps(os.getpid())
        finally:
            child.kill()
    assert found is not None
    assert found.memory > 0
