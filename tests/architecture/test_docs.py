"""The documents are true: generated pages are not stale, links lead somewhere, command lines exist, code runs."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement

from agent_queue.cli import COMMANDS, cli

from .sources import PACKAGE, PROJECT

DOCS = sorted((PROJECT / "docs").rglob("*.md"))
PAGES = [*DOCS, *(PROJECT / name for name in ("README.md", "ARCHITECTURE.md", "AGENTS.md", "CHANGELOG.md"))]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLACE = re.compile(r"`((?:src|tests|tools|core|flow|system|engines|queues|cli|demo|testing)/[\w./-]*)`")
QUOTED = re.compile(r"`(aq [a-z-]+(?: [^`]*)?)`")


def ids(page: Path) -> str:
    return str(page.relative_to(PROJECT))


def anchors(text: str) -> set[str]:
    """The names that headings can be linked by, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def broken_links(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    found = []
    for link in LINK.findall(FENCE.sub("", text)):
        if re.match(r"https?://|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            found.append(link)
    return found


def command_lines(text: str) -> Iterator[str]:
    """Every `aq ...` that a page shows: in a line of text, or as a line of a shell block, with or without a `$`."""
    blocks = [body for language, body in FENCE.findall(text) if language in ("sh", "console")]
    for line in "".join(blocks).splitlines():
        for part in re.split(r"&&|\|\||[|;]", line.partition(" # ")[0]):
            words = part.strip().removeprefix("$ ").removeprefix("nohup ")
            if words.startswith("aq "):
                yield words
    yield from QUOTED.findall(FENCE.sub("", text))


def wrong_with(line: str) -> str:
    """What click would say against a command line, '' when it takes it. Nothing is executed.

    In running text a bare `aq add` names the command; there its arguments are not missed.
    """
    words = shlex.split(re.split(r"\s*(?:[<>]|\d>|&$)", line)[0])[1:]
    try:
        group = cli.make_context("aq", words)
        name, command, rest = cli.resolve_command(group, [*group._protected_args, *group.args])
        assert command is not None
        if rest:
            command.make_context(name or "", rest, parent=group)
    except click.exceptions.Exit:
        return ""  # --help or --version
    except click.UsageError as error:
        return f"`{line}`: {error.format_message()}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_command_line_is_one(page: Path) -> None:
    lines = command_lines(page.read_text(encoding="utf-8"))
    assert [problem for line in lines if (problem := wrong_with(line))] == []


def missing_tests(page: Path, tests: str) -> list[str]:
    """What a page says is shown by a test, and is not."""
    text = page.read_text(encoding="utf-8")
    named = [name for name in re.findall(r"`(test_\w+)`", text) if f"def {name}(" not in tests]
    return named + [path for path in re.findall(r"`(tests/[\w./]+)`", text) if not (PROJECT / path).exists()]


def test_every_test_that_a_page_names_is_there(tmp_path: Path) -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / "tests").rglob("test_*.py"))
    assert {page.name: found for page in PAGES if (found := missing_tests(page, tests))} == {}
    (tmp_path / "page.md").write_text("`test_that_is_not_there` `tests/nowhere.py` `tests/crash`\n")
    assert missing_tests(tmp_path / "page.md", tests) == ["test_that_is_not_there", "tests/nowhere.py"]


def test_a_wrong_line_or_link_is_seen(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("[a](b.md) [c](#d) [e](#real-one)\n\n# Real one\n")
    assert broken_links(tmp_path / "page.md") == ["b.md", "#d"]
    text = "`aq shipp JOB`, `aq add` and `aq run --slits 3`\n```sh\n$ aq stop && aq add --cwd\n```\n"
    assert list(command_lines(text)) == ["aq stop", "aq add --cwd", "aq shipp JOB", "aq add", "aq run --slits 3"]
    assert [bool(wrong_with(line)) for line in command_lines(text)] == [False, True, True, False, True]


def test_the_pages_show_command_lines() -> None:
    """The check above has something to check."""
    assert {line.split()[1] for page in PAGES for line in command_lines(page.read_text())} >= {"add", "run", "ship"}
    assert len([line for page in PAGES for line in command_lines(page.read_text())]) > len(COMMANDS)


def made(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tools/make_docs.py", *arguments], cwd=folder, capture_output=True, text=True, timeout=60
    )


def test_generated_pages_are_not_stale() -> None:
    ran = made(PROJECT, "--check")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_stale_page_and_a_gap_are_seen(tmp_path: Path) -> None:
    for folder in ("tools", "docs"):
        shutil.copytree(PROJECT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    page = tmp_path / "docs/reference/failures.md"
    page.write_text(page.read_text().replace("`crash`", "`crush`"))
    assert "docs/reference/failures.md is stale" in made(tmp_path, "--check").stdout
    assert made(tmp_path).returncode == 0
    assert made(tmp_path, "--check").returncode == 0
    words = tmp_path / "tools/pages/journal.py"
    words.write_text(words.read_text().replace('    "wip_branch":', '    "gone_branch":'))
    gap = made(tmp_path, "--check")
    assert gap.returncode == 1
    assert "state keys: not described ['wip_branch'], no longer there ['gone_branch']" in gap.stderr


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_named_places_of_the_code_are_there(page: Path) -> None:
    assert [name for name in PLACE.findall(page.read_text(encoding="utf-8")) if not is_there(name)] == []


def is_there(name: str) -> bool:
    """True for a path in the project or the package, and for `module.name` where the module says that name."""
    if (PROJECT / name).exists() or (PACKAGE / name).exists() or (PACKAGE / f"{name}.py").exists():
        return True
    module, _, member = name.rpartition(".")
    file = PACKAGE / f"{module}.py"
    return file.exists() and re.search(rf"\b{member}\b", file.read_text(encoding="utf-8")) is not None


def test_a_place_that_is_not_there_is_seen() -> None:
    text = "`core/lifecycle.decide`, `core/retry`, `tests/unit`, `core/lifecycle.undecide`, `system/gone`"
    assert [is_there(name) for name in PLACE.findall(text)] == [True, True, True, False, False]


def test_every_page_is_on_the_map() -> None:
    mapped = {(PROJECT / "docs" / link.partition("#")[0]).resolve() for link in LINK.findall(DOCS_MAP.read_text())}
    assert {page for page in DOCS if page != DOCS_MAP} - mapped == set(), "docs/README.md does not name them"


DOCS_MAP = PROJECT / "docs/README.md"


def test_the_pinned_versions_satisfy_what_is_asked_for() -> None:
    lines = (PROJECT / "requirements-dev.txt").read_text().splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.lstrip().startswith("#")]
    versions = {pin.name.lower(): str(pin.specifier).removeprefix("==") for pin in pinned}
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    for text in (*settings["project"]["dependencies"], *settings["dependency-groups"]["dev"]):
        wanted = Requirement(text)
        assert wanted.name.lower() in versions, f"{text} is not pinned; `make lock`"
        assert wanted.specifier.contains(versions[wanted.name.lower()]), f"{text} is pinned too low; `make lock`"


# docs/how-to/write-an-engine.md

AGENT = """#!/bin/sh
printf '{"type": "hello", "from": "tinker", "session": "s-1"}\\n'
printf 'hello, ' > hello.txt; cat >> hello.txt
printf '{"type": "say", "from": "tinker", "id": "a-1", "text": "wrote hello.txt with %s",' "$*"
printf ' "model": "claude-sonnet-4-5", "used": {"in": 1000000, "out": 0}}\\n'
printf '{"type": "bye", "from": "tinker"}\\n'
"""


@pytest.fixture
def tinker(tmp_path: Path) -> Path:
    """The page's code in files as it says, and a program for it."""
    text = (PROJECT / "docs/how-to/write-an-engine.md").read_text()
    engine, test = [body for language, body in FENCE.findall(text) if language == "python"]
    (tmp_path / "tinker_engine.py").write_text(engine)
    (tmp_path / "test_tinker.py").write_text(test)
    program = tmp_path / "tinker"
    program.write_text(AGENT)
    program.chmod(0o755)
    return tmp_path


def test_the_engine_of_the_how_to_keeps_the_contract(tinker: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_tinker.py"],
        cwd=tinker, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": str(tinker)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"\b1\d passed", ran.stdout), "the contract was not collected"


def test_the_engine_of_the_how_to_runs_a_job(tinker: Path, home: Path) -> None:
    text = (PROJECT / "docs/how-to/write-an-engine.md").read_text()
    (job,) = [body for language, body in FENCE.findall(text) if language == "markdown"]
    (tinker / "hello.md").write_text(job)

    def aq(*arguments: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "agent_queue", *arguments], cwd=tinker, check=True, timeout=60,
            env={**os.environ, "TINKER_BIN": str(tinker / "tinker")},
        )  # fmt: skip

    aq("init")
    aq("add", "hello.md")
    aq("run", "--once")
    assert [path.name.split("__")[1] for path in (home / "queue/review").iterdir()] == ["hello.md"]
    assert (tinker / "hello.txt").read_text().startswith("hello, Write a greeting")
    (journal,) = (home / "queue/journal").iterdir()
    (ended,) = [json.loads(line) for line in journal.read_text().splitlines() if '"ended"' in line]
    assert (ended["tokens_in"], ended["usage"], ended["cost_usd"] > 1) == (1_000_000, "exact", True)
