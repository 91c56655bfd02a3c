"""What the demonstration says at its end: where every job lies and why, what it changed, and what to do next."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

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
    engines = json.loads(theatre.aq("doctor", "--json"))["engines"]
    there = [engine for engine in engines if engine["program"] and engine["name"] != "shell"]
    yield bold("Your own agents") + (": found on this machine" if there else ": none found on this machine")
    for engine in there:
        yield f"  {engine['name']:<10} {engine['program']}"
    if not there:
        known = [engine for engine in engines if engine["name"] in ("claude", "codex")]
        yield from (f"  {engine['name']:<10} {engine['hint']}" for engine in known)
    name = there[0]["name"] if there else "claude"
    yield "To use one, in a repository of yours:"
    yield "  aq init"
    yield f"  echo 'Add a test for the parser, and make it pass.' | aq add - --engine {name} --yolo --name parser-test"
    yield "  aq run"
