"""An import as lines of text."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from agent_queue.cli.screen import home, plain

Found = Mapping[str, Any]


def import_lines(found: Found) -> Iterator[str]:
    """What was done: one line for each job."""
    yield from (f"{job['stage']:<8} {job['job']}" for job in found["imported"])
    counts = Counter(job["stage"] for job in found["imported"])
    told = ", ".join(f"{number} in {stage}" for stage, number in counts.items()) or "no job"
    verb = "would import" if found["dry_run"] else "imported"
    already = f"; {found['already']} were there already" if found["already"] else ""
    yield f"{verb} {told} into {home(found['root'])}{already}"
    if found["profiles"]:
        yield f"{verb} profiles: {', '.join(map(plain, found['profiles']))}"


def import_notes(found: Found, *, yolo: bool) -> Iterator[str]:
    """What a person should know, or has to do."""
    yield from ([f"refused as long as {found['busy']}"] if found["busy"] else [])
    yield from (f"renamed: {plain(each['from'])} is {each['job']}.md now" for each in found["renamed"])
    for each in found["deps"]:
        yield f"{each['job']}: its deps say {plain(each['says'])}, which is {each['now']} now; change that by hand"
    for each in found["quoted"]:
        yield f"{each['file']}:{each['line']}: {each['key']}: put in quotes, to be read as it was"
    for each in found["branches"]:
        yield (f"{each['branch']} is checked out at {home(each['at'])}; switch that to another branch before "
               f"{each['job']} runs")  # fmt: skip
    for each in found["earlier_work"]:
        branch = f"git branch aq/wip/{each['job']} {each['branch']}"
        yield f"{each['job']}: its earlier work is on {each['branch']}; `{branch}` lets it go on from there"
    if found["without_yolo"]:
        silent = "1 file does" if found["without_yolo"] == 1 else f"{found['without_yolo']} files do"
        yield f"{silent} not say `yolo`: once that meant true, " + (
            "and so it was written there" if yolo else "here it means false; --yolo writes it into copies"
        )
    if found["passed_over"]:
        told = ", ".join(f"{plain(key)} ({number})" for key, number in found["passed_over"].items())
        yield f"keys of notes that were passed over: {told}"
    if found["notes_without_job"]:
        yield f"{len(found['notes_without_job'])} notes are of jobs whose file is gone; they were left"
    yield from (plain(problem) for problem in found["problems"])
