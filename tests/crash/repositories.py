"""Repositories of the shapes in which a checkpoint is killed, and what an agent changes in each."""

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PERSON = ("user.name=A Person", "user.email=person@example.org", "gc.auto=0", "protocol.file.allow=always")
ROT = "tr a-z b-za"
UNROT = "tr b-za a-z"
LARGE, PER_FOLDER, CHANGED = 50_000, 100, 20


def git(folder: Path, *words: str, env: Mapping[str, str] | None = None) -> str:
    flags = [part for setting in PERSON for part in ("-c", setting)]
    done = subprocess.run(
        ["git", *flags, *words], cwd=folder, env={**os.environ, **(env or {})}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"git {' '.join(words)}: {done.stderr}"
    return done.stdout.removesuffix("\n")


@dataclass(frozen=True)
class Shape:
    """`make` fills a person's new repository; `change` is what an agent did in its worktree, in this round of it."""

    make: Callable[[Path], None]
    change: Callable[[Path, int], None]
    filters: tuple[str, ...] = ()
    """Those that are configured before the agent runs, and that it changes."""
    inside: tuple[str, str] = ("", "")
    """A repository inside, and a file that is changed in it and not committed."""
    large: bool = False
    in_place: bool = False

    @property
    def as_before(self) -> tuple[str, ...]:
        """Settings for a git that looks at the worktree afterwards: what the agent planted is not to run then."""
        off = [f"filter.{name}.{key}=" for name in ("planted",) for key in ("clean", "process")]
        off += [f"filter.{name}.clean={ROT}" for name in self.filters]
        return tuple(part for setting in off for part in ("-c", setting))


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def begin(repo: Path, files: Mapping[str, str], form: str = "sha1") -> None:
    git(repo, "init", "--quiet", "--initial-branch=main", f"--object-format={form}")
    write(repo, files)
    git(repo, "add", "-A")
    git(repo, "commit", "--quiet", "-m", "first")


PLAIN = {"a.txt": "a\n", "b.txt": "b\n", "deep/er/c.txt": "c\n", "run.sh": "#!/bin/sh\n"}


def change(root: Path, round_: int) -> None:
    write(root, {"a.txt": f"changed {round_}\n", "deep/er/new.txt": f"new {round_}\n"})
    (root / "b.txt").unlink()
    (root / "run.sh").chmod(0o755)


def nested(root: Path, round_: int) -> None:
    change(root, round_)
    (root / "inner").mkdir()
    begin(root / "inner", {"x.txt": "x\n"})
    write(root / "inner", {"x.txt": f"not committed {round_}\n", "y.txt": "new\n"})


def with_submodule(repo: Path) -> None:
    library = repo.with_name("library")
    library.mkdir()
    begin(library, {"lib.txt": "1\n"})
    begin(repo, PLAIN)
    git(repo, "submodule", "--quiet", "add", str(library), "lib")
    git(repo, "commit", "--quiet", "-m", "a submodule")


def in_submodule(root: Path, round_: int) -> None:
    change(root, round_)
    git(root, "submodule", "--quiet", "update", "--init")
    write(root / "lib", {"lib.txt": "2\n"})
    git(root / "lib", "commit", "--quiet", "-am", "second")
    write(root / "lib", {"lib.txt": f"not committed {round_}\n"})


def sparse(repo: Path) -> None:
    begin(repo, {**PLAIN, **{f"far/{number}.txt": f"{number}\n" for number in range(10)}})
    git(repo, "sparse-checkout", "set", "deep")


def with_filter(repo: Path) -> None:
    git(repo, "init", "--quiet", "--initial-branch=main")
    for key, program in (("clean", ROT), ("smudge", UNROT)):
        git(repo, "config", f"filter.crypt.{key}", program)
    begin(repo, {**PLAIN, ".gitattributes": "*.secret filter=crypt\n", "one.secret": "abc\n"})


def secrets(root: Path, round_: int) -> None:
    change(root, round_)
    write(root, {"one.secret": f"changed {round_}\n", "two.secret": "new\n"})


def large(repo: Path) -> None:
    folders = range(LARGE // PER_FOLDER)
    files = range(PER_FOLDER)
    begin(repo, {f"{folder:03}/{file:02}.txt": f"{folder} {file}\n" for folder in folders for file in files})


def in_large(root: Path, round_: int) -> None:
    write(root, {f"{number:03}/00.txt": f"round {round_}, {number}\n" for number in range(CHANGED)})


SHAPES = {
    "plain": Shape(lambda repo: begin(repo, PLAIN), change),
    "in-place": Shape(lambda repo: begin(repo, PLAIN), change, in_place=True),
    "nested": Shape(lambda repo: begin(repo, PLAIN), nested, inside=("inner", "x.txt")),
    "submodule": Shape(with_submodule, in_submodule, inside=("lib", "lib.txt")),
    "sparse": Shape(sparse, lambda root, round_: write(root, {"deep/er/c.txt": f"{round_}\n", "deep/n.txt": "n\n"})),
    "filter": Shape(with_filter, secrets, filters=("crypt",)),
    "sha256": Shape(lambda repo: begin(repo, PLAIN, "sha256"), change),
    "large": Shape(large, in_large, large=True),
}
