"""Globs of files: what they mean, and that no tree keeps them from an end."""

import glob
import os
import subprocess
from pathlib import Path

import pytest

from agent_queue.system.artifacts import find
from agent_queue.system.globs import matching

TREE = ("a.log", "dist/b.log", "dist/deep/c.log", "dist/.hidden/d.log", "x/y", "[odd].log", "dist/deep/e*f")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in TREE:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    "pattern",
    ["*.log", "**/*.log", "dist", "dist/", "dist/*", "dist/**", "**", "dist/**/c.log", "**/deep/**", "d*/**/*.log",
     "a.log/**", "./dist/*", "dist//b.log", "[[]odd].log", "**/**/c.log", "x/?", "dist/.hidden/*"],
)  # fmt: skip
def test_a_glob_means_what_it_means_to_python(tree: Path, pattern: str) -> None:
    usual = glob.glob(pattern.rstrip("/"), root_dir=tree, recursive=True, include_hidden=True)
    wanted = {os.path.normpath(path) for path in usual if path and path != "."}
    assert {os.path.normpath(path) for path in matching(str(tree), pattern)} == wanted


def test_a_text_without_a_wild_card_is_a_name(tree: Path) -> None:
    assert find(str(tree), ["dist/deep"]) == [
        (name, str(tree / name)) for name in ("dist/deep/c.log", "dist/deep/e*f")
    ]  # fmt: skip


def test_links_that_lead_back_come_to_an_end(tree: Path) -> None:
    for name in ("one", "two", "dist/three"):
        (tree / name).symlink_to(tree)
    assert [name for name, _ in find(str(tree), ["**/*.log"])] == sorted(name for name in TREE if name.endswith("log"))


def test_a_folder_as_deep_as_can_be_is_looked_through(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    depth = 1_100
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        assert len([*matching(str(tmp_path), "**")]) == depth
        assert find(str(tmp_path), ["**"]) == []
    finally:
        subprocess.run(["rm", "-r", str(tmp_path / "d")], check=True)  # Python's own way does not come so deep


def test_git_s_own_folder_is_in_no_glob(tree: Path) -> None:
    (tree / ".git").mkdir()
    (tree / ".git" / "config.log").write_text("x")
    assert not [path for path in matching(str(tree), "**") if ".git" in path]
    assert find(str(tree), [".git", ".git/*", "**/config.log"]) == []
