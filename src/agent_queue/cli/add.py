"""aq add"""

import os
from dataclasses import replace

import click

from agent_queue.cli.inputs import inputs
from agent_queue.cli.options import chatter, emit, engine_names, json_option
from agent_queue.core.choices import Priority
from agent_queue.core.errors import UsageError
from agent_queue.flow import intake
from agent_queue.flow.places import How
from agent_queue.wiring import opened


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...|FOLDER|-", type=click.Path())
@click.option("--engine", help="Agent program, where a file does not say.", shell_complete=engine_names)
@click.option("--cwd", type=click.Path(file_okay=False), help="Where the agent works; else the current folder.")
@click.option("--yolo/--no-yolo", default=None, help="All tools without asking, where a file does not say.")
@click.option(
    "--priority", type=click.Choice([priority.value for priority in Priority]), help="Where a file does not say."
)
@click.option("--name", help="Name of the one job, instead of its file's.")
@json_option
@click.pass_obj
def command(
    root: str | None, *, files: tuple[str, ...], engine: str | None, cwd: str | None, yolo: bool | None,
    priority: str | None, name: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Put copies of job files into the inbox: FILEs, every .md file of a FOLDER, or - for standard input. All or none.

    What a file says itself stands; flags fill what it leaves open.
    """
    app = opened(root)
    sources = [source for path in files for source in _sources(path)]
    if name is not None:
        if len(sources) > 1:
            raise UsageError(f"--name names one job, and these are {len(sources)}", hint="add them one by one")
        sources = [replace(source, stem=name) for source in sources]
    keys = {"engine": engine, "yolo": yolo, "priority": Priority(priority) if priority else None}
    place, now = os.path.abspath(os.path.expanduser(cwd or ".")), app.tools.clock.local()
    added = intake.add(app.queue, sources, keys=keys, meaning=app.meaning, cwd=place, now=now, guard=app.intake,
                       around=app.around)  # fmt: skip
    for item in added:
        for warning in item.warnings:
            chatter(warning)
        if item.how is not How.CREATED:
            chatter(f"{item.source}: {item.how}; {item.job} has its key and lies in {item.stage}")
    rows = [{"job": item.job, "source": item.source, "how": item.how, "stage": item.stage} for item in added]
    emit(as_json, {"added": rows}, (item.job for item in added))


def _sources(path: str) -> list[intake.Source]:
    found = [(name if name != "-" else "<stdin>", data) for name, data in inputs(path)]
    if not found:
        raise UsageError(f"{path} holds no .md file")
    stems = (os.path.splitext(os.path.basename(name.strip("<>")))[0] for name, _ in found)
    return [intake.Source(name=name, data=data, stem=stem) for (name, data), stem in zip(found, stems, strict=True)]
