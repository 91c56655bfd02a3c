"""A checkpoint puts on the disk what an agent's own git wrote and did not flush."""

import subprocess
import sys
from pathlib import Path

import pytest

from . import strace

STORY = """
import sys
from pathlib import Path
from contract.repositories import BRANCH, Life, Repository
top, save = Path(sys.argv[1]), sys.argv[2]
repo = Repository(top / "repo")
life = Life(top, repo.path)
place = life.open()
repo.write({"one.txt": "1\\n"}, life.root)
repo.git("add", "-A", cwd=life.root)
#
getattr(life, save)(place)
beside = f"refs/aq/snapshots/{BRANCH.removeprefix('aq/wip/')}"
ref = f"refs/heads/{BRANCH}" if save == "keep" or sys.argv[3:] else beside
names = repo.git("rev-list", "--objects", "--no-object-names", f"main..{ref}").split()
print(*[f".git/objects/{name[:2]}/{name[2:]}" for name in names], f".git/{ref}", ".git/objects")
"""
COMMIT = 'repo.git("commit", "--quiet", "-m", "mine", cwd=life.root)'
MORE = 'repo.write({"two.txt": "2\\n"}, life.root)'
GONE = 'repo.git("update-ref", "-d", f"refs/heads/{BRANCH}", cwd=life.root)'
LOOSE = 'repo.git("reset", "--quiet", cwd=life.root)'
"""The file stays, and so does what git stored of it: ours will find it stored already."""


def flushed(folder: Path, save: str, deeds: list[str], *on_branch: str) -> tuple[list[str], list[str]]:
    """What makes up the checkpoint, and what of it was not flushed."""
    log, story = folder / "trace", STORY.replace("#", "\n".join(deeds))
    how = ["strace", "-qq", "-y", "-e", "trace=fsync", "-o", str(log)]
    argv = [*how, sys.executable, "-c", story, str(folder), save, *on_branch]
    ran = subprocess.run(argv, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    names, told = ran.stdout.split(), log.read_text()
    return names, [name for name in names if f"{folder}/repo/{name}>" not in told]


@pytest.mark.parametrize("save", ["keep", "beat"])
@pytest.mark.parametrize(
    ("deeds", "objects"),
    [
        pytest.param([], 3, id="staged"),
        pytest.param([LOOSE], 3, id="staged, and not any more"),
        pytest.param([COMMIT, MORE], 6, id="committed, and more written"),
        pytest.param([COMMIT], 3, id="committed"),
        pytest.param([COMMIT, GONE, MORE], 6, id="committed, and its branch deleted"),
    ],
)
def test_what_an_agent_stored_is_flushed(tmp_path: Path, save: str, deeds: list[str], objects: int) -> None:
    if reason := strace.missing():
        pytest.skip(reason)
    names, missing = flushed(tmp_path, save, deeds, *["on branch"] * (deeds == [COMMIT]))
    assert len(names) == objects + 2, "commits, trees and files; the ref, and the folder of objects"
    assert missing == []
