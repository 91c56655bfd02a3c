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
top = Path(sys.argv[1])
repo = Repository(top / "repo")
life = Life(top, repo.path)
place = life.open()
repo.write({"one.txt": "1\\n"}, life.root)
repo.git("add", "-A", cwd=life.root)
repo.git("commit", "--quiet", "-m", "mine", cwd=life.root)
life.keep(place)
names = repo.git("rev-list", "--objects", "--no-object-names", f"main..{BRANCH}").split()
print(*[f".git/objects/{name[:2]}/{name[2:]}" for name in names], f".git/refs/heads/{BRANCH}", ".git/objects")
"""


def test_the_commits_of_an_agent_are_flushed(tmp_path: Path) -> None:
    if reason := strace.missing():
        pytest.skip(reason)
    log = tmp_path / "trace"
    argv = ["strace", "-qq", "-y", "-e", "trace=fsync", "-o", str(log), sys.executable, "-c", STORY, str(tmp_path)]
    tests = Path(__file__).parents[1]
    ran = subprocess.run(argv, cwd=tests, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    flushed = log.read_text()
    names = ran.stdout.split()
    assert len(names) == 5, "a commit, a tree and a file, the branch, and the folder of objects"
    assert [name for name in names if f"{tmp_path}/repo/{name}>" not in flushed] == []
