"""One place for each thing: who makes a Move, who changes files, who catches everything, what the core may touch."""

import ast

import pytest

from .rules import broad_catches, built, impurities, mutations
from .sources import modules

WRITERS = {
    "system/files.py": "every change of the queue's files",
    "system/shim.py": "stands alone: it must work while the supervisor is gone, and start in milliseconds",
}

MUTATIONS: dict[str, tuple[set[str], str]] = {
    "system/kernel.py": (
        {"os.link", "os.unlink", "renameat2", "renamex_np"},
        "the rename that never overwrites, which only files.py may call",
    ),
    "system/locks.py": ({"os.O_RDWR", "os.O_CREAT"}, "a lock is an open file, empty for ever"),
    "system/processes.py": (
        {"os.O_WRONLY", "os.O_CREAT", "os.O_APPEND"},
        "the kernel opens the shim's own log while it starts it; no byte of it is ours",
    ),
    "system/content.py": ({"os.unlink"}, "an index of our own that was torn, to be made again"),
    "system/own_index.py": (
        {"os.O_WRONLY", "os.O_CREAT", "os.replace", "os.unlink", "os.utime", "shutil.copyfile"},
        "git's index and index.lock of one worktree, in git's own folder",
    ),
    "system/attach.py": (
        {"os.rmdir", "os.unlink", "shutil.rmtree"},
        "what a killed `git worktree add` leaves; what git keeps of a rebase or merge under way in a job's worktree",
    ),
    "system/mend.py": (
        {"os.O_WRONLY", "os.O_CREAT", "os.O_TRUNC", "open w", "os.makedirs", "os.replace"},
        "git's link between a job's worktree and its repository, and the log of a stash",
    ),
    "system/left_out.py": (
        {
            "os.O_WRONLY",
            "os.O_CREAT",
            "os.O_TRUNC",
            "open wb",
            "os.makedirs",
            "os.link",
            "os.replace",
            "os.utime",
            "shutil.copyfileobj",
        },
        "copies of what no commit should hold, and those put back into a worktree: files too large for memory",
    ),
    "system/equipment.py": (
        {
            "open w",
            "os.makedirs",
            "os.replace",
            "os.symlink",
            "os.unlink",
            "shutil.copy2",
            "shutil.copytree",
            "shutil.rmtree",
        },
        "what a job's worktree is given besides git's files, and the record of it in git's folder of that worktree",
    ),
    "system/delegation.py": (
        {"os.O_WRONLY", "os.mkdir"},
        "the kernel's cgroups of agents, which are no files on a disk",
    ),
    "system/cgroup.py": ({".rmdir"}, "the same, for a shim"),
    "system/mirror.py": (
        {"os.link", "os.makedirs", "os.replace", "shutil.copy2", "shutil.copytree", "shutil.rmtree"},
        "objects of git, the same files under a second name; git's folder of a repository that comes back",
    ),
    "system/nested.py": ({"shutil.rmtree"}, "repositories inside a worktree that begins again without them"),
    "system/vitals.py": ({"open wb"}, "the kernel's oom_score_adj of a job's processes, which is no file on a disk"),
    "system/log_cap.py": ({"os.O_RDWR"}, "a hole, and two lines around it, in the log that an agent writes to"),
    "demo/play.py": ({"tempfile.mkdtemp", "shutil.rmtree"}, "the demonstration's own temporary folder"),
    "demo/stage.py": (
        {".mkdir", ".write_text", "open wb", "shutil.copy"},
        "a repository and a queue in that folder, filled the way a person does it",
    ),
    "cli/errors.py": ({"tempfile.mkstemp"}, "the traceback of a defect of ours, in the system's temporary folder"),
    "cli/__init__.py": ({"os.O_RDWR"}, "/dev/null, for a stream that is closed or that nobody reads any more"),
}
"""Modules that change something else than the queue's files: what they use, and on what."""

CATCHES = {
    "cli/__init__.py": "the door: whatever it is, a person gets words and an exit code",
    "wiring/engines.py": "an outsider's adapter, or whatever module a job's file names: said, and taken for none",
    "system/aside.py": "a deed in another thread: what it raises is carried to whoever waits, and judged there",
}


def test_only_the_lifecycle_makes_a_move() -> None:
    makers = {module.name: len(lines) for module in modules() if (lines := built(module.tree, "Move"))}
    assert makers == {"core/lifecycle.py": 1}, "one maker, so that every move is journaled with the same facts"


def test_only_the_disk_module_and_the_shim_change_files() -> None:
    found = {module.name: mutations(module.tree) for module in modules() if module.name not in WRITERS}
    allowed = {name: used for name, (used, _) in MUTATIONS.items()}
    assert {name: used for name, used in found.items() if used} == allowed


def test_the_core_touches_no_world() -> None:
    assert {module.name: found for module in modules("core") if (found := impurities(module.tree))} == {}


def test_nobody_catches_everything() -> None:
    assert {module.name: len(found) for module in modules() if (found := broad_catches(module.tree))} == dict.fromkeys(
        CATCHES, 1
    )


def test_the_tables_name_modules_that_are_there() -> None:
    assert {*WRITERS, *MUTATIONS, *CATCHES} <= {module.name for module in modules()}


@pytest.mark.parametrize(
    "trespass",
    [
        "import os\nos.rename(a, b)",
        "import os as o\no.unlink(a)",
        "from os import link\nlink(a, b)",
        "from os import replace as put\nput(a, b)",
        "import os\nmove = os.replace",
        "import os\nos.open(a, os.O_WRONLY)",
        "import os\nos.open(a, flags=os.O_RDONLY | os.O_CREAT)",
        "from os import O_RDWR\nos.open(a, O_RDWR)",
        "import os\nos.open(a, 1 | os.O_APPEND)",
        "import os\nos.mkdir(a)",
        "import os\nos.makedirs(a)",
        "import shutil\nshutil.rmtree(a)",
        "from shutil import move\nmove(a, b)",
        "import tempfile\ntempfile.mkstemp()",
        "from tempfile import NamedTemporaryFile as T\nT()",
        "open(a, 'w')",
        "open(a, mode='ab')",
        "open(a, 'r+')",
        "open(a, 'x')",
        "import io\nio.open(a, 'w')",
        "path.open('w')",
        "path.open(mode='a')",
        "(here / there).write_text(b)",
        "Path(a).write_bytes(b)",
        "Path(a).unlink()",
        "Path(a).mkdir(parents=True)",
        "Path(a).touch()",
        "Path(a).rename(b)",
        "Path(a).replace(b)",
        "from agent_queue.system import kernel\nkernel.exchange(a, b)",
        "from agent_queue.system.kernel import rename_noreplace as r\nr(a, b)",
        "getattr(library, 'renameat2')",
    ],
)
def test_a_change_of_a_file_is_seen(trespass: str) -> None:
    assert mutations(ast.parse(trespass))


@pytest.mark.parametrize(
    "fine",
    [
        "open(a)", "open(a, 'rb')", "path.open()", "path.open('rb')", "import os\nos.open(a, os.O_RDONLY)",
        "'a'.replace('b', 'c')", "now.replace(tzinfo=UTC)", "from dataclasses import replace\nreplace(move, seq=1)",
        "import shutil\nshutil.which('git')", "import os\nos.listdir(a)", "disk.move(a, b)",
        "workspaces.open(job, plan)",
    ],
)  # fmt: skip
def test_reading_is_no_change(fine: str) -> None:
    assert mutations(ast.parse(fine)) == set()


@pytest.mark.parametrize(
    "trespass",
    [
        "from agent_queue.core.lifecycle import Move\nMove(kind=k)",
        "from agent_queue.core.lifecycle import Move as M\nM()",
        "from agent_queue.core import lifecycle\nlifecycle.Move()",
        "import agent_queue.core.lifecycle\nagent_queue.core.lifecycle.Move()",
        "from agent_queue.core.move import Move as M\nM()",
        "from dataclasses import replace\nreplace(move, target=Stage.SHIPPED)",
        "import dataclasses\ndataclasses.replace(self.last_move, seq=2)",
    ],
)
def test_a_move_made_elsewhere_is_seen(trespass: str) -> None:
    assert built(ast.parse(trespass), "Move")


@pytest.mark.parametrize(
    ("trespass", "said"),
    [
        ("from datetime import datetime\ndatetime.now()", "datetime.datetime.now"),
        ("import datetime as d\nd.datetime.now(tz)", "datetime.datetime.now"),
        ("clock().now()", "?.now"),
        ("from datetime import date\ndate.today()", "datetime.date.today"),
        ("open('a')", "open"),
        ("print(1)", "print"),
        ("import msgspec", "msgspec"),
        ("def f():\n    from click import echo", "click"),
    ],
)
def test_the_world_in_the_core_is_seen(trespass: str, said: str) -> None:
    assert impurities(ast.parse(trespass)) == [said]


@pytest.mark.parametrize(
    "trespass",
    [
        "try:\n    a()\nexcept:\n    pass",
        "try:\n    a()\nexcept Exception:\n    pass",
        "try:\n    a()\nexcept (ValueError, BaseException) as error:\n    raise",
        "from contextlib import suppress\nwith suppress(Exception):\n    a()",
    ],
)
def test_a_broad_catch_is_seen(trespass: str) -> None:
    assert broad_catches(ast.parse(trespass))
