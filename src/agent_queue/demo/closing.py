"""What the demonstration says at its end: where every job lies and why, what it changed and took, what to do next."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

from agent_queue.core.errors import EXIT_FAILED, EXIT_OK
from agent_queue.demo.screen import bold
from agent_queue.demo.stage import Theatre
from agent_queue.demo.story import SCENES


def closing(theatre: Theatre, kept: Path | None) -> Iterator[str]:
    """The last page, line by line. `kept` is the folder, when it stays."""
    yield bold("How it ended")
    for scene in SCENES:
        yield f"  {scene.stage:<8} {scene.name:<10} {scene.shows}"
    yield ""
    yield bold("What each job changed, on a branch of its own; main and the checkout are as they were")
    for scene in SCENES:
        branch = theatre.job(scene.name)["state"]["wip_branch"]
        yield f"  {branch}"
        log = theatre.git("log", "--oneline", "--stat=72", f"main..{branch}")
        yield from (f"    {line}" for line in log.splitlines())
    yield ""
    yield bold("What it took: aq insights") + " (a shell script tells no tokens and no cost; agents do)"
    yield from (f"  {line}".rstrip() for line in theatre.aq("insights").splitlines())
    yield ""
    yield from _next(theatre, kept)
    yield ""
    yield from _agents(theatre)


def _next(theatre: Theatre, kept: Path | None) -> Iterator[str]:
    if kept is None:
        yield bold("To look around in it") + ":  aq demo --keep"
        return
    yield bold("To look around in it") + "; any part of a job's name will do"
    yield f"  export AGENT_QUEUE_ROOT={shlex.quote(str(theatre.root))}"
    yield "  aq status            # what needs you"
    yield "  aq show fix-total    # its history; aq logs and aq diff show what it said and did"
    yield "  aq ship fix-total    # the human gate; it says how to merge"
    yield "  aq requeue guide     # run it again from what lies on its branch"
    yield f"  rm -r {shlex.quote(str(kept))}"


def _agents(theatre: Theatre) -> Iterator[str]:
    # It ends with 1 when this machine lacks something: that is for `aq doctor` to say, and no defect of the story.
    engines = json.loads(theatre.aq("doctor", "--json", fine=(EXIT_OK, EXIT_FAILED)))["engines"]
    there = [row for row in engines if row["program"] and row["engine"] != "shell"]
    yield bold("Your own agents") + (": found on this machine" if there else ": none found on this machine")
    for row in there:
        yield f"  {row['engine']:<10} {row['program']}"
    if not there:
        known = [row for row in engines if row["engine"] in ("claude", "codex")]
        yield from (f"  {row['engine']:<10} {row['hint']}" for row in known)
    name = there[0]["engine"] if there else "claude"
    yield "To use one, in a repository of yours:"
    yield "  aq init"
    yield f"  echo 'Add a test for the parser, and make it pass.' | aq add - --engine {name} --yolo --name parser-test"
    yield "  aq run"
