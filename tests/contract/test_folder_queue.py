"""The queue in folders, on a real disk: the contract, and what only folders have."""

import errno
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_queue.core.board import Changes, FileChange
from agent_queue.core.errors import AqError, StorageError
from agent_queue.core.job import JobId, Stage
from agent_queue.core.lifecycle import Job, begin
from agent_queue.core.manifest import Manifest
from agent_queue.core.meaning import Meaning
from agent_queue.ports import Queue
from agent_queue.queues.create import create
from agent_queue.queues.folders import FolderQueue
from agent_queue.system import locks
from agent_queue.system.clock import MachineClock
from agent_queue.system.events import wait_until
from agent_queue.system.files import Calls, Disk
from agent_queue.system.layout import Layout
from agent_queue.testing.queue_contract import LIMIT_S, Person, QueueContract, text


class FolderPerson:
    """A person with a shell."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, stage: Stage, name: str, data: bytes) -> FileChange:
        path = self._root / stage / name
        path.write_bytes(data)
        return FileChange(str(path), whole=True)

    def move(self, name: str, source: Stage, target: Stage) -> list[FileChange]:
        assert wait_until(self._later, seconds=LIMIT_S)
        old, new = self._root / source / name, self._root / target / name
        os.rename(old, new)
        return [FileChange(str(old), whole=True), FileChange(str(new), whole=True)]

    def remove(self, stage: Stage, name: str) -> FileChange:
        path = self._root / stage / name
        path.unlink()
        return FileChange(str(path), whole=True)

    def _later(self) -> bool:
        """True once the clock of the file system has ticked: no person is as quick as that."""
        mark = self._root.parent / "mark"
        mark.write_bytes(b"")
        journals = (self._root / "journal").iterdir()
        return all(mark.stat().st_mtime_ns > journal.stat().st_mtime_ns for journal in journals)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(str(tmp_path / "queue"))
    assert create(layout)
    return layout


def view(layout: Layout) -> FolderQueue:
    """What one process sees of the queue. Nothing here depends on the flushes, which cost time."""
    disk = Disk(layout.scratch, durable=False)
    return FolderQueue(layout, disk, MachineClock(), Meaning())


class TestFolderQueue(QueueContract):
    @pytest.fixture(autouse=True)
    def place(self, layout: Layout) -> None:
        self._layout = layout

    def make(self) -> Queue:
        return view(self._layout)

    def person(self) -> Person:
        return FolderPerson(Path(self._layout.root))


def inbox(layout: Layout, name: str) -> Path:
    return Path(layout.stage(Stage.INBOX), name)


def seen(queue: FolderQueue, files: list[FileChange] | None = None) -> list[str]:
    return [row.id for row in queue.look(files).waiting]


def finds(queue: FolderQueue, job: str) -> bool:
    """Wait until a look finds the job, as a supervisor does that is told nothing."""
    return wait_until(lambda: job in seen(queue), seconds=LIMIT_S)


# Files that are not whole yet.


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file must be quiet for so long that a busy machine cannot make it look quiet."""
    monkeypatch.setattr("agent_queue.queues.inbox.SETTLED_S", 3.0)


def test_a_file_that_grows_is_left_until_it_is_quiet_for_a_while(layout: Layout, patience: None) -> None:
    queue = view(layout)
    assert seen(queue) == []
    with inbox(layout, "a.md").open("wb") as file:
        for piece in (b"---\nengine: shell\n", b"cwd: /\n---\n", b"Do "):
            file.write(piece)
            file.flush()
            changes = queue.look()
            assert (changes.waiting, queue.invalid()) == ([], []), "half a file is neither a job nor invalid"
            assert changes.look_again_s is not None
        file.write(b"it.\n")
    assert finds(queue, "a")
    assert queue.file(JobId("a")).body == "Do it.\n"
    assert queue.look().look_again_s is None


def test_a_file_whose_writer_is_done_is_not_waited_for(layout: Layout) -> None:
    queue = view(layout)
    inbox(layout, "a.md").write_bytes(text())
    assert seen(queue, [FileChange(str(inbox(layout, "a.md")), whole=True)]) == ["a"]


def test_a_file_that_is_gone_before_it_was_whole_is_forgotten(layout: Layout, patience: None) -> None:
    queue = view(layout)
    inbox(layout, "a.md").write_bytes(text())
    assert queue.look().look_again_s is not None
    inbox(layout, "a.md").unlink()
    assert queue.look() == Changes(waiting=[], gone=[], by_hand=[], vanished=[])


def test_a_file_with_an_old_time_is_found_by_its_name(layout: Layout) -> None:
    """`cp -p` keeps the time of the original: a folder's time, not the file's, tells that it came."""
    queue = view(layout)
    assert seen(queue) == []
    inbox(layout, "a.md").write_bytes(text())
    os.utime(inbox(layout, "a.md"), (1, 1))
    assert finds(queue, "a")


def test_two_files_within_one_tick_of_the_clock_are_both_found(layout: Layout) -> None:
    queue, folder = view(layout), layout.stage(Stage.INBOX)
    inbox(layout, "a.md").write_bytes(text())
    assert finds(queue, "a")
    known = os.stat(folder)
    inbox(layout, "b.md").write_bytes(text())
    os.utime(folder, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert finds(queue, "b")


# Files that are none.


@pytest.mark.parametrize(
    "kind",
    [
        "folder",
        "pipe",
        "dangling link",
        "link to itself",
        "link to a device",
        "link to a folder",
        "empty",
        "nul",
        "not utf-8",
    ],
)
def test_what_is_no_text_is_invalid_and_holds_up_nobody(layout: Layout, kind: str) -> None:
    path = inbox(layout, "odd.md")
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "dangling link":
            path.symlink_to("/nowhere/at/all")
        case "link to itself":
            path.symlink_to(path)
        case "link to a device":
            path.symlink_to("/dev/zero")
        case "link to a folder":
            path.symlink_to("/")
        case _:
            path.write_bytes({"empty": b"", "nul": b"\0" * 100, "not utf-8": b"---\nengine: \xff\n---\nx\n"}[kind])
    inbox(layout, "good.md").write_bytes(text())
    queue = view(layout)
    assert finds(queue, "good")
    assert wait_until(lambda: queue.look().look_again_s is None, seconds=LIMIT_S)
    assert [invalid.name for invalid in queue.invalid()] == ["odd.md"]
    assert queue.keyed("whatever") is None, "it says no key, and keeps nobody from asking for one"
    if kind not in ("empty", "nul"):  # those say nothing, and nothing that is wrong
        with pytest.raises(AqError):
            queue.file(JobId("odd"))


def test_a_key_that_the_defaults_give_is_one_job_s(layout: Layout) -> None:
    meaning = Meaning(defaults=Manifest(idempotency_key="same", origins={"idempotency-key": "config"}))
    queue = FolderQueue(layout, Disk(layout.scratch, durable=False), MachineClock(), meaning)
    for name in ("a.md", "b.md"):
        inbox(layout, name).write_bytes(text())
    assert finds(queue, "a")
    assert wait_until(lambda: queue.look().look_again_s is None, seconds=LIMIT_S)
    assert [invalid.problem.partition(":")[0] for invalid in queue.invalid()] == []


def test_a_link_to_a_job_file_is_a_job(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_bytes(text("Mine."))
    inbox(layout, "a.md").symlink_to(tmp_path / "mine.md")
    queue = view(layout)
    assert finds(queue, "a")
    found = queue.job(JobId("a"))
    assert found is not None
    assert queue.settle([begin(found)])
    assert (tmp_path / "mine.md").read_bytes() == text("Mine.")
    assert queue.file(JobId("a")).body == "Mine.\n"


def test_a_copy_beside_a_running_job_disturbs_nobody(layout: Layout) -> None:
    queue = view(layout)
    queue.create([(JobId("a"), text())])
    assert finds(queue, "a")
    found = queue.job(JobId("a"))
    assert found is not None
    queue.settle([begin(found)])
    shutil.copy(layout.job(Stage.BUILDING, JobId("a")), layout.job(Stage.FAILED, JobId("a")))
    assert wait_until(lambda: bool(queue.look() and queue.invalid()), seconds=LIMIT_S)
    (invalid,) = queue.invalid()
    assert (invalid.stage, "building/" in invalid.problem) == (Stage.FAILED, True)
    again = queue.job(JobId("a"))
    assert again is not None
    assert again.stage is Stage.BUILDING
    os.unlink(layout.job(Stage.FAILED, JobId("a")))
    assert wait_until(lambda: not (queue.look() and queue.invalid()), seconds=LIMIT_S)


def test_of_two_texts_within_a_second_both_are_kept(layout: Layout) -> None:
    queue, job = view(layout), JobId("a")
    queue.create([(job, text("First."))])
    for body in ("Second.", "Third."):
        assert queue.replace(job, text(body), "20260301-120000")
    kept = [path.read_bytes() for path in Path(layout.root, "archive").rglob("a.md")]
    assert sorted(kept) == sorted([text("First."), text("Second.")])
    assert queue.file(job).body == "Third.\n"


# Journals, locks and moves on disk.


def test_a_torn_journal_is_gone_on_from(layout: Layout) -> None:
    queue = view(layout)
    queue.create([(JobId("a"), text())])
    found = queue.job(JobId("a"))
    assert found is not None
    queue.settle([begin(found)])
    with open(layout.journal(JobId("a")), "ab") as file:
        file.write(b'{"event":"move","seq":2,"fr')
    queue.note(JobId("a"), {"event": "ended", "exit": 3})
    past = view(layout).past(JobId("a"))
    assert (past.seq, past.stage, past.skipped, past.state["exit"]) == (1, Stage.BUILDING, 1, 3)


class Recorded(Calls):
    """The system's calls, with the order of those that matter."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.flush = self._recorded("flush", Calls.flush)
        self.rename_noreplace = self._recorded("rename", Calls.rename_noreplace)

    def _recorded(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(*arguments: Any) -> Any:
            what = os.readlink(f"/proc/self/fd/{arguments[0]}") if name == "flush" else arguments[1]
            self.made.append(f"{name} {what}")
            return call(*arguments)

        return recorded


def test_a_batch_is_on_the_disk_in_an_order_that_a_crash_cannot_break(layout: Layout) -> None:
    """All journals, then the renames, then the folders: where the file came to before where it went from."""
    calls = Recorded()
    queue = FolderQueue(layout, Disk(layout.scratch, calls=calls), MachineClock(), Meaning())
    jobs = [JobId("a"), JobId("b")]
    queue.create([(job, text()) for job in jobs])
    moves = [begin(found) for job in jobs if (found := queue.job(job))]
    queue.note(jobs[0], {"event": "ended"})
    queue.note(jobs[1], {"event": "ended"})
    calls.made.clear()
    assert queue.settle(moves) == moves
    assert calls.made == [
        *(f"flush {layout.journal(job)}" for job in jobs),
        *(f"rename {layout.job(Stage.BUILDING, job)}" for job in jobs),
        f"flush {layout.stage(Stage.BUILDING)}",
        f"flush {layout.stage(Stage.INBOX)}",
    ]


def test_a_lock_file_that_was_removed_is_made_again(layout: Layout) -> None:
    queue, other = view(layout), view(layout)
    held = queue.lock(JobId("a"))
    assert held is not None
    os.unlink(layout.job_lock(JobId("a")))
    again = other.lock(JobId("a"))
    assert again is not None, "the file that is held is no lock of this name any more"
    held.close()
    assert queue.lock(JobId("a")) is None
    again.close()


def test_a_lock_file_that_was_removed_while_it_was_waited_for_is_made_again(layout: Layout) -> None:
    path = layout.job_lock(JobId("a"))
    held = locks.take([path])
    assert held is not None
    inode = os.stat(path).st_ino
    taken: list[locks.FileLocks | None] = []
    waits = threading.Thread(target=lambda: taken.append(locks.take([path], wait=True)))
    waits.start()
    blocked = re.compile(rf"-> FLOCK .*:{inode} ")
    assert wait_until(lambda: bool(blocked.search(Path("/proc/locks").read_text())), seconds=LIMIT_S)
    os.unlink(path)
    held.close()
    waits.join(LIMIT_S)
    (got,) = taken
    assert got is not None
    assert os.fstat(got.filenos()[0]).st_ino == os.stat(path).st_ino, "it holds the file that the name means now"
    assert locks.take([path]) is None
    got.close()


def test_a_lock_outlives_the_process_that_took_it_in_its_child(layout: Layout) -> None:
    queue = view(layout)
    held = queue.lock(JobId("a"))
    assert held is not None
    child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, pass_fds=held.filenos())
    held.close()
    assert queue.lock(JobId("a")) is None
    child.communicate()
    assert queue.lock(JobId("a")) is not None


def test_a_link_without_its_unlink_is_a_move_to_finish(layout: Layout) -> None:
    """Where no rename is safe, a move is a link and an unlink: a crash between them leaves one file under two names."""
    queue = view(layout)
    queue.create([(JobId("a"), text())])
    found = queue.job(JobId("a"))
    assert found is not None
    queue.note(JobId("a"), begin(found).entry())
    os.link(layout.job(Stage.INBOX, JobId("a")), layout.job(Stage.BUILDING, JobId("a")))
    assert queue.finish(Job(id=JobId("a"), stage=Stage.INBOX, past=queue.past(JobId("a"))))
    assert queue.stages(JobId("a")) == [Stage.BUILDING]


def test_files_are_private(layout: Layout) -> None:
    queue = view(layout)
    queue.create([(JobId("a"), text())])
    queue.note(JobId("a"), {"event": "ended"})
    queue.run_folder(JobId("a"), 1).write("prompt.md", b"x")
    held = queue.lock(JobId("a"), ["m"])
    assert held is not None
    held.close()
    modes = {path: path.lstat().st_mode & 0o777 for path in [Path(layout.root), *Path(layout.root).rglob("*")]}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert list(Path(layout.scratch).iterdir()) == []


@pytest.mark.parametrize("change", ["finish", "archive", "replace", "create"])
def test_a_disk_that_takes_no_more_is_told_as_such(layout: Layout, change: str) -> None:
    """Those who go on past an error of one job stop at this one, and so must know it."""
    view(layout).create([(JobId("a"), text()), (JobId("b"), text())])
    found = view(layout).job(JobId("a"))
    assert found is not None
    view(layout).note(JobId("a"), begin(found).entry())
    view(layout).run_folder(JobId("a"), 1).write("prompt.md", b"x")
    moved = Job(id=JobId("a"), stage=Stage.INBOX, past=view(layout).past(JobId("a")))
    queue = FolderQueue(layout, Disk(layout.scratch, calls=Full()), MachineClock(), Meaning())
    made: dict[str, Callable[[], object]] = {
        "finish": lambda: queue.finish(moved),
        "archive": lambda: queue.archive(JobId("a"), "20260301-120000"),
        "replace": lambda: queue.replace(JobId("b"), text(), "20260301-120000"),
        "create": lambda: queue.create([(JobId("c"), text())]),
    }
    with pytest.raises(StorageError, match="No space left on device"):
        made[change]()


class Full(Calls):
    """The system's calls on a full disk."""

    def __init__(self) -> None:
        self.rename_noreplace = self.replace = self.mkdir = self.write = self._full

    def _full(self, *_: object) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
